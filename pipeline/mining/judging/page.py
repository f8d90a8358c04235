"""The judging page: one HTML file, offline, in which a person says of pairs whether they are translations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from pipeline.ground.atomic import write_text
from pipeline.mining.judging.answers import LABELS, SampleDesign

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Question:
    """A pair as it is asked.

    Attributes:
        row: its row in the file of pairs.
        a: the sentence in the first language.
        b: the sentence in the second.
    """

    row: int
    a: str
    b: str


def write_page(path: Path, design: SampleDesign, languages: tuple[str, str], questions: Sequence[Question]) -> None:
    """Write the page of a sample; scores are not in it, so that nobody judges by them.

    Args:
        path: the HTML file, which appears whole or not at all.
        design: the sample, which the answers will name.
        languages: the codes of the two sides.
        questions: the pairs in the order in which they are asked.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    data = {
        "sample": design.model_dump(mode="json"),
        "languages": languages,
        "labels": LABELS,
        "questions": [[one.row, one.a, one.b] for one in questions],
    }
    page = environment.get_template("judge.html").render(data=_script_safe(data), name=design.pairs)
    write_text(path, page)


def _script_safe(data: object) -> str:
    """JSON that stands in a script element as it is: no character of it can end the element or begin a comment."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
