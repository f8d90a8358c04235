"""The page: everything put into the template."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.console.plain_text import clip, visible
from pipeline.reporting import facts, plots, space_plots
from pipeline.reporting.costs import cost_rows
from pipeline.reporting.inputs import ReportInputs
from pipeline.reporting.model_tables import benchmark_tables
from pipeline.reporting.models import SIGNIFICANT
from pipeline.reporting.near_copies import most_left_out, near_copies
from pipeline.reporting.notes import mining_notes, unknown_languages
from pipeline.reporting.space import HeatMap, benchmark_heat_map
from pipeline.reporting.verdict import headlines, peer_verdict, percent, verdict

TEMPLATES = Path(__file__).parent / "templates"

HISTOGRAMS = 12
"""Language pairs whose histogram is drawn; of more, those with the worst F1."""


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
    by_name = {series.name: series for series in inputs.series}
    # Of many language pairs only the worst get a histogram.
    drawn = sorted(inputs.mined, key=lambda found: float(found.metrics.get("test", {}).get("f1", 1.0)))[:HISTOGRAMS]
    page = templates().get_template("report.html").render(
        **vars(inputs),
        plots=plots,
        space_plots=space_plots,
        verdict=verdict(inputs),
        peer_verdict=peer_verdict(inputs.models),
        headlines=headlines(inputs),
        scores=facts.score_rows(inputs),
        languages={pair.name: pair for pair in inputs.pairs},
        drawn={found.pair for found in drawn},
        histograms=HISTOGRAMS,
        mining_notes=mining_notes,
        known_shown=any(one.gold is not None for found in inputs.mined for of in found.samples.values() for one in of),
        thresholds={found.pair: found.threshold for found in inputs.mined},
        tables=benchmark_tables(inputs.models),
        significant=SIGNIFICANT,
        unknown=unknown_languages(inputs),
        heat_maps=_heat_maps(inputs),
        cost_rows=cost_rows(inputs.costs),
        benchmarks=inputs.prepare.get("benchmarks", {}),
        heldout_seen=facts.heldout_seen(inputs),
        near_copies=near_copies(inputs.prepare),
        most_left_out=most_left_out(inputs.prepare),
        by_name=by_name,
        dev=[by_name[f"dev/{pair.name}"] for pair in inputs.pairs if f"dev/{pair.name}" in by_name],
        corpora=facts.corpus_rows(inputs),
        text_notes=facts.text_notes(inputs),
        rejections=facts.rejection_rows(inputs),
        texts=facts.text_rows(inputs),
        sentences=facts.sentence_rows(inputs),
        makers=facts.maker_groups(inputs),
    )  # fmt: skip
    return page.rstrip() + "\n"


def _heat_maps(inputs: ReportInputs) -> list[HeatMap]:
    """Retrieval between all languages: on benchmarks, and on held-out sentences."""
    languages = list(dict.fromkeys(language for pair in inputs.pairs for language in (pair.a, pair.b)))
    benchmarks = [] if inputs.models is None else list(inputs.models.benchmarks.items())
    found = [benchmark_heat_map(name, about, languages) for name, about in benchmarks]
    return [one for one in (*found, inputs.space.heat_map) if one is not None]
