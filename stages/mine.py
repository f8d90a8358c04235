"""Mine the translation pairs of one language pair, with a threshold that the held-out dev documents tune."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.artifacts.folders import TextFolder, VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.compute.engines import open_engine
from pipeline.console.errors import ParamsError
from pipeline.ground.atomic import scratch_folder
from pipeline.ground.languages import LanguagePair
from pipeline.mining.judging.histogram import histogram
from pipeline.mining.judging.threshold import explain_infinite
from pipeline.mining.pair_rules import MinedRules
from pipeline.mining.sides import MiningRun
from pipeline.mining.texts import MinedSet, TextSide, choose_threshold, heldout_set, mine_set, own_text_set, write_mined
from pipeline.search.job import SearchWorkers
from pipeline.search.kept_indexes import FOLDER as INDEXES
from stages.running.command import (
    DebugOption,
    Project,
    ProjectOption,
    reported_errors,
    run_command,
    run_in_project,
    write_metrics,
)

log = logging.getLogger(__name__)


def run(project: Project, pair: str) -> None:
    """Run the stage for one language pair in a project."""
    params, layout = project.params, project.layout
    engine = open_engine(params.compute)
    languages = _pair(project, pair)
    side_a, side_b = (
        TextSide(TextFolder(layout.monolingual / language), VectorFolder(layout.embeddings / language))
        for language in (languages.a, languages.b)
    )
    heldout = HeldOutFolder(layout.heldout / pair)
    sources = {name: heldout_set(name, heldout, side_a, side_b) for name in ("dev", "test")}
    sources["mine"] = own_text_set(side_a, side_b)
    _say_one_sided(pair, {languages.a: side_a, languages.b: side_b})
    rules = MinedRules.of(params.prepare.clean, params.mine.keep, (languages.a, languages.b))
    # What doesn't fit into memory stays mapped until all is written.
    with scratch_folder(layout.mined, f"mining-{pair}") as scratch:
        run_of = MiningRun(
            params.mine,
            rules,
            params.seed,
            indexes=layout.store / INDEXES,
            workers=None if engine.alone else SearchWorkers(engine, layout.shared),
        )
        mined = {
            name: mine_set(
                source, side_a, side_b, replace(run_of, label=f"mine {pair} ({name})", scratch=scratch / name)
            )
            for name, source in sources.items()
            if source is not None
        }
        if not mined:
            log.warning("mine %s: nothing to mine: no held-out documents, and no prepare.text in both languages", pair)
        threshold = choose_threshold(mined.get("dev"), params.mine.threshold)
        if "dev" in mined and (said := explain_infinite(threshold, _gold(mined["dev"]))):
            log.warning("mine %s: %s", pair, said)
        made_by = {
            "pair": pair,
            "encoder": side_a.vectors.made_by["encoder"],
            "options": params.mine.model_dump(mode="json", exclude={"memory_bytes"}),
            "rules": rules.clean.model_dump(mode="json"),
            "search": {name: found.found.about for name, found in mined.items()},
        }
        write_mined(layout.mined / f"{pair}.parquet", list(mined.values()), side_a, side_b, threshold, made_by)
        write_metrics(layout.metrics / "mine" / f"{pair}.json", _metrics(mined, threshold))


def _say_one_sided(pair: str, sides: dict[str, TextSide]) -> None:
    """Say that the text of one language has nothing to be mined with."""
    rows = {language: len(side.texts.flagged("to_mine")) for language, side in sides.items()}
    if any(rows.values()) and not all(rows.values()):
        have, lacks = max(rows, key=lambda language: rows[language]), min(rows, key=lambda language: rows[language])
        log.warning(
            "mine %s: %s sentences of prepare.text in %s have none in %s to be mined with",
            pair,
            f"{rows[have]:,}",
            have,
            lacks,
        )


def _gold(mined: MinedSet) -> int:
    return 0 if mined.source.gold is None else len(mined.source.gold)


def _metrics(mined: dict[str, MinedSet], threshold: float | None) -> dict[str, Any]:
    metrics: dict[str, Any] = {"threshold": None if threshold is None else round(threshold, 6)}
    for name, found in mined.items():
        quality = None if threshold is None else found.quality(threshold)
        if quality is not None:
            metrics[name] = {
                "precision": round(quality.precision, 6),
                "recall": round(quality.recall, 6),
                "f1": round(quality.f1, 6),
                "gold": quality.gold,
                "candidates_a": len(found.source.rows_a),
                "candidates_b": len(found.source.rows_b),
                "pairs": quality.extracted,
            }
    wanted = mined.get("mine") or mined.get("test") or mined.get("dev")
    if wanted is None:
        return {**metrics, "mined": {"set": None, "pairs": 0, "accepted": 0}}
    accepted = len(wanted.pairs) if threshold is None else int((wanted.pairs.score >= threshold).sum())
    metrics["mined"] = {"set": wanted.source.name, "pairs": len(wanted.pairs), "accepted": accepted}
    metrics["search"] = wanted.found.about
    left = wanted.found.left_out()
    copies = {"copies_a": left.copies_a, "copies_b": left.copies_b} if left.copies_a else {}
    metrics["left_out"] = {**left.broken, **copies}
    metrics["histogram"] = histogram(wanted.pairs.score).as_metrics()
    if (control := wanted.found.control(threshold)) is not None:
        metrics["control"] = control.as_metrics(threshold)
    if (lost := wanted.found.cost(threshold)) is not None:
        metrics["approximation"] = {"lost": lost.as_metrics()}
    return metrics


def _pair(project: Project, name: str) -> LanguagePair:
    for pair in project.params.language_pairs:
        if pair.name == name:
            return pair
    raise ParamsError(f"--pair: found {name!r}, expected one of params.yaml's pairs: {', '.join(project.params.pairs)}")


def command(
    pair: Annotated[str, typer.Option(help="The language pair, as params.yaml names it.")],
    project: ProjectOption = Path(),
    debug: DebugOption = False,
) -> None:
    """Mine the translation pairs of one language pair."""
    with reported_errors(debug):
        run_in_project(f"mine-{pair}", lambda opened: run(opened, pair), project)


if __name__ == "__main__":
    sys.argv[0] = "mine"
    run_command(command)
