"""The page: everything put into the template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.console.plain_text import clip, visible
from pipeline.ground.languages import LanguagePair
from pipeline.reporting import facts, plots, space_plots
from pipeline.reporting.costs import cost_rows
from pipeline.reporting.inputs import MinedPair, ReportInputs
from pipeline.reporting.judged_plot import precision_plot
from pipeline.reporting.judged_precision import JudgedPrecision
from pipeline.reporting.mining_notes import mining_notes
from pipeline.reporting.model_tables import benchmark_tables
from pipeline.reporting.models import SIGNIFICANT, STUDENT, ModelScores
from pipeline.reporting.near_copies import most_left_out, near_copies
from pipeline.reporting.peer_verdict import peer_verdict
from pipeline.reporting.space import HeatMap, benchmark_heat_map
from pipeline.reporting.unknown import unknown_languages
from pipeline.reporting.verdict import headlines, percent, verdict

TEMPLATES = Path(__file__).parent / "templates"

HISTOGRAMS = 12
"""Language pairs whose histogram is drawn; of more, those with the worst F1."""


@dataclass(frozen=True)
class PairSection:
    """What is shown of one language pair's mining."""

    pair: LanguagePair  # its languages
    mined: MinedPair  # numbers and samples
    histogram: Markup | None  # SVG, or None
    notes: list[str]  # on false pairs, and on what approximation cost


def templates() -> Environment:
    """The templates of pages, with their filters: all text from outside is escaped, and ``visible`` also disarms it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = lambda text: visible(clip(text))
    environment.filters["visible_whole"] = visible
    environment.filters["percent"] = percent
    return environment


def render(inputs: ReportInputs) -> str:
    """The report as one HTML page. Pure: equal inputs give equal text."""
    page = (
        templates()
        .get_template("report.html")
        .render(
            title=inputs.title,
            verdict=verdict(inputs),
            peer_verdict=peer_verdict(inputs.models),
            headlines=headlines(inputs),
            scores=facts.score_rows(inputs),
            scores_plot=_scores_plot(inputs),
            sections=_sections(inputs),
            known_shown=any(
                sample.gold is not None for mined in inputs.mined for kind in mined.samples.values() for sample in kind
            ),
            judged=_judged(inputs),
            judged_stale=inputs.judged.stale,
            histograms_left_out=max(0, len(inputs.mined) - HISTOGRAMS),
            tables=benchmark_tables(inputs.models),
            significant=SIGNIFICANT,
            unknown=unknown_languages(inputs),
            similarities=[
                (found, _markup(space_plots.similarity_histogram(found)))
                for found in inputs.space.similarities[:HISTOGRAMS]
            ],
            similarities_left_out=max(0, len(inputs.space.similarities) - HISTOGRAMS),
            projection=inputs.space.projection,
            projection_plot=_markup(space_plots.projection_plot(inputs.space.projection))
            if inputs.space.projection
            else None,
            heat_maps=_heat_maps(inputs),
            neighborhoods=inputs.neighborhoods,
            costs=cost_rows(inputs.costs),
            benchmarks=inputs.prepare.get("benchmarks", {}),
            heldout_seen=facts.heldout_seen(inputs),
            near_copies=near_copies(inputs.prepare),
            most_left_out=most_left_out(inputs.prepare),
            loss_plot=_loss_plot(inputs),
            dev_plot=_dev_plot(inputs),
            train=inputs.train,
            corpora=facts.corpus_rows(inputs),
            text_notes=facts.text_notes(inputs),
            rejections=facts.rejection_rows(inputs),
            texts=facts.text_rows(inputs),
            sentences=facts.sentence_rows(inputs),
            left_over=inputs.left_over,
            makers=facts.maker_groups(inputs),
        )
    )
    return page.rstrip() + "\n"


def _judged(inputs: ReportInputs) -> list[tuple[JudgedPrecision, Markup]]:
    thresholds = {found.pair: found.threshold for found in inputs.mined}
    return [(found, _markup(precision_plot(found, thresholds.get(found.pair)))) for found in inputs.judged.pairs]


def _sections(inputs: ReportInputs) -> list[PairSection]:
    pairs = {pair.name: pair for pair in inputs.pairs}
    drawn = {found.pair for found in sorted(inputs.mined, key=_f1)[:HISTOGRAMS]}
    return [
        PairSection(pairs[found.pair], found, _histogram(found) if found.pair in drawn else None, mining_notes(found))
        for found in inputs.mined
    ]


def _f1(found: MinedPair) -> float:
    return float(found.metrics.get("test", {}).get("f1", 1.0))


def _histogram(found: MinedPair) -> Markup | None:
    if found.histogram is None:
        return None
    return _markup(plots.score_histogram(found.pair, found.histogram, found.threshold, found.threshold_interval))


def _heat_maps(inputs: ReportInputs) -> list[tuple[HeatMap, Markup]]:
    """Of benchmarks between all languages, and of held-out sentences."""
    languages = list(dict.fromkeys(language for pair in inputs.pairs for language in (pair.a, pair.b)))
    found = [] if inputs.models is None else _benchmark_heat_maps(inputs.models, languages)
    found += [inputs.space.heat_map] if inputs.space.heat_map is not None else []
    return [(one, _markup(space_plots.heat_map_plot(f"heat-{number}", one))) for number, one in enumerate(found)]


def _benchmark_heat_maps(models: ModelScores, languages: list[str]) -> list[HeatMap]:
    maps = [benchmark_heat_map(name, models.of(STUDENT, name), languages) for name in models.benchmarks]
    return [found for found in maps if found is not None]


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
