"""gettext PO: the message and its translation.

`polib` parses a whole catalogue at a time (they are small); larger files than `MAX_BYTES` are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polib

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import Chunk, Request, Unit, chunked_groups, require_languages
from pipeline.corpora.places import Found, find_files
from pipeline.corpora.streams import read_utf8
from pipeline.ground.languages import match_language

MAX_BYTES = 64 << 20
Row = tuple[tuple[str, ...], tuple[Any, ...]]


class PoReader:
    """Format ``po``.

    Messages are in the first of the corpus' ``languages``, translations in what the file's name (``{lang}``) or its header
    says, or in the only other language listed.
    """

    def units(self, request: Request) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        if len(request.languages) < 2:
            raise UserError(f"corpus {request.name}: languages: PO needs the messages' language first, then the others")
        units = [unit for found in find_files(request) if (unit := self._unit(found, request)) is not None]
        return require_languages(request, units, str(request.path))

    def _unit(self, found: Found, request: Request) -> Unit | None:
        message = request.languages[0]
        groups = [group for group in request.groups if message in group]
        if "lang" in found.languages:
            groups = [
                group for group in groups if found.languages["lang"] in group and found.languages["lang"] != message
            ]
        return Unit((found.source,), tuple(groups), ((message, 0),)) if groups else None

    def read(self, unit: Unit, request: Request) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: Request) -> Iterator[Row]:
        source, message = unit.sources[0], unit.columns[0][0]
        data = b""
        for block in read_utf8(source, request.encoding):
            data += block
            if len(data) > MAX_BYTES:
                raise InputError(source.name, f"larger than {MAX_BYTES >> 20} MiB; expected a catalogue of messages")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise InputError(source.name, "not UTF-8; give the corpus' 'encoding'", line) from None
        if "msgid" not in text:
            raise InputError(source.name, "holds no msgid; expected a gettext catalogue")
        try:
            # polib takes text for a file name unless it holds a line end that isn't its last character
            catalogue = polib.pofile("\n" + text)
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            # all that the parser is known to raise for damaged catalogues: it guards little
            raise InputError(source.name, f"not valid PO ({str(error)[:150]})") from None
        groups = self._groups(unit, request, catalogue, source.name)
        for entry in catalogue:
            for group in groups:
                for a, b, reason in _texts(entry):
                    sides = (a, b) if group[0] == message else (b, a)
                    # the line feed that was put before the text counts as a line
                    yield group, (*sides, source.name, (entry.linenum or 1) - 1, "", reason, None)

    def _groups(self, unit: Unit, request: Request, catalogue: polib.POFile, name: str) -> tuple[tuple[str, ...], ...]:
        if len(unit.groups) == 1:
            return unit.groups
        language = match_language(catalogue.metadata.get("Language", ""), request.wanted)
        if language is None:
            raise InputError(name, "its header names no wanted Language; put {lang} into the corpus' path")
        return tuple(group for group in unit.groups if language in group)


def _texts(entry: polib.POEntry) -> Iterator[tuple[str, str, str | None]]:
    if entry.obsolete:
        yield entry.msgid, entry.msgstr, "obsolete"
    elif entry.msgid_plural:
        forms = [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)]
        for message, form in ((entry.msgid, forms[:1]), (entry.msgid_plural, forms[-1:])):
            translated = bool(form and form[0])
            yield message, form[0] if form else "", _state(entry, translated)
    else:
        yield entry.msgid, entry.msgstr, _state(entry, bool(entry.msgstr))


def _state(entry: polib.POEntry, translated: bool) -> str | None:
    if not translated:
        return "untranslated"
    return "fuzzy" if entry.fuzzy else None
