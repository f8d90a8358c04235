"""gettext PO: the message and its translation.

`polib` parses a whole catalogue at a time (they are small); larger files than `MAX_BYTES` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polib

from pipeline.config.base import known_encoding
from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import Chunk, CorpusSource, ReadRequest, Row, Unit, chunked_groups
from pipeline.corpora.inline import without_breaks
from pipeline.corpora.marks import left_out
from pipeline.corpora.places import Found, file_units
from pipeline.corpora.plurals import PluralForms, choose_form, read_plural_forms, usual_plural_forms
from pipeline.corpora.streams import marked_encoding, read_blocks
from pipeline.ground.languages import match_language

MAX_BYTES = 64 << 20
CHARSET = re.compile(rb'"Content-Type:[^"\n]*charset=([\w.:-]+)', re.IGNORECASE)
NO_CHARSETS = ("charset", "ascii", "us-ascii")
"""What templates say, and a part of UTF-8."""

GUESSED = "messages with a plural whose catalogue has no usable Plural-Forms: the language's usual ones are taken"
STATES = (("obsolete", "#~", "obsolete"), ("fuzzy", "#, fuzzy", "fuzzy"))
"""An entry's marks: the mark, what is written for it, and polib's attribute."""

Text = tuple[str, str, str | None, str | None]
"""A message, its translation, and the reason and the detail why it is none."""


class PoReader:
    """Format ``po``.

    Messages are in the first of the corpus' ``languages``, translations in what the file's name (``{lang}``) or its header
    says, or in the only other language listed.
    """

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        if len(request.languages) < 2:
            raise UserError(f"corpus {request.name}: languages: PO needs the messages' language first, then the others")
        return file_units(request, self._unit)

    def _unit(self, found: Found, request: ReadRequest) -> Unit | None:
        message, named = request.languages[0], found.languages.get("lang")
        groups = tuple(group for group in found.groups(request) if message in group and named != message)
        columns = ((message, 0),) if named is None else ((message, 0), (named, 0))
        return Unit((found.source,), groups, columns) if groups else None

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[Row]:
        source, message = unit.sources[0], unit.columns[0][0]
        catalogue = _parse(source, request.encoding)
        groups = _groups(unit, request, catalogue, source.name)
        language = next(language for language in groups[0] if language != message)
        texts = _Texts(catalogue, source.name, language, request)
        for entry in catalogue:
            # the line feed that was put before the text counts as a line
            line = (entry.linenum or 1) - 1
            found = list(texts.of(entry, line))
            for group in groups:
                for a, b, reason, detail in found:
                    sides = (a, b) if group[0] == message else (b, a)
                    yield group, (*sides, source.name, line, "", reason, detail)


def _parse(source: CorpusSource, encoding: str) -> polib.POFile:
    """The catalogue of a file.

    Raises:
        InputError: if it is too large, not of its charset, or no catalogue.
    """
    data = b""
    for block in read_blocks(source):
        data += block
        if len(data) > MAX_BYTES:
            raise InputError(source.name, f"larger than {MAX_BYTES >> 20} MiB; expected a catalogue of messages")
    text = _decoded(data, source.name, encoding)
    if "msgid" not in text:
        raise InputError(source.name, "holds no msgid; expected a gettext catalogue")
    try:
        # polib takes text for a file name unless it holds a line end that isn't its last character
        return polib.pofile("\n" + text)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        # all that the parser is known to raise for damaged catalogues: it guards little
        raise InputError(source.name, f"not valid PO ({str(error)[:150]})") from None


def _decoded(data: bytes, name: str, encoding: str) -> str:
    """A catalogue's text, by its byte order mark, the corpus' encoding, or the charset of its header.

    Raises:
        InputError: if the charset isn't known, or bytes are not of it.
    """
    found, data = marked_encoding(data, "" if encoding == "utf-8" else encoding)
    charset = CHARSET.search(data)
    label = "" if charset is None else charset[1].decode()
    if not found and charset is not None and label.lower() not in NO_CHARSETS:
        try:
            found = known_encoding(label)
        except ValueError:
            problem = f"its header has the charset {label!r}, which isn't known; give the corpus' 'encoding'"
            raise InputError(name, problem, data.count(b"\n", 0, charset.start()) + 1) from None
    found = found or "utf-8"
    try:
        return data.decode(found)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(found, "replace")) + 1
        problem = f"not {found.upper()}; give the corpus' 'encoding' (byte 0x{data[error.start]:02X}, column {column})"
        raise InputError(name, problem, before.count(b"\n") + 1) from None
    except UnicodeError as error:
        raise InputError(name, f"can't be decoded as {found} ({error})") from None


def _groups(unit: Unit, request: ReadRequest, catalogue: polib.POFile, name: str) -> tuple[tuple[str, ...], ...]:
    """The language pairs of a file, by its name or its header.

    Raises:
        InputError: if neither says a language, or only the header does and it is none of the pairs'.
    """
    header = catalogue.metadata.get("Language", "").strip()
    language, message = match_language(header, request.wanted), unit.columns[0][0]
    if len(unit.columns) > 1:
        if header and language != unit.columns[1][0]:
            note = f"catalogues whose header names another Language than their path, which counts: {header} here"
            request.notes.add(note, name)
        return unit.groups
    groups = tuple(group for group in unit.groups if language in group and language != message)
    if groups or (len(unit.groups) == 1 and not header):
        return groups or unit.groups
    found = f"{header!r}" if header else "none"
    raise InputError(
        name,
        f"its header names no wanted Language (found {found}); put {{lang}} into the corpus' path, or list the messages' "
        "language first in 'languages'",
    )


class _Texts:
    """The texts of a catalogue's messages and of their translations into a language; what is guessed is noted."""

    def __init__(self, catalogue: polib.POFile, name: str, language: str, request: ReadRequest) -> None:
        self.name, self.request = name, request
        self.language, self.plural = language, self._header_forms(catalogue)
        self.seen: set[tuple[str | None, str]] = set()

    def _header_forms(self, catalogue: polib.POFile) -> PluralForms | None:
        """The forms that the header says; None if it says none, or what can't be used."""
        header = catalogue.metadata.get("Plural-Forms", "")
        if not header or "EXPRESSION" in header:  # what msginit leaves to be filled in
            return None
        try:
            return read_plural_forms(header)
        except ValueError as error:
            self.request.notes.add(f"catalogues whose Plural-Forms can't be used: {error}", self.name)
            return None

    def of(self, entry: polib.POEntry, line: int) -> Iterator[Text]:
        """A message, or both of one with a plural; and what it was before, if its translation is of that."""
        where = f"{self.name}:{line}"
        if not entry.obsolete:
            key = entry.msgctxt, entry.msgid
            if key in self.seen:
                self.request.notes.add("messages that stand in their catalogue twice", where)
            self.seen.add(key)
        marks = [(mark, shown) for mark, shown, has in STATES if getattr(entry, has)]
        translations = list(self._translations(entry, where))
        for message, text, problem in translations:
            message, text = without_breaks(message), without_breaks(text)
            if problem is not None:
                yield message, text, "plural-form", problem
            elif not text:
                yield message, text, "untranslated", None
            else:
                yield message, text, *left_out(marks, self.request, where)
        if entry.fuzzy and entry.previous_msgid and (text := translations[0][1]):
            marks = [*marks[:-1], ("previous", "what the fuzzy translation was of")]
            yield without_breaks(entry.previous_msgid), without_breaks(text), *left_out(marks, self.request, where)

    def _translations(self, entry: polib.POEntry, where: str) -> Iterator[tuple[str, str, str | None]]:
        """The messages of an entry, their translations, and why one is none."""
        if not entry.msgid_plural:
            yield entry.msgid, entry.msgstr, None
            return
        forms: dict[int, str] = dict(entry.msgstr_plural)
        plural = self.plural or self._usual_forms(len(forms), where)
        for message, singular in ((entry.msgid, True), (entry.msgid_plural, False)):
            if not any(forms.values()):
                yield message, "", None
            elif plural is None:
                yield message, "", f"{len(forms)} forms, and no Plural-Forms says which is for what"
            else:
                yield message, *choose_form(message, singular, forms, plural)

    def _usual_forms(self, count: int, where: str) -> PluralForms | None:
        """What stands in for a header: the language's usual forms, else the first for 1 and the other for all else."""
        self.request.notes.add(GUESSED, where)
        usual = usual_plural_forms(self.language)
        if usual is not None and usual.count == count:
            return usual
        return PluralForms(count, lambda number: min(int(number != 1), count - 1)) if 0 < count <= 2 else None
