"""The model card: README.md of an export. Pure: equal inputs give equal text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import pipeline
from pipeline.console.plain_text import visible
from pipeline.encoders.described import UNLIMITED
from pipeline.exporting.front_matter import HUB_NAME, base_model, front_matter
from pipeline.exporting.known import KnownOrigin
from pipeline.exporting.scores import NONE, cell, score_tables, value_text
from pipeline.ground.hashing import identity_hash
from pipeline.reporting.near_copies import near_copies

TEMPLATES = Path(__file__).parent / "templates"

UNKNOWN_SHARE = 0.01
"""Languages of whose tokens more than this share is the unknown token are named among the limits."""


@dataclass(frozen=True)
class Card:
    """What a card says of the model itself.

    Attributes:
        name: the folder's or the repository's.
        identity: of the encoder (see `Encoder.identity`).
        static: whether it is a static encoder.
        pad: the id that padding is filled with.
        graphs: by file, what was measured of each ONNX graph; empty without ONNX.
        sample: what they were measured on.
        licence: of the model.
        tokenizer: the file of the tokenizer that the graphs go with.
    """

    name: str
    identity: Mapping[str, Any]
    static: bool
    pad: int = 0
    graphs: Mapping[str, Mapping[str, Any]] | None = None
    sample: str = ""
    licence: str | None = None
    tokenizer: str = "tokenizer.json"


@dataclass(frozen=True)
class CorpusLine:
    """A row of the table of data: name, dataset, licence, units read, pairs kept, units held out."""

    name: str
    dataset: str
    licence: str
    read: str
    kept: str
    heldout: str


def render_card(card: Card, known: KnownOrigin | None) -> str:
    """The card as Markdown with the hub's YAML at its head.

    Args:
        card: the model.
        known: how it was made; None if nothing is known of that.
    """
    environment = Environment(  # noqa: S701  (Markdown; `cell` escapes what is not ours)
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell
    environment.filters["visible"] = visible
    environment.filters["quoted"] = lambda text: json.dumps(visible(text), ensure_ascii=False)
    environment.filters["value"] = value_text
    page = environment.get_template("card.md").render(
        card=card,
        unlimited=UNLIMITED,
        graphs=card.graphs or {},
        params=known.params if known else None,
        teacher=_teacher(known),
        start=_start(known),
        corpora=_corpora(known),
        pairs=_pairs(known),
        benchmarks=known.of("prepare").get("benchmarks", {}) if known else {},
        heldout_seen=_heldout_seen(known),
        near_copies=near_copies(known.of("prepare")) if known else "",
        unknown=_unknown_languages(known),
        train=known.of("train") if known else {},
        scores=list(score_tables(known.of("evaluate"))) if known else [],
        versions=_versions(card),
        params_hash=identity_hash(known.params.model_dump(mode="json")) if known else None,
    )
    return front_matter(known, card.licence, bool(card.graphs)) + "\n" + page.strip() + "\n"


def _start(known: KnownOrigin | None) -> str:
    """What the student started from, as anyone may know it; empty if from nothing."""
    if known is None:
        return ""
    return base_model(known) or PurePath(known.params.student.model or "").name


def _teacher(known: KnownOrigin | None) -> str:
    """The teacher as anyone may know it: a hub or package name, or a folder's own name, never its path."""
    if known is None:
        return ""
    teacher = known.params.teacher
    public = teacher.model.startswith("package:") or HUB_NAME.fullmatch(teacher.model)
    name = teacher.model if public else PurePath(teacher.model).name
    return f"{name} at {teacher.revision}" if teacher.revision else name


def _corpora(known: KnownOrigin | None) -> list[CorpusLine]:
    if known is None:
        return []
    account = known.of("prepare").get("corpora", {})
    lines = []
    for corpus in known.params.prepare.corpora:
        counts = account.get(corpus.name, {})
        read, kept, held = (value_text(counts.get(key)) for key in ("read", "kept", "heldout"))
        package = getattr(corpus, "package", None)
        origin = getattr(corpus, "dataset", None) or (f"package {package}" if package else NONE)
        lines.append(CorpusLine(cell(corpus.name), cell(origin), cell(corpus.licence), read, kept, held))
    return lines


def _pairs(known: KnownOrigin | None) -> list[tuple[str, str, str]]:
    """By language pair: training pairs, and held-out pairs of both sets."""
    if known is None:
        return []
    prepare = known.of("prepare")
    held = prepare.get("heldout", {})
    return [
        (
            name,
            value_text(prepare.get("pairs", {}).get(name)),
            value_text(sum(counts.get(name, 0) for counts in held.values())),
        )
        for name in known.params.pairs
    ]


def _heldout_seen(known: KnownOrigin | None) -> int:
    corpora = known.of("prepare").get("corpora", {}).values() if known else []
    return sum(counts.get("rejected", {}).get("heldout-seen", 0) for counts in corpora)


def _unknown_languages(known: KnownOrigin | None) -> list[tuple[str, str]]:
    shares = known.of("tokenize").get("monolingual", {}) if known else {}
    return [
        (name, f"{100 * found['unknown_share']:.1f} %")
        for name, found in shares.items()
        if found.get("unknown_share", 0) > UNKNOWN_SHARE
    ]


def _versions(card: Card) -> list[tuple[str, str]]:
    found = [("softalign", pipeline.__version__)]
    return found + [(name, str(card.identity[name])) for name in ("torch", "transformers") if card.identity.get(name)]
