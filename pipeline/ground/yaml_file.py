"""YAML from a file that may be hostile, as plain Python values.

Aliases let a small file stand for a huge one (ten lists of ten aliases each, nine levels deep), merge keys copy what they
name, and the parser recurses with depth: so the file's events are looked at first, which builds nothing, and a file that is
too large, too deep, or too large once its aliases are followed is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from pipeline.console.errors import InputError

MAX_BYTES = 256 << 10
"""Of a file: a thousand corpora. The parser reads some 50 KB a second."""

MAX_DEPTH = 32
DEEP = re.compile(r"(?:[\[{]\s*){%d}" % (MAX_DEPTH + 1))  # noqa: UP031  (braces)
"""Brackets in a row, over which the parser takes time that grows with the cube of their number."""

MAX_NODES = 50_000
"""Values in the file, those that aliases repeat counted each time."""


def read_yaml(path: Path) -> Any:
    """The one document of a YAML file.

    Raises:
        InputError: if it is missing, not UTF-8, not YAML, or larger or deeper than parameters can be; where it can be told,
            with the line.
    """
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(path, f"larger than {MAX_BYTES >> 10} KiB; expected parameters")
        text = data.decode("utf-8-sig")
        _check_shape(text, path)
        return YAML(typ="safe", pure=True).load(text)
    except FileNotFoundError:
        raise InputError(path, "no such file; expected the project's parameters") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"can't be read: {error}") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(path, f"not valid YAML: {error.problem or error.context}", line) from None
    except (YAMLError, ValueError, LookupError, OverflowError, TypeError, AttributeError) as error:
        # of a scalar that its tag or its looks promise something else of: a date 2024-99-99, `!!int x`, 6,000 digits
        raise InputError(path, f"not valid YAML: {next(iter(str(error).splitlines()), type(error).__name__)}") from None


def _check_shape(text: str, path: Path) -> None:
    """Refuse what is too deep, or too large with all aliases followed.

    Raises:
        InputError: with the line.
    """
    if found := DEEP.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(path, f"nested more than {MAX_DEPTH} deep; expected parameters", line)
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = [(None, 0)]  # the anchor and the size so far of each collection
    for event in YAML(typ="safe", pure=True).parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, CollectionEndEvent):
            anchor, size = opened.pop()
            size += 1
        elif isinstance(event, CollectionStartEvent):
            opened.append((event.anchor, 0))
            if len(opened) > MAX_DEPTH:
                raise InputError(path, f"nested more than {MAX_DEPTH} deep; expected parameters", line)
            continue
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise InputError(path, f"the alias *{event.anchor} names nothing that is complete before it", line)
            anchor, size = None, sizes[event.anchor]
        elif isinstance(event, ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        outer, before = opened[-1]
        opened[-1] = (outer, before + size)
        if before + size > MAX_NODES:
            raise InputError(path, f"more than {MAX_NODES:,} values, aliases followed; expected parameters", line)
