"""Pairs of documents, as the stage align has aligned them: a Parquet file for each corpus, its rows alignments.

To align takes a model, which readers don't have: where params.yaml names such a corpus, the stage align runs before, and
leaves its alignments in `pipeline.config.prepare.ALIGNED`. A row stands where its first sentences stand in the two documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.parquet import read_made_by
from pipeline.config.prepare import ALIGNED
from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, ReadRequest, Unit, complete, file_source, score_reasons
from pipeline.corpora.columnar import BATCH_ROWS

COLUMNS = ("score", "text_a", "text_b", "document", "file_a", "line_a", "file_b", "line_b")


def aligned_file(root: Path, name: str) -> Path:
    """Where the alignments of a corpus stand.

    Args:
        root: the project's folder.
        name: the corpus' name in params.yaml.
    """
    return root / ALIGNED / f"{name}.parquet"


class DocumentsReader:
    """Format ``documents``."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        path = aligned_file(request.root, request.name)
        name = aligned_file(Path(), request.name).as_posix()
        if not path.is_file():
            raise InputError(
                name,
                f"no such file; the documents of {request.name} are aligned by a stage of their own, before prepare: "
                "softalign align --project . (docs/aligning.md has its lines for dvc.yaml)",
            )
        sides = [language for language, _ in request.files]
        read_made_by(path, {"kind": "aligned", "languages": sides})
        return [Unit((file_source(path, name),), request.groups)]

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        source, (group,) = unit.sources[0], unit.groups
        swapped = group[0] != request.files[0][0]
        with source.open() as opened:
            for batch in pq.ParquetFile(opened).iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
                yield Chunk(group, _rows(batch, swapped, request.min_score))


def _rows(batch: pa.RecordBatch, swapped: bool, min_score: float) -> pl.DataFrame:
    """Alignments as rows of a corpus; swapped, where the project's order of the languages is not that of the documents."""
    frame = pl.from_arrow(pa.Table.from_batches([batch]))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
    reason, detail = score_reasons(pl.col("score"), min_score)
    a, b = ("b", "a") if swapped else ("a", "b")
    return complete(
        frame.select(
            a=pl.col(f"text_{a}"),
            b=pl.col(f"text_{b}"),
            file=pl.col(f"file_{a}"),
            line=pl.col(f"line_{a}"),
            doc=pl.col("document"),
            reason=reason,
            detail=detail,
            file_b=pl.col(f"file_{b}"),
            line_b=pl.col(f"line_{b}"),
        )
    )
