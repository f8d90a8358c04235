"""TSV as LASER writes it: ``score TAB text of a TAB text of b``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from pipeline.mining.outputs import PairFormat, PairsToWrite, one_line, open_text, text_parts


class TsvPairs(PairFormat):
    """LASER's TSV: score, with six decimals, and both texts; tabs in a text become spaces."""

    name = "tsv"

    def write(self, path: Path, found: PairsToWrite) -> None:
        """See `PairFormat.write`."""
        with ExitStack() as stack:
            opened = open_text(stack, path)
            for part, texts_a, texts_b in text_parts(found.pairs, found.a, found.b):
                for score, one, other in zip(part.score.tolist(), texts_a, texts_b, strict=True):
                    opened.write(f"{score:.6f}\t{_cell(one)}\t{_cell(other)}\n")


def _cell(text: str) -> str:
    return one_line(text).replace("\t", " ")
