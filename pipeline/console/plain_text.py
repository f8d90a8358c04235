"""Text from anywhere, made fit to be shown to a person."""

from __future__ import annotations

import unicodedata

CLIP = 400
"""Characters shown of one text."""

JOINERS = "\u200c\u200d"
"""Format characters that words of some scripts (and emoji) are spelled with; they steer nothing else."""

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that can steer a terminal or turn the direction of text: control, format, surrogate, line ends."""


def visible(text: str) -> str:
    r"""Text that can't steer what shows it: control, format and line-end characters become escapes.

    >>> visible("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    return "".join(char if _harmless(char) else char.encode("unicode_escape").decode("ascii") for char in text)


def has_surrogate(text: str) -> bool:
    r"""Whether a string can't be encoded because half of a UTF-16 pair stands in it.

    >>> has_surrogate("\ud83d"), has_surrogate("\U0001f600")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def clip(text: str, limit: int = CLIP) -> str:
    """A text cut to ``limit`` characters, with an ellipsis where it was cut.

    >>> clip("sentence", 5)
    'sent…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _harmless(char: str) -> bool:
    return char in JOINERS or unicodedata.category(char) not in STEERING
