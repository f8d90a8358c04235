"""BUCC's gold form: ``id TAB id``."""

from __future__ import annotations

from pathlib import Path

from pipeline.ground.atomic import write_text
from pipeline.mining.outputs import PairFormat, PairsToWrite


class IdPairs(PairFormat):
    """The ids of both sentences, for BUCC's own scorer."""

    name = "ids"
    needs_ids = True

    def write(self, path: Path, found: PairsToWrite) -> None:
        """See `PairFormat.write`."""
        if found.ids is None:
            raise ValueError("the sentences came without ids")
        (ids_a, ids_b), rows = found.ids, zip(found.pairs.row_a.tolist(), found.pairs.row_b.tolist(), strict=True)
        write_text(path, "".join(f"{ids_a[a]}\t{ids_b[b]}\n" for a, b in rows))
