"""What stage prepare found of near copies across the split, in words: for the report, the model card and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 0.5
"""A loss of more than this share of the held-out pairs belongs into the verdict."""


def near_copies(prepared: Mapping[str, Any]) -> str:
    """Whether training text has near copies of held-out pairs, and how many pairs went for it; empty if that isn't known.

    Args:
        prepared: what stage prepare measured.

    >>> near_copies({"heldout_near": {"near": 0.8, "left_out": {"en-fr": 2}, "candidates": {"en-fr": 50}}})[:43]
    '2 of 50 held-out pairs had a side that diff'
    """
    found = prepared.get("heldout_near")
    if found is None:
        return ""
    near = found["near"]
    if not near:
        return "Near copies of held-out sentences may stand there: none were looked for (prepare.heldout.near is 0)."
    left_out, candidates = _counts(found)
    kind = "differs from a sentence there in numbers only"
    kind += "" if near == "digits" else f", or has a similarity of {near:g} or more to one"
    who = f"{left_out:,} of {candidates:,} held-out pairs" if left_out else "No held-out pair"
    then = "; they were left out (heldout-near), and all scores are without them" if left_out else ""
    other = (
        "" if near != "digits" else " Other near copies were not looked for (prepare.heldout.near takes a similarity)."
    )
    return f"{who} had a side that {kind}{then}.{other}"


def most_left_out(prepared: Mapping[str, Any]) -> str:
    """That most of the held-out pairs went for near copies; empty if not.

    Args:
        prepared: what stage prepare measured.

    >>> most_left_out({"heldout_near": {"near": "digits", "left_out": {"en-fr": 49}, "candidates": {"en-fr": 50}}})
    '49 of 50 held-out pairs have a near copy in the training text and were left out (prepare.heldout.near)'
    """
    left_out, candidates = _counts(prepared.get("heldout_near", {}))
    if left_out <= MOST * candidates:
        return ""
    return (
        f"{left_out:,} of {candidates:,} held-out pairs have a near copy in the training text and were left out "
        "(prepare.heldout.near)"
    )


def _counts(found: Mapping[str, Any]) -> tuple[int, int]:
    return sum(found.get("left_out", {}).values()), sum(found.get("candidates", {}).values())
