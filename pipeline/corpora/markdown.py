"""Markdown pages as flat lists of blocks that can be compared across languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.corpora.inline import BREAK, spaced, stands_for_space

TEXT_TOKENS = {"text", "code_inline"}
FOOTER_LINK = re.compile(r"github\.com/[^/]+/embedded-docs/")
FINGERPRINT = re.compile(r"\b[0-9a-f]{64}\b")
LEAVES = {"heading_open", "paragraph_open", "th_open", "td_open"}


@dataclass(frozen=True)
class MarkdownBlock:
    """A piece of a page.

    Attributes:
        kind: the block's place in the page's structure: containers and its own kind, for example ``ul/li/p``, ``table5/td``.
        lines: the block's plain text, a line of the source each.
        line: the line of the file where it starts, from 1.
    """

    kind: str
    lines: tuple[str, ...]
    line: int


_PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


def parse_blocks(text: str) -> list[MarkdownBlock]:
    """The headings, paragraphs, list items and table cells of a page, in order, as plain text.

    Left out: code blocks, HTML (comments too; a space stays for tags that separate), images, the targets of links, the
    page's line about its own making (known by its link to the documentation's repository) and fingerprints of sources.
    """
    blocks: list[MarkdownBlock] = []
    path: list[str] = []
    leaf, start = "", 0
    tokens = _PARSER.parse(text)
    for position, token in enumerate(tokens):
        if token.map is not None:
            start = token.map[0] + 1
        if token.nesting == 1:
            path.append(token.tag if token.type != "table_open" else f"table{_columns(tokens, position)}")
            leaf = token.type
        elif token.nesting == -1:
            path.pop()
            leaf = ""
        elif token.type == "inline" and leaf in LEAVES and not _is_footer(token):
            lines = tuple(line.strip() for line in _plain(token.children or []).split("\n"))
            if any(lines):
                blocks.append(MarkdownBlock("/".join(path), lines, start))
    return blocks


def _columns(tokens: list[Token], opened: int) -> int:
    """The number of cells in the head of the table that ``tokens[opened]`` opens."""
    count = 0
    for token in tokens[opened:]:
        if token.type == "thead_close":
            break
        count += token.type == "th_open"
    return count


def _plain(tokens: list[Token]) -> str:
    parts = []
    for token in tokens:
        if token.type in TEXT_TOKENS:
            parts.append(token.content)
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif token.type == "html_inline" and stands_for_space(token.content):
            parts.append(BREAK)
    return spaced("".join(parts))


def _is_footer(token: Token) -> bool:
    links = (str(child.attrs.get("href", "")) for child in token.children or [] if child.type == "link_open")
    return any(FOOTER_LINK.search(link) for link in links) or FINGERPRINT.search(token.content) is not None


def difference(first: list[MarkdownBlock], second: list[MarkdownBlock]) -> tuple[int, str] | None:
    """The first place where two pages' structures differ, and how; None if they don't.

    Returns:
        The line in the first page (0: at its end), and a clause with both kinds and the line in the second page.
    """
    for left, right in zip(first, second, strict=False):
        if left.kind != right.kind:
            return left.line, f"{left.kind} here, {right.kind} in line {right.line} of the other side"
    if len(first) > len(second):
        extra = first[len(second)]
        return extra.line, f"{extra.kind} here, nothing on the other side ({len(first)} blocks, {len(second)} there)"
    if len(second) > len(first):
        extra = second[len(first)]
        return 0, f"nothing more here, {extra.kind} in line {extra.line} of the other side ({len(second)} blocks there)"
    return None
