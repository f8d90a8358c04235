"""Documentation pages by language: ``<document>/<language>.md``, aligned by structure.

Both sides of a document are parsed to blocks; where the blocks' kinds, nesting and columns are equal, blocks are paired in
order (line by line where both have as many lines); where they differ anywhere, the whole document is rejected, because
everything after the difference may be shifted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import (
    Chunk,
    CorpusSource,
    ReadRequest,
    Row,
    Unit,
    chunked_groups,
    file_source,
    require_languages,
)
from pipeline.corpora.markdown import MarkdownBlock, difference, parse_blocks
from pipeline.corpora.places import display_name, encodable, one_a_language
from pipeline.ground.languages import match_language

MAX_BYTES = 1 << 20
"""Larger pages are refused: a parser of Markdown may take time that grows with their square."""


class NodeDocsReader:
    """Format ``node-docs``: the folder ``docs`` of an installed package, or a folder."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """A unit for each document; see `pipeline.corpora.base.Reader`."""
        folder = self._folder(request)
        units = []
        for document in sorted(path for path in folder.iterdir() if path.is_dir()):
            base = folder if request.package else request.root
            named = [
                (page.stem, file_source(page, display_name(page, base)))
                for page in sorted(document.glob("*.md"))
                if match_language(page.stem, request.wanted) is not None
            ]
            if not named:
                continue
            pages = one_a_language(named, request)
            sources = tuple(pages.values())
            units.append(Unit(sources, request.groups, tuple((language, i) for i, language in enumerate(pages))))
        return require_languages(request, units, str(folder.name))

    def _folder(self, request: ReadRequest) -> Path:
        if request.package is not None:
            spec = importlib.util.find_spec(request.package)
            if spec is None or not spec.submodule_search_locations:
                raise UserError(f"corpus {request.name}: the Python package {request.package!r} is not installed")
            folder = Path(spec.submodule_search_locations[0]) / "docs"
        else:
            folder = request.root / str(request.path)
        if not folder.is_dir():
            raise InputError(
                f"corpus {request.name}: {folder.name}", "no such folder; expected <document>/<language>.md in it"
            )
        return folder

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit))

    def _rows(self, unit: Unit) -> Iterator[Row]:
        sources = {language: unit.sources[int(position)] for language, position in unit.columns}
        document = encodable(unit.sources[0].path.parent.name)
        pages = {language: _page(source) for language, source in sources.items()}
        for group in unit.groups:
            here = {language: sources[language] for language in group if language in sources}
            missing = next((language for language in group if language not in here), None)
            bad = next((language for language in group if isinstance(pages.get(language), str)), None)
            found: tuple[str, int, str, str, str] | None = None
            if missing is not None:
                name = next(iter(here.values()), unit.sources[0]).name
                found = (name, 0, document, "missing-side", f"no page in {missing}")
            elif bad is not None:
                found = (here[bad].name, 0, document, "encoding", f"{bad}: {pages[bad]}")
            else:
                first, second = (cast(list[MarkdownBlock], pages[language]) for language in group)
                names = here[group[0]].name, here[group[1]].name
                if (differs := difference(first, second)) is not None:
                    found = (names[0], differs[0], document, "structure", differs[1])
                else:
                    yield from ((group, row) for row in _pairs(first, second, names, document))
            if found is not None:
                yield group, ("", "", *found, None, None)


def _page(source: CorpusSource) -> list[MarkdownBlock] | str:
    """The blocks of a page, or why it can't be decoded.

    Raises:
        InputError: if it is too large, or can't be read.
    """
    if source.size > MAX_BYTES:
        raise InputError(source.name, f"larger than {MAX_BYTES >> 20} MiB; expected a page of documentation")
    try:
        return parse_blocks(source.path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8"
    except OSError as error:
        raise InputError(source.name, f"can't be read ({error.strerror})") from None


def _pairs(
    first: list[MarkdownBlock], second: list[MarkdownBlock], names: tuple[str, str], document: str
) -> Iterator[tuple[Any, ...]]:
    """The rows of two pages of one structure: block by block, or line by line where both blocks have as many lines."""
    for left, right in zip(first, second, strict=True):
        pairs = [(" ".join(left.lines), " ".join(right.lines))]
        if len(left.lines) == len(right.lines):
            pairs = list(zip(left.lines, right.lines, strict=True))
        for offset, (a, b) in enumerate(pairs):
            yield a, b, names[0], left.line + offset, document, None, None, names[1], right.line + offset
