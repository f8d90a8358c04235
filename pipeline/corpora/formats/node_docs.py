"""Documentation pages by language: ``<document>/<language>.md``, aligned by structure.

Both sides of a document are parsed to blocks; where the blocks' kinds, nesting and columns are equal, blocks are paired in
order (line by line where both have as many lines); where they differ anywhere, the whole document is rejected, because
everything after the difference may be shifted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import Chunk, Reader, ReadRequest, Unit, chunked_groups, file_source, require_languages
from pipeline.corpora.markdown import MarkdownBlock, difference, parse_blocks
from pipeline.corpora.places import display_name, encodable, one_a_language
from pipeline.ground.languages import match_language

MAX_BYTES = 1 << 20
"""Larger pages are refused: a parser of Markdown may take time that grows with their square."""

Row = tuple[tuple[str, ...], tuple[Any, ...]]


class NodeDocsReader(Reader):
    """Pages of Markdown, ``<document>/<language>.md``, aligned by structure.

    Attributes:
        package: instead of a path, an installed Python package whose files are read.
    """

    format: Literal["node-docs"] = "node-docs"
    one_sided: ClassVar[bool] = False
    whole_folder: ClassVar[bool] = True
    places: ClassVar[tuple[str, ...]] = ("path", "package")
    package: str | None = None

    def units(self, request: ReadRequest) -> list[Unit]:
        """A unit for each document; see `pipeline.corpora.base.Reader`."""
        folder = self._folder(request)
        units = []
        for document in sorted(path for path in folder.iterdir() if path.is_dir()):
            base = folder if self.package else request.root
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
        if self.package is not None:
            spec = importlib.util.find_spec(self.package)
            if spec is None or not spec.submodule_search_locations:
                raise UserError(f"corpus {request.name}: the Python package {self.package!r} is not installed")
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
        pages: dict[str, list[MarkdownBlock] | str] = {}
        for language, source in sources.items():
            if source.size > MAX_BYTES:
                raise InputError(source.name, f"larger than {MAX_BYTES >> 20} MiB; expected a page of documentation")
            try:
                pages[language] = parse_blocks(source.path.read_bytes().decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                pages[language] = f"byte {error.start + 1} is not UTF-8"
            except OSError as error:
                raise InputError(source.name, f"can't be read ({error.strerror})") from None
        for group in unit.groups:
            here = [sources[language] for language in group if language in sources]
            if len(here) < len(group):
                found = here[0].name if here else unit.sources[0].name
                missing = next(language for language in group if language not in sources)
                yield group, ("", "", found, 0, document, "missing-side", f"no page in {missing}", None, None)
                continue
            first, second = pages[group[0]], pages[group[1]]
            if isinstance(first, str) or isinstance(second, str):
                bad, problem = (0, first) if isinstance(first, str) else (1, second)
                detail = f"{group[bad]}: {problem}"
                yield group, ("", "", here[bad].name, 0, document, "encoding", detail, None, None)
            else:
                yield from self._pairs(group, first, second, (here[0].name, here[1].name), document)

    def _pairs(
        self,
        group: tuple[str, ...],
        first: list[MarkdownBlock],
        second: list[MarkdownBlock],
        names: tuple[str, str],
        document: str,
    ) -> Iterator[Row]:
        if (differs := difference(first, second)) is not None:
            line, detail = differs
            yield group, ("", "", names[0], line, document, "structure", detail, None, None)
            return
        for left, right in zip(first, second, strict=True):
            if len(left.lines) == len(right.lines):
                pairs = list(zip(left.lines, right.lines, strict=True))
            else:
                pairs = [(" ".join(left.lines), " ".join(right.lines))]
            for offset, (a, b) in enumerate(pairs):
                places = left.line + offset, right.line + offset
                yield group, (a, b, names[0], places[0], document, None, None, names[1], places[1])
