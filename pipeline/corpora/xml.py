"""XML as a stream of elements, hardened.

No external entity or DTD is ever loaded, no network is used, declared entities stop the reading (they have no place in
translation memories, and are how small files become huge), and libxml2's own limits on depth and size stay on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from lxml import etree

from pipeline.console.errors import InputError
from pipeline.corpora.base import CorpusSource, ReadRequest
from pipeline.corpora.xml_text import read_xml_text

MAX_UNIT_BYTES = 16 << 20
"""XML between two ends of units: the tree is held from one to the next, and what is larger is no translation unit."""

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

CURES = {"EntityRef": "; write &amp; for an ampersand"}
"""What helps against an error, by what libxml2's message holds."""


class _Blocks:
    """The mended text of a source as a UTF-8 file for lxml."""

    def __init__(self, source: CorpusSource, request: ReadRequest) -> None:
        self._pieces = read_xml_text(source, request.notes, request.encoding)
        self._held = b""
        self._name = source.name
        self.since_unit = 0

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._held = piece.encode("utf-8")
        given, self._held = self._held[:size], self._held[size:]
        self.since_unit += len(given)
        if self.since_unit > MAX_UNIT_BYTES:
            size_text = f"{MAX_UNIT_BYTES >> 20} MiB"
            raise InputError(
                self._name, f"over {size_text} of XML without the end of a unit; expected translation units"
            )
        return given


def elements(source: CorpusSource, names: tuple[str, ...], request: ReadRequest) -> Iterator[tuple[str, Any]]:
    """The start and end of elements of the given names (whatever their namespace), in order.

    An element is complete at its end and is emptied when the caller goes on: memory holds one at a time.

    Yields:
        ``("start" | "end", element)``.

    Raises:
        InputError: if the XML is malformed, truncated, too deep, not of its encoding, or declares entities; the message
            names line and column.
    """
    opened = _Blocks(source, request)
    parser = etree.iterparse(
        cast(BinaryIO, opened),
        events=("start", "end"),
        tag=tuple(f"{{*}}{name}" for name in names),
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    checked = False
    try:
        for event, element in parser:
            if not checked:
                _no_entities(element, source.name)
                checked = True
            yield event, element
            if event == "end":
                _forget(element)
                opened.since_unit = 0
    except etree.XMLSyntaxError as error:
        raise _malformed(error, parser, source.name) from None


def _malformed(error: etree.XMLSyntaxError, parser: Any, name: str) -> InputError:
    """The error as one line with its place, which lxml may leave to the parser's log."""
    message, line = str(error.msg), error.lineno
    if not line:
        first = next(iter(parser.error_log.filter_from_fatals()), None)
        if first is None:
            return InputError(name, f"not well-formed XML ({message})")
        message, line = f"{first.message}, line {first.line}, column {first.column}", first.line
    cure = next((cure for sign, cure in CURES.items() if sign in message), "")
    return InputError(name, f"not well-formed XML ({message}){cure}", line)


def _no_entities(element: Any, name: str) -> None:
    dtd = element.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise InputError(name, "its DOCTYPE declares entities; expected XML without them", 1)


def _forget(element: Any) -> None:
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        parent.remove(before)


def local_name(element: Any) -> str:
    """An element's name without its namespace; empty for comments, instructions and entities."""
    # not by etree.QName, which refuses names of namespaces that hold a brace
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
