"""Lines of text, in frames.

A line ends with a line feed, and a carriage return before it belongs to the end; no other character ends a line (U+2028,
U+0085 and form feeds stay inside, where cleaning makes them spaces), so line numbers are those of every editor and of ``wc``.
Blocks of valid UTF-8 are split as a whole; only a block with bad bytes is looked at line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.corpora.base import CorpusSource
from pipeline.corpora.streams import read_utf8

if TYPE_CHECKING:
    import polars as pl

MAX_LINE_BYTES = 1 << 20
SHOWN_BYTES = 2_000
"""What is kept of a line that is too long, for the rejects."""

DETAILS = {
    "line-too-long": f"over {MAX_LINE_BYTES:,} bytes",
    "nul-bytes": "a NUL byte; if the file is UTF-16, give 'encoding'",
    "encoding": "U+FFFD: the text was damaged before",
}
"""What is said of each reason, unless bytes that can't be decoded are told by their place."""

LINES = {"line": int, "text": str, "reason": str, "detail": str}
"""A line's number (from 1), its text, and why it can't be used (null: it can)."""


def read_lines(source: CorpusSource, encoding: str = "utf-8") -> Iterator[pl.DataFrame]:
    """The lines of a source as frames of `LINES`, a few thousand lines each.

    Reasons: ``encoding`` (bytes that aren't the encoding's, or U+FFFD, which says that they once weren't), ``nul-bytes``,
    ``line-too-long`` (over 1 MiB). Holds one block (about 1 MiB, and a line of at most as much).

    Raises:
        InputError: if the stream is damaged (see `pipeline.corpora.streams`).
    """
    number, tail, skipped = 1, b"", 0
    for block in read_utf8(source, encoding):
        data = tail + block
        if skipped:
            end = data.find(b"\n")
            if end < 0:
                skipped, tail = skipped + len(data), b""
                continue
            data = data[end + 1 :]
            number, skipped = number + 1, 0
        cut = data.rfind(b"\n")
        if cut >= 0:
            frame = _frame(data[:cut], number)
            number += frame.height
            yield frame
        tail = data[cut + 1 :]
        if len(tail) > MAX_LINE_BYTES:
            yield _too_long(tail, number)
            skipped, tail = len(tail), b""
    if tail:
        yield _frame(tail, number)


def _too_long(data: bytes, number: int) -> pl.DataFrame:
    import polars as pl

    shown = data[:SHOWN_BYTES].decode("utf-8", "replace")
    return pl.DataFrame([(number, shown, "line-too-long", DETAILS["line-too-long"])], schema=LINES, orient="row")


def _frame(data: bytes, number: int) -> pl.DataFrame:
    """Whole lines, the first of which is line ``number``, as a frame of `LINES`."""
    import polars as pl

    try:
        texts, bad = data.decode("utf-8").split("\n"), None
    except UnicodeDecodeError:
        texts, bad = _decode_each(data.split(b"\n"))
    frame = pl.DataFrame(
        {
            "line": pl.int_range(number, number + len(texts), eager=True),
            "text": pl.Series(texts, dtype=pl.String).str.strip_suffix("\r"),
        }
    ).with_columns(detail=pl.lit(None, pl.String) if bad is None else pl.Series(bad, dtype=pl.String))
    text = pl.col("text")
    long = text.str.len_bytes() > MAX_LINE_BYTES
    reason = (
        pl.when(pl.col("detail").is_not_null())
        .then(pl.lit("encoding"))
        .when(long)
        .then(pl.lit("line-too-long"))
        .when(text.str.contains("\x00", literal=True))
        .then(pl.lit("nul-bytes"))
        .when(text.str.contains("\ufffd", literal=True))
        .then(pl.lit("encoding"))
    )
    frame = frame.with_columns(reason=reason, text=pl.when(long).then(text.str.head(SHOWN_BYTES)).otherwise(text))
    said = pl.col("reason").replace_strict(DETAILS, default=None, return_dtype=pl.String)
    return frame.select("line", "text", "reason", pl.coalesce("detail", said))


def _decode_each(lines: list[bytes]) -> tuple[list[str], list[str | None]]:
    """The text of each line [n], and for lines that are not UTF-8 which byte isn't, else None [n]."""
    texts: list[str] = []
    bad: list[str | None] = []
    for line in lines:
        try:
            text, problem = line.decode("utf-8"), None
        except UnicodeDecodeError as error:
            text = line.decode("utf-8", "replace")
            problem = f"byte 0x{line[error.start]:02x} at {error.start + 1} is not UTF-8"
        texts.append(text)
        bad.append(problem)
    return texts, bad


def zip_frames(streams: tuple[Iterator[pl.DataFrame], ...]) -> Iterator[tuple[pl.DataFrame, ...]]:
    """Frames of several streams, cut to equal heights, in step.

    Where one stream has more rows than another, the last tuple is of unequal heights: what was left over, and an empty frame
    for each stream that was used up.
    """
    import polars as pl

    held: list[pl.DataFrame | None] = [next(stream, None) for stream in streams]
    while all(frame is not None for frame in held):
        frames = [frame for frame in held if frame is not None]
        height = min(frame.height for frame in frames)
        if height:
            yield tuple(frame.head(height) for frame in frames)
        rest = [frame.slice(height) for frame in frames]
        held = [frame if frame.height else next(stream, None) for frame, stream in zip(rest, streams, strict=True)]
    if any(frame is not None for frame in held):
        yield tuple(pl.DataFrame(schema=LINES) if frame is None else frame for frame in held)
