"""Pairs of documents, as the stage align has aligned them: a Parquet file for each corpus, its rows alignments.

To align takes a model, which readers don't have: where params.yaml names such a corpus, the stage align runs before, and
leaves its alignments in `pipeline.config.prepare.ALIGNED`. A row stands where its first sentences stand in the two documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from pipeline.artifacts.parquet import read_made_by
from pipeline.config.base import Language, Section, Share
from pipeline.config.prepare import ALIGNED
from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, Reader, ReadRequest, Unit, complete, file_source, score_reasons
from pipeline.corpora.columnar import BATCH_ROWS
from pipeline.corpora.named import check_files

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("score", "text_a", "text_b", "document", "file_a", "line_a", "file_b", "line_b")


def aligned_file(root: Path, name: str) -> Path:
    """Where the alignments of a corpus stand.

    Args:
        root: the project's folder.
        name: the corpus' name in params.yaml.
    """
    return root / ALIGNED / f"{name}.parquet"


class AlignDocuments(Section):
    """How the documents of a corpus are aligned, sentence by sentence (stage align).

    Attributes:
        model: an encoder that knows both languages: a hub name, a folder, or ``package:NAME/SUBFOLDER``.
        revision: the hub revision (branch, tag or commit).
        prefix: put before every text (mE5 wants ``"query: "``); null: the prompt of ``prompt_name``.
        prompt_name: one of the model's own prompts, by its name; null: its default prompt, if it has one.
        pooling: how token vectors become one; ``auto`` reads the model's own configuration.
        max_length: tokens kept of a text; null: as many as the model says.
        dtype: the precision that it runs in.
        split: lines are paragraphs, and are split into sentences.
        allow_missing: leave out documents that only one side has, instead of stopping.
        most: sentences of a side that may stand in one alignment.
        quantile: what a sentence without a counterpart costs: this quantile of the costs of random pairs.
        reach: how far from the coarser path a finer one may lie, in sentences.
        lengths: how much the texts' lengths count; 0: not at all.
    """

    model: str
    revision: str | None = None
    prefix: str | None = None
    prompt_name: str | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    max_length: Annotated[int, Field(ge=4)] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    split: bool = False
    allow_missing: bool = False
    most: Annotated[int, Field(ge=1, le=10)] = 4
    quantile: Share = 0.2
    reach: Annotated[int, Field(ge=3)] = 10
    lengths: Annotated[float, Field(ge=0)] = 0.15

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.prefix is not None and self.prompt_name is not None:
            raise ValueError("give 'prefix' or 'prompt_name', not both")
        return self


class DocumentsReader(Reader):
    """Documents and their translations, in order, which the stage align aligns sentence by sentence before prepare.

    Attributes:
        files: the document of each of two languages, or a folder of documents.
        align: how documents are aligned, and with which model.
        min_score: pairs whose score is lower, or NaN, are rejected (``low-score``).
    """

    format: Literal["documents"] = "documents"
    one_sided: ClassVar[bool] = False
    places: ClassVar[tuple[str, ...]] = ("files",)
    files: dict[Language, str] = {}
    align: AlignDocuments
    min_score: float | None = None

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        if len(self.files) != 2:
            raise ValueError("format 'documents' needs 'files', with the documents of two languages")
        return self

    @property
    def named_files(self) -> dict[str, str]:
        """See `pipeline.config.prepare.CorpusFormat`."""
        return self.files

    def files_read(self, corpus: str) -> tuple[str, ...]:
        """What the stage align has left of the documents; see `pipeline.config.prepare.CorpusFormat`."""
        return (aligned_file(Path(), corpus).as_posix(),)

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        check_files(self.files, request)
        (name,) = self.files_read(request.name)
        path = request.root / name
        if not path.is_file():
            raise InputError(
                name,
                f"no such file; the documents of {request.name} are aligned by a stage of their own, before prepare: "
                "softalign align --project . (docs/aligning.md has its lines for dvc.yaml)",
            )
        sides = list(self.files)
        read_made_by(path, {"kind": "aligned", "languages": sides})
        return [Unit((file_source(path, name),), request.groups)]

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        source, (group,) = unit.sources[0], unit.groups
        swapped = group[0] != next(iter(self.files))
        with source.open() as opened:
            for batch in pq.ParquetFile(opened).iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
                yield Chunk(group, _rows(batch, swapped, self.min_score))


def _rows(batch: pa.RecordBatch, swapped: bool, min_score: float | None) -> pl.DataFrame:
    """Alignments as rows of a corpus; swapped, where the project's order of the languages is not that of the documents."""
    import polars as pl

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
