"""Where alignments go: pairs of texts in the forms that mined pairs have, and ladders.

Alignments of both sides' sentences are spilled to an Arrow file as they are found, and written when all are: memory is about
30 bytes an alignment. Ladders, one a document pair, are written at once, and have the sentences without counterpart too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.aligning.align import Alignment
from pipeline.aligning.blocks import join
from pipeline.aligning.documents import Document, DocumentPair
from pipeline.aligning.ladder import Rung, write_ladder
from pipeline.artifacts.parquet import sealed_metadata
from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import UserError
from pipeline.ground.arrays import CHUNK, Rows
from pipeline.ground.atomic import atomic_file, write_text
from pipeline.ground.file_checksum import seal
from pipeline.mining.outputs import OutputSide, PairsToWrite, format_of, one_line, write_moses
from pipeline.mining.retrieval import Candidates
from pipeline.text.rules import UNKNOWN

LADDER = ".ladder"

ALIGNED = pa.schema(
    {name: pa.float32() for name in ("score", "cosine", "mean_a", "mean_b")}
    | {"document": pa.string(), "text_a": pa.string(), "text_b": pa.string()}
    | {"file_a": pa.string(), "line_a": pa.int64(), "sentences_a": pa.int32()}
    | {"file_b": pa.string(), "line_b": pa.int64(), "sentences_b": pa.int32()}
)
"""An alignment: its score and what that is made of (see `pipeline.aligning.align.Alignment`), its document, both texts, and
of each where its first sentence stands and how many sentences it has."""


@dataclass(frozen=True)
class AlignOutputs:
    """Where alignments go.

    Attributes:
        files: pairs; the form of each follows from its suffix, one of `pipeline.mining.formats`.
        moses: the stem of two Moses files, ``<stem>.<language>``, or None.
        ladder: a file for one pair of documents, a folder for several; or None.
        threshold: pairs of a lower score are not written, but ladders have them; None: all are.
    """

    files: tuple[Path, ...]
    moses: Path | None = None
    ladder: Path | None = None
    threshold: float | None = None

    @property
    def first(self) -> Path:
        """The first output, once `check` has seen that there is one."""
        return next(path for path in (*self.files, self.moses, self.ladder) if path is not None)

    def check(self, pairs: list[DocumentPair], languages: tuple[str, str]) -> None:
        """Refuse what could not be written in the end, before anything is done.

        Raises:
            UserError: for no output, an unknown suffix, languages that are needed and unknown, a file that is an input.
        """
        if not self.files and self.moses is None and self.ladder is None:
            raise UserError("--out: nothing to write; give --out FILE, --moses PREFIX or --ladder PATH")
        forms = [format_of(path) for path in self.files]
        if with_ids := [form.name for form in forms if form.needs_ids]:
            raise UserError(f"--out: .{with_ids[0]} needs sentences with ids, which documents have not")
        named = [f".{form.name}" for form in forms if form.needs_languages] + (["--moses"] if self.moses else [])
        needing = named[0] if named else None
        if needing and UNKNOWN in languages:
            raise UserError(f"--languages: {needing} needs them, and the names don't tell them; give --languages en,fr")
        if self.moses and languages[0] == languages[1]:
            raise UserError(f"--moses: both sides are {languages[0]}, and Moses files are named by language")
        if self.ladder is not None and self.ladder.is_dir() != (len(pairs) > 1) and self.ladder.exists():
            expected = "a folder, as there are several pairs" if len(pairs) > 1 else "a file, as there is one pair"
            raise UserError(f"--ladder: {self.ladder}: expected {expected} of documents")
        inputs = {path.resolve() for pair in pairs for path in (pair.a, pair.b)}
        stems = [Path(f"{self.moses}.{language}") for language in languages] if self.moses else []
        ladder = [self.ladder] if self.ladder is not None else []
        for path in (*self.files, *stems, *ladder):
            if path.resolve() in inputs:
                raise UserError(f"--out: {path} is an input; give another name")

    def write_ladder(self, pair: DocumentPair, several: bool, rungs: list[Rung], alignment: Alignment) -> Path:
        """Write a document pair's ladder, where one was asked for; returns its path."""
        assert self.ladder is not None  # noqa: S101 - the caller asks first
        path = self.ladder / f"{pair.name}{LADDER}" if several else self.ladder
        path.parent.mkdir(parents=True, exist_ok=True)
        write_ladder(path, rungs, (1.0 - alignment.score).tolist())
        return path


def write_sentences(ladder: Path, languages: tuple[str, str], a: Document, b: Document) -> None:
    """Write the sentences that a ladder's numbers mean, one a line, to ``<ladder>.<language>``."""
    names = languages if languages[0] != languages[1] else ("a", "b")
    for name, document in zip(names, (a, b), strict=True):
        text = "".join(f"{one_line(sentence)}\n" for sentence in document.sentences)
        write_text(ladder.with_name(f"{ladder.name}.{name}"), text)


def aligned_table(pair: DocumentPair, a: Document, b: Document, alignment: Alignment, root: Path = Path()) -> pa.Table:
    """The alignments of both sides' sentences, as rows of `ALIGNED`; files that lie in ``root`` are named from there."""
    paired = np.flatnonzero(alignment.paired)
    columns: dict[str, Any] = {
        name: getattr(alignment, name)[paired].astype(np.float32) for name in ("score", "cosine", "mean_a", "mean_b")
    }
    columns["document"] = [pair.name] * len(paired)
    starts, ends = alignment.nodes[paired], alignment.nodes[paired + 1]
    for side, (suffix, document) in enumerate((("a", a), ("b", b))):
        first, last = starts[:, side].tolist(), ends[:, side].tolist()
        columns[f"text_{suffix}"] = [join(document.sentences[i:j]) for i, j in zip(first, last, strict=True)]
        path = document.path.relative_to(root) if document.path.is_relative_to(root) else document.path
        columns[f"file_{suffix}"] = [path.as_posix()] * len(paired)
        columns[f"line_{suffix}"] = [document.lines[i] for i in first]
        columns[f"sentences_{suffix}"] = (ends - starts)[:, side].astype(np.int32)
    return pa.table(columns).select(ALIGNED.names).cast(ALIGNED)


def write_pairs(
    outputs: AlignOutputs, spill: Path, languages: tuple[str, str], made_by: Mapping[str, Any]
) -> tuple[list[Path], int]:
    """Write the pairs that were spilled, in order, in every form asked for.

    Args:
        outputs: the files to write.
        spill: an Arrow file of `ALIGNED`.
        languages: the languages of both sides.
        made_by: the run's identity: JSON values, no times, no paths.

    Returns:
        The files, and how many pairs stand in each.
    """
    table = pa.ipc.open_file(pa.memory_map(str(spill))).read_all()
    scores = table.column("score").to_numpy()
    threshold = outputs.threshold
    rows = np.arange(len(scores)) if threshold is None else np.flatnonzero(scores >= threshold)
    # What TSV, TMX and Moses files take is mined pairs: row by row, without ranks.
    numbers = {name: table.column(name).to_numpy()[rows].astype(np.float64) for name in ("score", "mean_a", "mean_b")}
    cosine, none = table.column("cosine").to_numpy()[rows], np.zeros(len(rows), np.int32)
    pairs = Candidates(row_a=rows, row_b=rows, cosine=cosine, rank_a_to_b=none, rank_b_to_a=none, **numbers)
    a, b = (
        OutputSide(language, table.select([f"text_{suffix}"]).rename_columns(["text"]))
        for suffix, language in zip("ab", languages, strict=True)
    )
    for path in outputs.files:
        if path.suffix == ".parquet":
            identity = {"kind": "aligned", "languages": list(languages), "threshold": threshold, **made_by}
            _write_parquet(path, table, rows, identity)
        else:
            format_of(path).write(path, PairsToWrite(pairs, a, b, dict(made_by)))
    stems = write_moses(outputs.moses, pairs, a, b) if outputs.moses else ()
    return [*outputs.files, *stems], len(rows)


def _write_parquet(path: Path, table: pa.Table, rows: Rows, made_by: Mapping[str, Any]) -> None:
    schema = ALIGNED.with_metadata(sealed_metadata(made_by))
    with atomic_file(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for start in range(0, len(rows), CHUNK):
                writer.write_table(take_rows(table, rows[start : start + CHUNK]).cast(schema))
        seal(temporary)
