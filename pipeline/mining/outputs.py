"""Mined pairs in the formats that others read.

Parquet holds everything; the others hold the two texts and, where there is room, the score. Every writer streams,
keeps the order of the pairs, and gives both sides equally many lines: what would break a line (line and paragraph
separators) or a column (tabs, in TSV) becomes a space.

Texts are written as they are otherwise. A TSV is meant for programs; a cell that begins with ``=``, ``+``, ``-`` or
``@`` is a formula to a spreadsheet, and changing it would corrupt a corpus, so import the file as text there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.shards import METADATA_KEY
from pipeline.artifacts.table_rows import take_rows
from pipeline.ground.arrays import CHUNK, Rows
from pipeline.ground.atomic import atomic_file
from pipeline.ground.hashing import canonical_json
from pipeline.mining.retrieval import Candidates

BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
"""Everything that some reader of text files takes for the end of a line."""

FORBIDDEN_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 allows in no form, not even as a character reference."""


@dataclass(frozen=True)
class OutputSide:
    """The sentences of one side, row by row as its vectors.

    Attributes:
        language: its code, for TMX and file names.
        table: column ``text``, and any columns of provenance (``id``, ``corpus``, ``file``, ``line``, ``doc``, …); may
            be memory-mapped.
    """

    language: str
    table: pa.Table

    @classmethod
    def of(cls, language: str, texts: Sequence[str], **provenance: Any) -> OutputSide:
        """A side from texts [n] and columns of provenance [n]."""
        return cls(language, pa.table({"text": pa.array(texts, pa.string()), **provenance}))

    def texts(self, rows: Rows) -> list[str]:
        """The sentences of some rows."""
        texts: list[str] = take_rows(self.table.select(["text"]), rows).column("text").to_pylist()
        return texts


def one_line(text: str) -> str:
    r"""A text without anything that ends a line: runs of such characters become one space.

    >>> one_line("a\r\nb\u2028c")
    'a b c'
    """
    return BREAKS.sub(" ", text)


def _parts(pairs: Candidates) -> Iterator[Candidates]:
    for start in range(0, len(pairs), CHUNK):
        yield pairs.take(np.arange(start, min(start + CHUNK, len(pairs))))


def _text_parts(pairs: Candidates, a: OutputSide, b: OutputSide) -> Iterator[tuple[Candidates, list[str], list[str]]]:
    for part in _parts(pairs):
        yield part, a.texts(part.row_a), b.texts(part.row_b)


def pair_tables(
    pairs: Candidates, a: OutputSide, b: OutputSide, more: Mapping[str, pl.Series] | None = None
) -> Iterator[pa.Table]:
    """The pairs as tables of at most 65,536 rows; at least one, so that a file without pairs has its columns.

    Columns: score, cosine, mean_a, mean_b, rank_a_to_b, rank_b_to_a, row_a, row_b (see `Candidates`), those of ``more`` (by
    side a's rows [n]), then every column of side a with the suffix ``_a`` and of side b with ``_b``.
    """
    for part in _parts(pairs) if len(pairs) else iter([pairs]):
        columns: dict[str, Any] = {
            name: pa.array(getattr(part, name))
            for name in ("score", "cosine", "mean_a", "mean_b", "rank_a_to_b", "rank_b_to_a", "row_a", "row_b")
        }
        columns |= {name: column.gather(part.row_a).to_arrow() for name, column in (more or {}).items()}
        for suffix, side, rows in (("a", a, part.row_a), ("b", b, part.row_b)):
            taken = take_rows(side.table, rows)
            columns |= {f"{name}_{suffix}": taken.column(name) for name in taken.column_names}
        yield pa.table(columns)


def write_parquet(
    path: Path,
    pairs: Candidates,
    a: OutputSide,
    b: OutputSide,
    made_by: Mapping[str, Any],
    more: Mapping[str, pl.Series] | None = None,
) -> None:
    """Write everything that is known of the pairs (zstd); holds 65,536 pairs and their texts in memory.

    Args:
        path: where to.
        pairs: in the order of the file.
        a: side a's sentences.
        b: side b's.
        made_by: the run's identity (models, options, threshold, search): JSON values, no times, no paths.
        more: further columns, by side a's rows [n].
    """
    identity = {"kind": "mined", "languages": [a.language, b.language], **made_by}
    tables = pair_tables(pairs, a, b, more)
    first = next(tables)
    schema = first.schema.with_metadata({METADATA_KEY: canonical_json(identity).encode()})
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        writer.write_table(first.cast(schema))
        for table in tables:
            writer.write_table(table.cast(schema))


def _open(stack: ExitStack, path: Path) -> TextIO:
    temporary = stack.enter_context(atomic_file(path))
    return stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))


def write_tsv(path: Path, pairs: Candidates, a: OutputSide, b: OutputSide) -> None:
    """Write LASER's format: ``score TAB text of a TAB text of b``; scores with six decimals."""
    with ExitStack() as stack:
        opened = _open(stack, path)
        for part, texts_a, texts_b in _text_parts(pairs, a, b):
            for score, one, other in zip(part.score.tolist(), texts_a, texts_b, strict=True):
                opened.write(f"{score:.6f}\t{_cell(one)}\t{_cell(other)}\n")


def _cell(text: str) -> str:
    return one_line(text).replace("\t", " ")


def write_moses(stem: Path, pairs: Candidates, a: OutputSide, b: OutputSide) -> tuple[Path, Path]:
    """Write two files of equally many lines, ``<stem>.<language>``; returns their paths.

    Raises:
        ValueError: if both sides have the same language, and so the same file.
    """
    if a.language == b.language:
        raise ValueError(f"both sides are {a.language!r}; Moses files are named by language")
    paths = stem.with_name(f"{stem.name}.{a.language}"), stem.with_name(f"{stem.name}.{b.language}")
    with ExitStack() as stack:
        files = [_open(stack, path) for path in paths]
        for _, *sides in _text_parts(pairs, a, b):
            for opened, texts in zip(files, sides, strict=True):
                opened.writelines(f"{one_line(text)}\n" for text in texts)
    return paths


def write_tmx(path: Path, pairs: Candidates, a: OutputSide, b: OutputSide) -> None:
    """Write TMX 1.4: a translation unit a pair, with its score as the property ``x-score``.

    Characters that XML 1.0 forbids become U+FFFD, so that their loss can be seen; everything else comes back unchanged.
    """
    with ExitStack() as stack:
        opened = _open(stack, path)
        opened.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
            f'<header creationtool="softalign" creationtoolversion={quoteattr(_version())} segtype="sentence" '
            f'o-tmf="softalign" adminlang="en" srclang={quoteattr(a.language)} datatype="plaintext"/>\n<body>\n'
        )
        for part, texts_a, texts_b in _text_parts(pairs, a, b):
            for score, one, other in zip(part.score.tolist(), texts_a, texts_b, strict=True):
                opened.write(
                    f'<tu><prop type="x-score">{score:.6f}</prop>{_variant(a.language, one)}'
                    f"{_variant(b.language, other)}</tu>\n"
                )
        opened.write("</body>\n</tmx>\n")


def _variant(language: str, text: str) -> str:
    return f"<tuv xml:lang={quoteattr(language)}><seg>{xml_text(text)}</seg></tuv>"


def xml_text(text: str) -> str:
    r"""Text as XML character data that a parser gives back unchanged, but for what XML forbids.

    >>> xml_text("a < b & c\x00")
    'a &lt; b &amp; c�'
    """
    return escape(FORBIDDEN_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _version() -> str:
    try:
        return version("softalign")
    except PackageNotFoundError:  # run from a source tree
        return "0"


WRITERS: dict[str, Callable[[Path, Candidates, OutputSide, OutputSide], object]] = {
    ".tsv": write_tsv,
    ".tmx": write_tmx,
    ".moses": lambda path, pairs, a, b: write_moses(path.with_suffix(""), pairs, a, b),
}
"""The writers that need no identity, by the suffix of the file asked for (``out.moses`` gives ``out.<language>``)."""
