"""The model card: README.md of an export. Pure: equal inputs give equal text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import pipeline
from pipeline.console.plain_text import visible
from pipeline.encoders.layout import UNLIMITED
from pipeline.exporting.known import KnownOrigin
from pipeline.exporting.scores import cell, score_tables, value_text
from pipeline.ground.hashing import identity_hash
from pipeline.reporting.near_copies import near_copies

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
TAGS = ("sentence-transformers", "feature-extraction", "sentence-similarity", "bitext-mining", "softalign")
TEMPLATES = Path(__file__).parent / "templates"

UNKNOWN_SHARE = 0.01
"""Languages of whose tokens more than this share is the unknown token are named among the limits."""


@dataclass(frozen=True)
class Card:
    """What a card says of the model itself."""

    name: str  # the folder's or the repository's
    identity: Mapping[str, Any]  # everything that the encoder's vectors depend on (`Encoder.identity`)
    static: bool  # whether it is a static encoder
    pad: int = 0  # the id that padding is filled with
    # by file, what was measured of each ONNX graph; empty without ONNX
    graphs: Mapping[str, Mapping[str, Any]] | None = None
    sample: str = ""  # what they were measured on
    licence: str | None = None  # the model's licence, as the hub writes licences
    tokenizer: str = "tokenizer.json"  # the file of the tokenizer that the graphs go with


def render_card(card: Card, known: KnownOrigin | None) -> str:
    """The card as Markdown with the hub's YAML at its head.

    Args:
        card: what the card says of the model.
        known: how the model was made; None if nothing is known of that.
    """
    environment = Environment(  # noqa: S701  (Markdown; `cell` escapes what is not ours)
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell
    environment.filters["visible"] = visible
    environment.filters["quoted"] = lambda text: json.dumps(visible(text), ensure_ascii=False)
    environment.filters["value"] = value_text
    made = {"params": None} if known is None else _made(known)
    versions = [("softalign", pipeline.__version__)]
    versions += [(name, str(card.identity[name])) for name in ("torch", "transformers") if card.identity.get(name)]
    graphs = card.graphs or {}
    page = environment.get_template("card.md").render(
        card=card, unlimited=UNLIMITED, graphs=graphs, versions=versions, unknown_share=UNKNOWN_SHARE, **made
    )
    return front_matter(known, card.licence, bool(graphs)) + "\n" + page.strip() + "\n"


def _made(known: KnownOrigin) -> dict[str, Any]:
    """How the model was made, for the template: parameters and metrics, and models as anyone may know them."""
    params, prepare = known.params, known.of("prepare")
    # A hub or package name, or a folder's own name, never its path.
    teacher = params.teacher.model
    public = teacher.startswith("package:") or HUB_NAME.fullmatch(teacher)
    return {
        "params": params,
        "params_hash": identity_hash(params.model_dump(mode="json")),
        "teacher": teacher if public else PurePath(teacher).name,
        "start": base_model(known) or PurePath(params.student.model or "").name,
        "prepare": {"corpora": {}, "pairs": {}, "heldout": {}, "benchmarks": {}, **prepare},
        "near_copies": near_copies(prepare),
        "tokens": known.of("tokenize").get("monolingual", {}),
        "train": known.of("train"),
        "scores": list(score_tables(known.of("evaluate"))),
    }


def front_matter(known: KnownOrigin | None, licence: str | None, onnx: bool) -> str:
    """What the hub reads of the card: YAML between lines of dashes, made by the hub's own client."""
    from huggingface_hub import ModelCardData

    params = None if known is None else known.params
    # The hub knows languages, not their scripts and regions.
    languages = dict.fromkeys(code.partition("-")[0] for code in (params.used_languages if params else ()))
    data = ModelCardData(
        language=list(languages) or None,
        license=(licence or "unknown").lower(),
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[*TAGS, *(["onnx"] if onnx else [])],
        base_model=base_model(known),
        datasets=[corpus.dataset for corpus in (params.prepare.corpora if params else ()) if corpus.dataset] or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def base_model(known: KnownOrigin | None) -> str | None:
    """The hub name of the model that the student started from; None if from nothing, or from no model of the hub."""
    if known is None:
        return None
    student = known.params.student
    name = known.params.teacher.model if student.kind == "teacher" else student.model
    return name if name is not None and HUB_NAME.fullmatch(name) else None
