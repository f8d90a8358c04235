"""A checksum inside the file that it belongs to, so that damage is found before the file is used.

The metadata of a sealed file (JSON in the head and the footer of an Arrow file, in the footer of a Parquet file) holds the
XXH3-128 of all its bytes, those of the checksum itself read as zeros. Any flipped bit, wherever it is, and any cut is found,
also in what Arrow would read without a word: values, padding, the metadata itself.

XXH3 is against accidents, not against an adversary: it runs at the memory's speed where BLAKE2b and MD5 take 16 times as
long, and a file is read once more before it is used. It is read with plain reads, not through the memory map: a bad sector
is then an error with a name, not a signal that ends the process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import xxhash

from pipeline.console.errors import DamagedError
from pipeline.ground.remembered import FileState, file_state, once_a_file

KEY = "xxh3"
DIGITS = 32
BLANK = "0" * DIGITS
MARK = f'"{KEY}":"'.encode()
"""What stands before the checksum. JSON inside of JSON would have its quotes escaped: no text can look like it."""

EDGE = 1 << 20
"""How far from a file's ends its metadata may stand."""

BLOCK = 1 << 22
_checked: set[FileState] = set()


def blank() -> dict[str, str]:
    """The entry that a file's metadata must have for `seal` to fill in."""
    return {KEY: BLANK}


def seal(path: Path) -> None:
    """Put a file's checksum in the place that `blank` keeps for it; the file must not be in use yet.

    Raises:
        ValueError: if it has no such place.
    """
    places = _places(path)
    if not places:
        raise ValueError(f"{path}: no place for a checksum")
    digest = _digest(path, places)
    with path.open("r+b") as opened:
        for place in places:
            opened.seek(place)
            opened.write(digest.encode())


def check_seal(path: Path, action: str = "run the stage that writes it again") -> None:
    """Check a sealed file, once per file and process; ``action`` is the message's advice.

    Raises:
        DamagedError: if its bytes are not those that were written.
        OSError: if it can't be read.
    """
    about = path.stat()
    known = file_state(about)
    if known in _checked:
        return
    if about.st_size == 0:
        raise DamagedError(path, f"empty; {action}")
    places = _places(path)
    if not places:
        raise DamagedError(path, f"damaged or cut short: its checksum is missing; {action}")
    found = _digest(path, places)
    if set(places.values()) != {found.encode()}:
        raise DamagedError(path, f"damaged: its bytes give the checksum {found}, which is not the one in it; {action}")
    _checked.add(known)


@once_a_file
def file_digest(path: Path) -> str:
    """The XXH3-128 of a file as it is, as ``xxhsum -H128`` gives it (32 hexadecimal digits); holds 4 MiB.

    Read once a process while the file stays the same.
    """
    return _digest(path, ())


def _places(path: Path) -> dict[int, bytes]:
    """Where the checksum stands, and what is noted there.

    That is the first place near the head and the last one near the end (text between may look like one).
    """
    with path.open("rb") as opened:
        start = max(0, os.fstat(opened.fileno()).st_size - EDGE)
        head = opened.read(EDGE + len(MARK) + DIGITS)
        opened.seek(start)
        tail = opened.read(EDGE)
    first = -1 if head.startswith(b"PAR1") else head.find(MARK)  # Parquet's head is rows, its metadata in the footer
    found = {}
    for before, text, at in ((0, head, first), (start, tail, tail.rfind(MARK))):
        digits = text[at + len(MARK) : at + len(MARK) + DIGITS]
        if at >= 0 and len(digits) == DIGITS:
            found[before + at + len(MARK)] = digits
    return found


def is_sealed(path: Path) -> bool:
    """Whether a file has a place for a checksum; says nothing of whether it is right."""
    return bool(_places(path))


def _digest(path: Path, places: Iterable[int]) -> str:
    """The checksum of a file, the digits at some places read as zeros."""
    hasher, start = xxhash.xxh3_128(), 0
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as opened:
        while size := opened.readinto(view):
            for place in places:
                low, high = max(place - start, 0), min(place + DIGITS - start, size)
                if low < high:
                    view[low:high] = b"0" * (high - low)
            hasher.update(view[:size])
            start += size
    return hasher.hexdigest()
