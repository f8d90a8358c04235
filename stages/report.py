"""Write the report: one page with the verdict, the scores, the space, the mined pairs, the training and the text."""

from __future__ import annotations

from typing import Any

from pipeline.config.params import Params
from pipeline.ground.atomic import write_text
from pipeline.inspecting.neighborhoods import Neighborhood, read_neighborhoods
from pipeline.inspecting.surroundings import Surroundings
from pipeline.reporting.costs import read_costs
from pipeline.reporting.current import current_evaluation, current_prepare
from pipeline.reporting.inputs import ReportInputs, read_metrics, read_mined, read_series
from pipeline.reporting.judged_precision import read_judged
from pipeline.reporting.models import STUDENT, ModelScores
from pipeline.reporting.render import render
from pipeline.reporting.space import read_space
from stages.running.command import Project, stage_main
from stages.running.leftovers import LeftOvers, in_words


def run(project: Project) -> None:
    """Run the stage in a project."""
    params, layout = project.params, project.layout
    leftovers, costs = LeftOvers(params, layout), layout.cost("").parent
    inputs = ReportInputs(
        title=params.report.title,
        pairs=params.language_pairs,
        params=_shown(params),
        prepare=current_prepare(read_metrics(layout.metrics / "prepare.json"), params),
        train=read_metrics(layout.metrics / "train.json"),
        evaluate=current_evaluation(
            read_metrics(layout.metrics / "evaluate.json") | read_metrics(layout.metrics / "heldout.json"), params
        ),
        series=read_series(layout.plots / "train"),
        mined=[
            read_mined(
                pair.name,
                layout.mined / f"{pair.name}.parquet",
                read_metrics(layout.metrics / "mine" / f"{pair.name}.json"),
                params.report.samples,
                params.evaluate.bootstrap,
                params.seed,
            )
            for pair in params.language_pairs
        ],
        tokenize=read_metrics(layout.metrics / "tokenize.json"),
        models=_models(project),
        space=read_space(layout.embeddings, layout.heldout, params.language_pairs),
        neighborhoods=_neighborhoods(project),
        costs=[cost for cost in read_costs(costs) if leftovers.reason(costs / f"{cost.stage}.json") is None],
        left_over=in_words(list(leftovers.found()), layout.root),
        judged=read_judged(
            [layout.root / file for file in params.report.judgements],
            {pair.name: layout.mined / f"{pair.name}.parquet" for pair in params.language_pairs},
        ),
    )
    write_text(layout.report, render(inputs))


def _models(project: Project) -> ModelScores | None:
    folder = project.layout.evaluation
    if not (folder / f"{STUDENT}.json").is_file():
        return None
    from pipeline.reporting.read_models import (
        read_models,
    )  # imports torch, which a report without benchmarks does not need

    wanted = project.params.evaluate
    names = [benchmark.name for benchmark in wanted.benchmarks]
    return read_models(folder, [peer.name for peer in wanted.peers]).only(names)


def _neighborhoods(project: Project) -> list[Neighborhood]:
    """Some of the first language pair; the others' are alike."""
    layout, pair = project.layout, project.params.language_pairs[0]
    surroundings = Surroundings((layout.sentences,), layout.pairs)
    return read_neighborhoods(layout.neighborhoods / pair.name, pair, surroundings, project.params.report.samples)


def _shown(params: Params) -> dict[str, Any]:
    """The parameters that results depend on; those of memory and machines say nothing of them."""
    student = (
        {"model", "revision", "pooling", "prefix", "trim_vocabulary"} if params.student.kind != "pretrained" else set()
    )
    student |= {"dimension"} if params.student.kind != "static" else {"lora"}
    student |= {"transformer"} if params.student.kind != "transformer" else set()
    student |= {"vocabulary", "tokenizer_sentences"} if params.student.kind == "pretrained" else set()
    train = {"chunk", "dev_limit", "eval_every", "checkpoint_every"}
    train |= {"lexicon"} if params.student.kind != "teacher" else set()
    index = {"index", "index_bytes", "recall", "sample"} if params.mine.search == "exact" else set()
    return {
        "seed": params.seed,
        "teacher": params.teacher.model_dump(mode="json", exclude={"batch_tokens"}),
        "student": params.student.model_dump(mode="json", exclude=student),
        "labels": params.labels.model_dump(mode="json"),
        "neighborhoods": params.neighborhoods.model_dump(mode="json", exclude={"block_bytes"}),
        "train": params.train.model_dump(mode="json", exclude=train),
        "evaluate": params.evaluate.model_dump(mode="json", exclude_defaults=True),
        "mine": params.mine.model_dump(mode="json", exclude=index | {"memory_bytes"}),
        "corpora": [
            corpus.model_dump(mode="json", exclude_defaults=True) | {"licence": corpus.licence}
            for corpus in params.prepare.corpora
        ],
    }


if __name__ == "__main__":
    stage_main("report", run)
