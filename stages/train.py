"""Train the student on the teacher's soft labels, and keep the checkpoint that is best on the dev set: models/student."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from dvclive import Live
from scmrepo.exceptions import SCMError

import pipeline
from pipeline.artifacts.folders import TokenFolder
from pipeline.config.base import plugins
from pipeline.console.errors import ArtifactError
from pipeline.encoders.layout import read_layout
from pipeline.encoders.lora import merge_adapters
from pipeline.encoders.resolve import ModelFolder
from pipeline.encoders.saving import save_encoder
from pipeline.encoders.tokenization import TextTokenizer
from pipeline.ground.atomic import atomic_folder
from pipeline.ground.folder_checksums import write_checksums
from pipeline.ground.hashing import code_hash, folder_hash, identity_hash
from pipeline.training.build import apply_training, build_student
from pipeline.training.devices import make_accelerator
from pipeline.training.interpolation import move_to_start, parameters_now
from pipeline.training.lexicon import LexiconText, start_from_lexicon
from pipeline.training.objective import training_loss
from pipeline.training.trainer import Trained, Trainer
from stages.inputs.models import resolve_start, student_tokenizer
from stages.inputs.training_data import read_dev, read_training_pairs
from stages.running.command import Project, stage_main, write_metrics
from stages.running.declared import check_declared
from stages.running.launching import launch_again
from stages.running.named_inputs import named_inputs

CODE = ("training/*.py", "losses/**/*.py", "encoders/*.py", "labels/points.py", "config/train.py", "ground/matmul.py")
"""The code of `pipeline` that a step of training depends on; only a change of what it does discards a checkpoint."""


class _Live(Live):  # type: ignore[misc]
    """DVCLive, also in a git repository that has no commit yet (where its own start ends in an error)."""

    def _init_dvc(self) -> None:
        with suppress(SCMError):
            super()._init_dvc()


def run(project: Project) -> None:
    """Run the stage in a project; with an Accelerate configuration, through `accelerate launch`."""
    launch_again(project, "train")
    check_declared(project, lambda: named_inputs(project, "train"))
    params, layout = project.params, project.layout
    accelerator = make_accelerator(params.train.mixed_precision)
    tokens = {language: TokenFolder(layout.tokens / "student" / language) for language in params.used_languages}
    pairs = read_training_pairs(project, tokens)
    start = resolve_start(project)
    tokenizer = student_tokenizer(project, start)
    _check_tokenizer(tokens, tokenizer)
    model = build_student(params.student, tokenizer, start.path if start else None, params.seed, params.teacher)
    identity = _common_identity(accelerator, project, start)
    apply_training(model, params.train)
    if start is not None and params.student.kind == "teacher" and params.train.lexicon is not None:
        text = LexiconText(
            accelerator, pairs, tokens, params.teacher_languages, params.seed, identity, layout.checkpoints / "lexicon"
        )
        start_from_lexicon(model, start.path, tokenizer, text, params.train.lexicon)
    before = parameters_now(model) if params.train.start_weight else {}
    with _series(layout.plots / "train", accelerator.is_main_process) as record:
        trainer = Trainer(
            accelerator=accelerator,
            model=model,
            loss=training_loss(params.train, model.dimension, pairs[0].points.teacher_a.dimension, params.seed),
            pairs=pairs,
            dev=read_dev(project),
            config=params.train,
            seed=params.seed,
            identity=identity,
            checkpoints=layout.checkpoints,
            record=record,
        )
        trained = trainer.run()
    if accelerator.is_main_process:
        with atomic_folder(layout.student) as folder:
            if before:
                move_to_start(trained.model, before, params.train.start_weight)
            merge_adapters(trained.model)
            own = start if params.student.kind == "pretrained" else None
            prompts = {} if own is None else read_layout(own.path).prompts
            save_encoder(trained.model, tokenizer, folder, prompts)
            write_checksums(folder)
        brought = plugins(*params.train.loss)
        write_metrics(layout.metrics / "train.json", _metrics(trained) | ({"plugins": brought} if brought else {}))


def _check_tokenizer(tokens: dict[str, TokenFolder], tokenizer: TextTokenizer) -> None:
    """Raise if the tokens are not those of the tokenizer that is saved with the student."""
    for folder in tokens.values():
        if (found := folder.made_by.get("tokenizer")) != tokenizer.content:
            problem = f"tokens of tokenizer {found}, expected {tokenizer.content}; run stage tokenize again"
            raise ArtifactError(folder.folder, problem)


@contextmanager
def _series(folder: Path, main_process: bool) -> Iterator[Callable[[dict[str, float]], None]]:
    """Records of evaluations as DVCLive's series; only one process writes them."""
    if not main_process:
        yield lambda _: None
        return
    shutil.rmtree(folder, ignore_errors=True)  # DVCLive would append to a stopped run's series
    with _Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None) as live:

        def record(values: dict[str, float]) -> None:
            live.step = int(values["step"])
            for name, value in sorted(values.items()):
                if name != "step":
                    live.log_metric(name, value)
            live.make_summary()

        yield record


def _metrics(trained: Trained) -> dict[str, Any]:
    last = trained.progress.history[-1]
    return {
        "best_step": trained.progress.best_step,
        "dev_accuracy": round(trained.progress.best_accuracy, 6) if "dev_accuracy" in last else None,
        "last_loss": round(last["loss"], 6),
        "notes": list(trained.notes),
        "neighborhood_coverage": round(trained.coverage, 6),
        "steps": trained.progress.step,
        "stopped_early": trained.progress.stopped_early,
    }


def _common_identity(accelerator: Accelerator, project: Project, start: ModelFolder | None) -> str:
    """The identity, from the first process: only that one reads all inputs."""
    own = _identity(project, start) if accelerator.is_main_process else None
    if accelerator.num_processes == 1:
        return str(own)
    return str(broadcast_object_list([own])[0])


def _identity(project: Project, start: ModelFolder | None) -> str:
    """Everything that a checkpoint depends on: parameters, inputs, code."""
    params, layout = project.params, project.layout
    first = TokenFolder(layout.tokens / "student" / params.used_languages[0])
    return identity_hash(
        {
            "params": params.model_dump(
                mode="json", include={"languages", "pairs", "seed", "student", "labels", "train"}
            ),
            "student": start.content if start else None,
            # Another version's steps differ; a checkpoint goes on with those that it began with.
            "torch": torch.__version__,
            "pooling": params.teacher.pooling if params.student.kind == "teacher" else None,
            "tokenizer": first.made_by["tokenizer"],
            "pairs": folder_hash(layout.pairs),
            "weights": {corpus.name: corpus.weight for corpus in params.prepare.corpora},
            "heldout": folder_hash(layout.heldout),
            "neighborhoods": folder_hash(layout.neighborhoods),
            "plugins": plugins(*params.train.loss),
            "code": code_hash(Path(pipeline.__file__).parent, CODE),
        }
    )


if __name__ == "__main__":
    stage_main("train", run)
