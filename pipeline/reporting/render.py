"""The page: everything put into the template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.languages import LanguagePair
from pipeline.plain_text import clip, visible
from pipeline.reporting import facts, plots
from pipeline.reporting.inputs import MinedPair, ReportInputs
from pipeline.reporting.verdict import headlines, percent, verdict

TEMPLATES = Path(__file__).parent / "templates"

HISTOGRAMS = 12
"""Language pairs whose histogram is drawn; of more, those with the worst F1."""


@dataclass(frozen=True)
class PairSection:
    """What is shown of one language pair's mining.

    Attributes:
        pair: its languages.
        mined: numbers and samples.
        histogram: SVG, or None.
    """

    pair: LanguagePair
    mined: MinedPair
    histogram: Markup | None


def render(inputs: ReportInputs) -> str:
    """The report as one HTML page. Pure: equal inputs give equal text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = lambda text: visible(clip(text))
    environment.filters["percent"] = percent
    page = environment.get_template("report.html").render(
        title=inputs.title,
        verdict=verdict(inputs),
        headlines=headlines(inputs),
        scores=facts.score_rows(inputs),
        scores_plot=_scores_plot(inputs),
        sections=_sections(inputs),
        known_shown=any(
            sample.gold is not None for mined in inputs.mined for kind in mined.samples.values() for sample in kind
        ),
        histograms_left_out=max(0, len(inputs.mined) - HISTOGRAMS),
        benchmarks=facts.benchmark_rows(inputs),
        heldout_seen=facts.heldout_seen(inputs),
        loss_plot=_loss_plot(inputs),
        dev_plot=_dev_plot(inputs),
        train=inputs.train,
        corpora=facts.corpus_rows(inputs),
        rejections=facts.rejection_rows(inputs),
        texts=facts.text_rows(inputs),
        sentences=facts.sentence_rows(inputs),
        makers=facts.maker_groups(inputs),
    )
    return page.rstrip() + "\n"


def _sections(inputs: ReportInputs) -> list[PairSection]:
    pairs = {pair.name: pair for pair in inputs.pairs}
    drawn = {found.pair for found in sorted(inputs.mined, key=_f1)[:HISTOGRAMS]}
    return [
        PairSection(pairs[found.pair], found, _histogram(found) if found.pair in drawn else None)
        for found in inputs.mined
    ]


def _f1(found: MinedPair) -> float:
    return float(found.metrics.get("test", {}).get("f1", 1.0))


def _histogram(found: MinedPair) -> Markup | None:
    if found.histogram is None:
        return None
    return _markup(plots.score_histogram(found.pair, found.histogram, found.threshold))


def _scores_plot(inputs: ReportInputs) -> Markup | None:
    retrieval = inputs.evaluate.get("retrieval", {}).get("pairs", {})
    mining = inputs.evaluate.get("mining", {}).get("pairs", {})
    ordered = {pair.name: retrieval[pair.name] for pair in inputs.pairs if pair.name in retrieval}
    return _markup(plots.scores_by_pair(ordered, mining)) if ordered else None


def _loss_plot(inputs: ReportInputs) -> Markup | None:
    found = [series for series in inputs.series if series.name == "loss"]
    return _markup(plots.training_loss(found[0])) if found else None


def _dev_plot(inputs: ReportInputs) -> Markup | None:
    mean = [series for series in inputs.series if series.name == "dev_accuracy"]
    if not mean:
        return None
    by_name = {series.name: series for series in inputs.series}
    pairs = [by_name[f"dev/{p.name}"] for p in inputs.pairs if f"dev/{p.name}" in by_name]
    return _markup(plots.dev_accuracy(mean[0], pairs, inputs.train.get("best_step")))


def _markup(svg: str) -> Markup:
    # Drawn here from numbers and from language codes that were checked, and its label is escaped: no one else's markup.
    return Markup(svg)  # noqa: S704
