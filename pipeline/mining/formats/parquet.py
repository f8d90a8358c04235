"""Parquet: everything that is known of the pairs (zstd)."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from pipeline.artifacts.shards import METADATA_KEY
from pipeline.ground.atomic import atomic_file
from pipeline.ground.hashing import canonical_json
from pipeline.mining.outputs import PairFormat, PairsToWrite, pair_tables


class ParquetPairs(PairFormat):
    """Everything that is known of the pairs; the schema's metadata say what made them."""

    name = "parquet"

    def write(self, path: Path, found: PairsToWrite) -> None:
        """See `PairFormat.write`."""
        identity = {"kind": "mined", "languages": [found.a.language, found.b.language], **found.made_by}
        tables = pair_tables(found.pairs, found.a, found.b, found.more)
        first = next(tables)
        schema = first.schema.with_metadata({METADATA_KEY: canonical_json(identity).encode()})
        with atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            writer.write_table(first.cast(schema))
            for table in tables:
                writer.write_table(table.cast(schema))
