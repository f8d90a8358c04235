"""XML as a stream of elements, hardened.

No external entity or DTD is ever loaded, no network is used, declared entities stop the reading (they have no place in
translation memories, and are how small files become huge), and libxml2's own limits on depth and size stay on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from lxml import etree

from pipeline.console.errors import InputError
from pipeline.corpora.base import Source
from pipeline.corpora.streams import read_blocks

MAX_UNIT_BYTES = 16 << 20
"""XML between two ends of units: the tree is held from one to the next, and what is larger is no translation unit."""

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class _Blocks:
    """The decompressed stream of a source as a file for lxml."""

    def __init__(self, source: Source) -> None:
        self._blocks: Iterator[bytes] = read_blocks(source)
        self._held = b""
        self._name = source.name
        self.since_unit = 0

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._held = block
        given, self._held = self._held[:size], self._held[size:]
        self.since_unit += len(given)
        if self.since_unit > MAX_UNIT_BYTES:
            size_text = f"{MAX_UNIT_BYTES >> 20} MiB"
            raise InputError(
                self._name, f"over {size_text} of XML without the end of a unit; expected translation units"
            )
        return given


def elements(source: Source, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The start and end of elements of the given names (whatever their namespace), in order.

    An element is complete at its end and is emptied when the caller goes on: memory holds one at a time.

    Yields:
        ``("start" | "end", element)``.

    Raises:
        InputError: if the XML is malformed, truncated, too deep, or declares entities; the message names the line.
    """
    opened = _Blocks(source)
    parser = etree.iterparse(
        cast(BinaryIO, opened),
        events=("start", "end"),
        tag=tuple(f"{{*}}{name}" for name in names),
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
        raise InputError(source.name, f"not well-formed XML ({error.msg})", error.lineno) from None


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


def inline_text(element: Any, dropped: frozenset[str]) -> str | None:
    """The text of an element with the text of inline elements, but for those that hold codes.

    Args:
        element: the segment.
        dropped: names of the inline elements whose content is no text; what follows them is.

    Returns:
        The text, or None if an entity that wasn't declared stands in it.
    """
    parts = [element.text or ""]
    for child in element:
        if child.tag is etree.Entity:
            return None
        if isinstance(child.tag, str) and local_name(child) not in dropped:
            inner = inline_text(child, dropped)
            if inner is None:
                return None
            parts.append(inner)
        parts.append(child.tail or "")
    return "".join(parts)
