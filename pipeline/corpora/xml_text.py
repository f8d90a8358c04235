"""XML files as text that a strict parser reads: decoded, and mended where nothing is lost by it.

What is mended, and counted: HTML's named entities that XML doesn't know become their characters; references to characters
that XML forbids, and such characters themselves, go (a vertical tab or a form feed becomes a space); references to the
control characters 128-159 are windows-1252's, as in HTML. What no one can know stays visible to the readers: an entity that
nobody declared is put between `ENTITY` and `ENTITY_END`. Embedded documents are left out as they stream by, and text that is
longer than any line may be is cut at `CUT`, so that neither fills the memory. Lines keep their numbers.
"""

from __future__ import annotations

import codecs
import html.entities
import re
from collections.abc import Iterator

from pipeline.config.base import known_encoding
from pipeline.console.errors import InputError
from pipeline.corpora.base import CorpusSource, Notes
from pipeline.corpora.lines import MAX_LINE_BYTES
from pipeline.corpora.streams import marked_encoding, read_blocks

ENTITY, ENTITY_END, CUT = "\ufdd0", "\ufdd1", "\ufdd4"
"""Noncharacters of Unicode, which no text holds: those of the file are taken out."""

PIECE = 1 << 16
"""Bytes decoded at a time."""

TAIL = 4_096
"""Characters that are kept back for the rest of a tag."""

REFERENCE_CHARS = 40
"""Longer than any reference to a character or entity."""

EMBEDDED = "internal-file|bin-source|bin-target|skeleton"
"""XLIFF's elements that hold documents, not translations."""

NAMED, FORBIDDEN, WINDOWS, MISLABELLED = (
    "named entities of HTML, undeclared, read as the characters that they are",
    "characters that XML forbids, left out",
    "references to control characters read as windows-1252's characters, as in HTML",
    "files that declare an encoding which they are not in, read as UTF-8",
)

_BAD = r"\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_BAD_CHARACTERS = re.compile(f"[{_BAD}]")
_EVENT = re.compile(
    rf"&(?!(?:amp|lt|gt|quot|apos);)(?:#(?P<number>[0-9]+|[xX][0-9a-fA-F]+)|(?P<name>[A-Za-z_:][\w:.-]*));"
    rf"|(?P<open><!\[CDATA\[|<!--|<\?)|(?P<bad>[{_BAD}])|<(?P<embedded>(?:[\w.-]+:)?(?:{EMBEDDED}))(?=[\s/>])[^<>]*>"
)
_CLOSE = {"<![CDATA[": "]]>", "<!--": "-->", "<?": "?>"}
_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
_DECLARED = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")


def read_xml_text(source: CorpusSource, notes: Notes, encoding: str = "utf-8") -> Iterator[str]:
    """The text of an XML file, mended; spaces stand for its XML declaration.

    Args:
        source: the file, perhaps compressed.
        notes: gets the count of what was mended.
        encoding: if it isn't UTF-8, the encoding, whatever the file declares (a byte order mark counts more).

    Raises:
        InputError: where `read_blocks` raises it, and where bytes are not of the encoding, with line and column.
    """
    mender = _Mender(source.name, notes)
    for text in _decoded(source, notes, encoding):
        yield mender.mend(text)
    yield mender.mend("", final=True)


def _decoded(source: CorpusSource, notes: Notes, encoding: str) -> Iterator[str]:
    """The text in pieces."""
    place = _Place()
    decoder: codecs.IncrementalDecoder | None = None
    name = ""
    for block in read_blocks(source):
        if decoder is None:
            name, block = _encoding(block, source.name, notes, encoding)
            decoder = codecs.getincrementaldecoder(name)()
        for start in range(0, len(block), PIECE):
            text = _decode(decoder, block[start : start + PIECE], place, source.name, name)
            place.add(text)
            yield text
    if decoder is not None:
        yield _decode(decoder, b"", place, source.name, name, final=True)


class _Place:
    """How far a file has been read: lines, and characters of the last one."""

    def __init__(self) -> None:
        self.line, self.column = 1, 0

    def add(self, text: str) -> None:
        ends = text.count("\n")
        self.line += ends
        self.column = len(text) - text.rfind("\n") - 1 if ends else self.column + len(text)


def _decode(
    decoder: codecs.IncrementalDecoder, data: bytes, place: _Place, name: str, encoding: str, final: bool = False
) -> str:
    try:
        return decoder.decode(data, final)
    except UnicodeDecodeError as error:
        place.add(error.object[: error.start].decode(encoding, "replace"))
        found = error.object[error.start : error.start + 1].hex().upper()
        problem = f"byte 0x{found} is not {encoding} (line {place.line}, column {place.column + 1})"
        raise InputError(name, f"{problem}; give the corpus' 'encoding'", place.line) from None
    except UnicodeError as error:
        raise InputError(name, f"can't be decoded as {encoding} ({error})", place.line) from None


def _encoding(block: bytes, name: str, notes: Notes, given: str) -> tuple[str, bytes]:
    """The encoding of a file by its first block, and the block without a byte order mark."""
    found, block = marked_encoding(block, "" if given == "utf-8" else given)
    if found:
        return found, block
    if block[:2] in (b"<\0", b"\0<"):  # XML 1.0, appendix F: UTF-16 without a mark
        return "utf-16-le" if block[0] else "utf-16-be", block
    declared = _DECLARED.match(block)
    if declared is None:
        return "utf-8", block
    label = declared[1].decode("ascii")
    try:
        found = known_encoding(label)
    except ValueError:
        problem = f"declares the encoding {label!r}, which isn't known; give the corpus' 'encoding'"
        raise InputError(name, problem, 1) from None
    if found.startswith(("utf-16", "utf-32")):  # its declaration was read byte by byte
        notes.add(MISLABELLED, f"{name}:1: {label}")
        return "utf-8", block
    return found, block


class _Mender:
    """Mends text that comes in pieces, and counts what it mends."""

    def __init__(self, name: str, notes: Notes) -> None:
        self.name, self.notes = name, notes
        self.line = 1
        self._kept, self._begun = "", False
        self._until = ""
        """What ends the section (CDATA, comment, instruction, embedded document) that the text is in; empty: markup."""
        self._embedded = False
        self._run, self._cut, self._in_tag = 0, False, False

    def mend(self, text: str, final: bool = False) -> str:
        """The next piece, mended; a part of its end may come with the next one."""
        text = self._kept + text
        end = len(text) if final else _whole(text, self._until)
        text, self._kept = text[:end], text[end:]
        if not self._begun and text.strip():  # tags come whole: this begins with the XML declaration, if there is one
            self._begun = True
            text = _DECLARATION.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        parts, at = list[str](), 0
        while at < len(text):
            if self._until:
                at = self._section(text, at, parts)
                continue
            event = _EVENT.search(text, at)
            parts.append(self._bounded(text[at : event.start() if event else len(text)]))
            if event is None:
                break
            self.line += text.count("\n", at, event.start())
            self._replaced(event, parts)
            at = event.end()
        if not self._until:
            self.line += text.count("\n", at)
        return "".join(parts)

    def _replaced(self, event: re.Match[str], parts: list[str]) -> None:
        """What stands for one thing that is not plain markup."""
        if event["open"]:
            parts.append(event[0])
            self._until, self._embedded, self._run, self._cut = _CLOSE[event["open"]], False, 0, False
        elif event["embedded"]:
            parts.append(event[0])
            self._run = 0
            if not event[0].endswith("/>"):
                self._until, self._embedded = f"</{event['embedded']}", True
        elif event["bad"]:
            parts.append(self._forbidden(event["bad"]))
        elif event["number"]:
            parts.append(self._number(event))
        else:
            parts.append(self._named(event))
        self.line += event[0].count("\n")

    def _section(self, text: str, at: int, parts: list[str]) -> int:
        """Pass on a section of which nothing is markup, up to its end or the text's; returns where it went on."""
        end = text.find(self._until, at)
        inside = text[at : end if end >= 0 else len(text)]
        self.line += inside.count("\n")
        if self._embedded:
            parts.append("\n" * inside.count("\n"))
        else:
            self._run += len(inside)
            mended = _BAD_CHARACTERS.sub(lambda found: self._forbidden(found[0]), inside)
            parts.append(self._shortened(mended) if self._run > MAX_LINE_BYTES else mended)
        if end < 0:
            return len(text)
        parts.append(self._until)
        at = end + len(self._until)
        self._until, self._run, self._cut, self._in_tag = "", 0, False, self._embedded
        return at

    def _bounded(self, text: str) -> str:
        """Markup and text; text that goes on for longer than a line may is cut."""
        opened, closed = text.rfind("<"), text.rfind(">")
        if opened < 0 and not self._in_tag and self._run + len(text) > MAX_LINE_BYTES:
            self._run += len(text)
            return self._shortened(text)
        if opened >= 0 or closed >= 0:
            self._in_tag = opened > closed
        if opened >= 0:
            self._run, self._cut = len(text) - opened, False
        else:
            self._run += len(text)
        return text

    def _shortened(self, text: str) -> str:
        mark = "" if self._cut else CUT
        self._cut = True
        return mark + "\n" * text.count("\n")

    def _forbidden(self, character: str) -> str:
        self.notes.add(FORBIDDEN, f"{self.name}:{self.line}: U+{ord(character):04X}")
        return " " if character in "\x0b\x0c" else ""

    def _number(self, event: re.Match[str]) -> str:
        digits = event["number"]
        code = (int(digits[1:], 16) if digits[0] in "xX" else int(digits)) if len(digits) <= 8 else 0
        where = f"{self.name}:{self.line}: {event[0]}"
        if 128 <= code < 160:
            self.notes.add(WINDOWS, where)
            return bytes([code]).decode("cp1252", "ignore")
        if not 0 < code < 0x110000 or _BAD_CHARACTERS.match(chr(code)):
            self.notes.add(FORBIDDEN, where)
            return " " if code in (11, 12) else ""
        return event[0]

    def _named(self, event: re.Match[str]) -> str:
        name = event["name"]
        characters = html.entities.html5.get(f"{name};")
        if characters is None:
            return f"{ENTITY}{name}{ENTITY_END}"
        self.notes.add(NAMED, f"{self.name}:{self.line}: {event[0]}")
        # padded to the length of the name, so that columns stay right
        return f"&#{ord(characters):0{len(name) - 1}d};" if len(characters) == 1 else characters


def _whole(text: str, until: str) -> int:
    """How much of a text can be looked at before its continuation is known."""
    if until:
        return max(len(text) - len(until) + 1, 0)
    end = len(text)
    opened = text.rfind("<", max(end - TAIL, 0))
    if opened >= 0 and ">" not in text[opened:]:
        end = opened
    reference = text.rfind("&", max(end - REFERENCE_CHARS, 0), end)
    return reference if reference >= 0 and ";" not in text[reference:end] else end
