"""OPUS' zip of Moses files, read without unpacking: ``Books.en-fr.en`` and ``Books.en-fr.fr`` inside ``en-fr.txt.zip``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, CorpusSource, ReadRequest, Unit, require_languages
from pipeline.corpora.moses import read_aligned
from pipeline.corpora.places import encodable, family_units, find_files, one_a_language
from pipeline.corpora.plain import TextReader
from pipeline.corpora.streams import BOMB_BYTES, BOMB_RATIO, DAMAGE
from pipeline.ground.languages import match_language

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How OPUS packs. The library unpacks other methods a whole mebibyte at a time, however much that becomes."""


class OpusZipReader:
    """Format ``opus-zip``: members whose names differ only in the language after the last dot belong together."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`.

        Raises:
            InputError: if a file is no zip archive, or a member is encrypted, leaves the archive, or is a bomb.
        """
        units = []
        for found in find_files(request):
            families: dict[str, dict[str, CorpusSource]] = {}
            for source, stem, code in _members(found.source, request.wanted):
                families.setdefault(stem, {})[code] = source
            for members in families.values():
                units += family_units(one_a_language(members.items(), request), request)
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        if len(unit.sources) == 1:
            yield from TextReader().read(unit, request)
        else:
            yield from read_aligned(unit.sources[0], unit.sources[1], unit.groups[0], request.encoding)


def _members(archive: CorpusSource, wanted: tuple[str, ...]) -> Iterator[tuple[CorpusSource, str, str]]:
    """The members in wanted languages, sorted by name: each as a source, its name without the language, and that.

    Raises:
        InputError: if the file is no zip archive, or a member is encrypted, leaves the archive, or is a bomb.
    """
    try:
        with zipfile.ZipFile(archive.path) as opened:
            infos = opened.infolist()
    except DAMAGE as error:
        raise InputError(archive.name, f"is not a readable zip archive ({error})") from None
    for info in sorted(infos, key=lambda info: info.filename):
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in (name.parts or ("",))[0]:
            raise InputError(archive.name, f"its member {info.filename!r} leaves the archive")
        code, problem = name.suffix.removeprefix("."), ""
        if info.is_dir() or match_language(code, wanted) is None:
            continue
        if info.flag_bits & 1:
            problem = "is encrypted"
        elif info.compress_type not in METHODS:
            problem = "is packed by another method than deflate"
        elif info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * max(info.compress_size, 1):
            problem = f"is no text, perhaps a bomb: {info.compress_size:,} bytes become {info.file_size:,}"
        if problem:
            raise InputError(archive.name, f"its member {info.filename!r} {problem}")
        yield _member_source(archive, info), str(name.with_suffix("")), code


def _member_source(archive: CorpusSource, info: zipfile.ZipInfo) -> CorpusSource:
    def open_member() -> BinaryIO:
        # The member keeps the archive's file open, and closes it with itself.
        return cast(BinaryIO, zipfile.ZipFile(archive.path).open(info))

    return CorpusSource(f"{archive.name}!{encodable(info.filename)}", archive.path, open_member, info.compress_size)
