"""Bytes out of files, whatever compresses them: told by content, never by name.

gzip, xz, bzip2 and zstd are read as streams in blocks of about 1 MiB. A stream that ends early is an error (never fewer
lines), and so is one that grows beyond any real text (a bomb).
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain
from typing import Any, BinaryIO

import zstandard

from pipeline.console.errors import InputError
from pipeline.corpora.base import CorpusSource

BLOCK = 1 << 20
ZSTD_INPUT = 4096
"""Compressed bytes a step: at zstd's greatest ratio (32,768) they become 128 MiB, which are passed on in blocks."""

BOMB_BYTES = 256 << 20
BOMB_RATIO = 500
"""A stream is a bomb when it has given `BOMB_BYTES` and more than this many bytes for each that was read. Text compresses
3 to 10 times, a corpus of repetitions with zstd's long windows perhaps 100 times."""

MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
)

DAMAGE = (OSError, ValueError, NotImplementedError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, zstandard.ZstdError)
"""What the libraries raise for streams and archives that are not whole."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def marked_encoding(data: bytes, given: str) -> tuple[str, bytes]:
    """The encoding that a byte order mark says, else the one that is given; and the data without the mark."""
    mark, found = next(((mark, name) for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), (b"", given))
    return found, data.removeprefix(mark)


def content_kind(head: bytes) -> str | None:
    """What a file's first bytes say that it is (``gzip``, ``zip``, ``Parquet``, …); None: nothing known."""
    if len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame comes first
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), None)


def read_blocks(source: CorpusSource) -> Iterator[bytes]:
    """The decompressed bytes of a source in blocks.

    Raises:
        InputError: if the stream is truncated, damaged, a bomb, or an archive where a single file is expected.
    """
    kind: str | None = None
    given = 0
    try:
        with source.open() as raw:
            kind = content_kind(raw.read(8))
            raw.seek(0)
            if kind in {"zip", "Parquet", "Arrow"}:
                raise InputError(source.name, f"is a {kind} file, expected text, perhaps compressed")
            for block in _decompress(raw, kind):
                given += len(block)
                if kind and given > BOMB_BYTES and given > BOMB_RATIO * max(raw.tell(), 1):
                    sizes = f"{raw.tell():,} bytes of {kind} became {given:,} bytes"
                    raise InputError(source.name, f"{sizes}: not text, perhaps a bomb")
                yield block
    except EOFError:
        raise InputError(source.name, f"the {kind} stream is truncated (after {given:,} bytes of text)") from None
    except MemoryError:  # xz and zstd streams say themselves how much memory their windows need
        raise InputError(source.name, f"can't be read as {kind}: it asks for more memory than there is") from None
    except DAMAGE as error:
        raise InputError(source.name, f"can't be read as {kind or 'a plain file'} ({error})") from None


def _decompress(raw: BinaryIO, kind: str | None) -> Iterator[bytes]:
    if kind == "zstd":
        yield from _zstd(raw)
        return
    openers: dict[str | None, Callable[[Any], Any]] = {"gzip": gzip.open, "xz": lzma.open, "bzip2": bz2.open}
    with openers.get(kind, nullcontext)(raw) as stream:
        while block := stream.read(BLOCK):
            yield block


def _zstd(raw: BinaryIO) -> Iterator[bytes]:
    # `stream_reader` can't tell a truncated stream from a whole one; a decompression object can.
    stream = zstandard.ZstdDecompressor().decompressobj()
    fresh, held, size = True, [], 0
    while data := raw.read(ZSTD_INPUT):
        while data:
            held.append(stream.decompress(data))
            size += len(held[-1])
            fresh, data = False, b""
            if stream.eof:
                data = stream.unused_data
                stream, fresh = zstandard.ZstdDecompressor().decompressobj(), True
            if size >= BLOCK:
                whole = b"".join(held)
                yield from (whole[start : start + BLOCK] for start in range(0, size, BLOCK))
                held, size = [], 0
    if held:
        yield b"".join(held)
    if not fresh:
        raise EOFError


def read_utf8(source: CorpusSource, encoding: str = "utf-8") -> Iterator[bytes]:
    """The text of a source as UTF-8 bytes in blocks, without a byte order mark.

    UTF-16 and UTF-32 are known by their mark; any other encoding must be named. UTF-8 is passed on as it is, valid or not;
    of other encodings, what can't be decoded becomes U+FFFD.

    Raises:
        InputError: where `read_blocks` raises it, and for an encoding that can't replace what it doesn't know.
    """
    blocks = read_blocks(source)
    found, first = marked_encoding(next(blocks, b""), encoding)
    if codecs.lookup(found).name == "utf-8":
        yield from chain([first], blocks)
        return
    decoder = codecs.getincrementaldecoder(found)(errors="replace")
    try:
        for block in chain([first], blocks):
            yield decoder.decode(block).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
    except UnicodeError as error:
        raise InputError(source.name, f"can't be decoded as {found} ({error})") from None
