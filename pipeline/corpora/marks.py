"""What the formats' own marks say of a translation's quality, in one vocabulary.

The values are those of XLIFF 1.2 (``state``, ``state-qualifier``, ``approved``, ``translate``), XLIFF 2 (``state``,
``subState``), SDLXLIFF (``conf``), MXLIFF (``confirmed``, ``trans-origin``) and of the ``prop`` elements that tools write
into TMX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pipeline.corpora.base import ReadRequest

GOOD, APPROVED = "good", "approved"
"""Someone stands for the translation: what it was made from counts no more; and someone else has looked at it."""

VALUES = {
    **dict.fromkeys(
        ("new", "initial", "needstranslation", "needsl10n", "untranslated", "nottranslated", "notstarted", "todo"),
        "untranslated",
    ),
    **dict.fromkeys(
        ("fuzzy", "fuzzymatch", "draft", "needswork", "mtsuggestion", "tmsuggestion", "pretranslated", "guess"), "fuzzy"
    ),
    **dict.fromkeys(
        ("rejected", "rejectedgrammar", "rejectedinaccurate", "rejectedlength", "rejectedspelling", "rejectedtranslation",
         "rejectedsignoff"), "rejected"
    ),
    **dict.fromkeys(
        ("needsreview", "needsreviewtranslation", "needsreviewadaptation", "needsreviewl10n", "needsadaptation", "unapproved",
         "unconfirmed", "notapproved", "unreviewed"), "unapproved"
    ),
    **dict.fromkeys(
        ("leveragedmt", "mt", "nmt", "amt", "machine", "machinetranslation", "machinetranslated", "machinetrans",
         "automatedtranslation"), "machine"
    ),
    **dict.fromkeys(
        ("reviewed", "final", "signedoff", "approved", "approvedtranslation", "approvedsignoff", "confirmed", "proofread",
         "validated"), APPROVED
    ),
    "translated": GOOD,
}  # fmt: skip
"""Of each value, without signs and in lower case: its mark. What isn't here says nothing."""

ORDER = ("not-to-translate", "untranslated", "rejected", "fuzzy", "unapproved", "machine")
"""Of several marks, the first is a unit's."""

YES, NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
MAKERS = ("creationid", "changeid")
MACHINES = frozenset({"MT", "MT!"})
"""Whom tools name as the maker of what a machine translated."""

STATES = frozenset(
    {"state", "status", "confirmationlevel", "translationstatus", "translationstate", "segmentstatus", "segmentstate",
     "tustatus", "tustate", "origin", "matchtype", "matchorigin", "translationorigin", "statequalifier", "substate",
     "quality"}
)  # fmt: skip
"""Types of TMX's props whose value is a state."""


def unified(value: str) -> str:
    """A value without signs, in lower case, and without the prefix of who defines it.

    >>> unified("x-tool:Needs-Translation")
    'needstranslation'
    """
    return re.sub(r"[\W_]+", "", value.rpartition(":")[2]).lower()


Said = tuple[str | None, str]
"""A mark (None: nothing known), and what was found, as it is spelled there."""


def marks_of(found: Iterable[Said]) -> tuple[tuple[str, str], ...]:
    """What is said against a unit, by `ORDER`, each with what was found.

    >>> marks_of([("machine", "origin mt"), (None, "x"), ("unapproved", "approved no")])
    (('unapproved', 'approved no'), ('machine', 'origin mt'))
    >>> marks_of([("fuzzy", "state-qualifier fuzzy-match"), (GOOD, "state translated")])
    ()
    """
    marks: dict[str | None, str] = {}
    for mark, shown in found:
        marks.setdefault(mark, shown)
    outdone = {"fuzzy", "machine"} if marks.keys() & {GOOD, APPROVED} else set[str]()
    outdone |= {"unapproved"} if APPROVED in marks else set()
    return tuple((mark, marks[mark]) for mark in ORDER if mark in marks and mark not in outdone)


def left_out(marks: Iterable[tuple[str, str]], request: ReadRequest, where: str) -> tuple[str | None, str | None]:
    """The mark for which a unit is left out and what was found; None if it is taken, which is counted if it has a mark.

    Args:
        marks: what is said against the unit.
        request: which marks are left out; gets the note.
        where: the file and the line.
    """
    marks = tuple(marks)
    found = next(((mark, shown) for mark, shown in marks if mark in request.leave_out), None)
    if found is not None:
        return found
    if marks:
        request.notes.add(f"units are taken that are marked {marks[0][0]} ('leave_out' decides)", where)
    return None, None


def state_marks(element: Any, *attributes: str) -> list[Said]:
    """The marks of an element's attributes whose values are states."""
    values = [(attribute, element.get(attribute)) for attribute in attributes]
    return [(VALUES.get(unified(value)), f"{_short(attribute)} {value}") for attribute, value in values if value]


def switch_marks(element: Any, attribute: str, yes: str | None, no: str | None) -> list[Said]:
    """The mark of an attribute whose value is yes or no."""
    value = element.get(attribute)
    return [(_yes_or_no(value, yes, no), f"{_short(attribute)} {value}")] if value else []


def _short(attribute: str) -> str:
    return attribute.rpartition("}")[2]


def _yes_or_no(value: str, yes: str | None, no: str | None) -> str | None:
    text = value.strip().lower()
    return yes if text in YES else no if text in NO else None


def tmx_marks(unit: Any, variants: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """The marks of a TMX ``tu``: of its and its variants' props, and of who made them."""
    marks: list[Said] = []
    for element in (unit, *variants):
        made = ((name, element.get(name) or "") for name in MAKERS)
        marks.extend(("machine", f"{name} {maker}") for name, maker in made if maker.strip().upper() in MACHINES)
        for prop in element.iterchildren("{*}prop"):
            kind, value = prop.get("type") or "", "".join(prop.itertext()).strip()
            marks.append((_prop_mark(kind, value), f"{kind} {value}".strip()))
    return marks_of(marks) if marks else ()


def _prop_mark(kind: str, value: str) -> str | None:
    name = unified(re.sub(r":(?:SingleString|MultipleString|SinglePicklist|MultiplePicklist|Integer)$", "", kind))
    name = re.sub("^x(?!liff)", "", name)
    if name in STATES:
        return VALUES.get(unified(value))
    mark = VALUES.get(name)
    if mark is None:
        return None
    return _yes_or_no(value or "yes", mark, "unapproved" if mark == APPROVED else None)
