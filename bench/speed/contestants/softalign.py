"""softalign itself, through what its stages call."""

from __future__ import annotations

import copy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import label_vectors, read, scored_pairs, side, without_own
from speed.worker import Clock, Work


def _encoder(options: dict[str, Any], **settings: Any) -> Any:
    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    source = resolve_model("model", options["path"], None, Path())
    return load_encoder(source, EncoderSettings(max_length=options["max_length"], **settings))


def teach(options: dict[str, Any]) -> Work:
    """Raw text to vectors as stage teach has it: each different sentence once, dtype as in ``teacher.dtype``."""
    encoder, sentences = _encoder(options, dtype=options.get("dtype", "float32")), read(options)

    def work(clock: Clock) -> Any:
        place: dict[str, int] = {}
        which = [place.setdefault(sentence, len(place)) for sentence in sentences]
        return encoder.encode_tokens(encoder.tokenize(list(place)))[which]

    return work


def teach_int8(options: dict[str, Any]) -> Work:
    """The same by the int8 graph of ``softalign export --to onnx``."""
    from pipeline.exporting.runtime import OnnxModel

    encoder, sentences = _encoder(options), read(options)
    graph = Path(options["folder"]) / "export" / "onnx" / "model_int8.onnx"
    model = OnnxModel(graph, int(getattr(encoder.model, "pad", 0)), threads=options["threads"])
    return lambda clock: model.encode_tokens(encoder.tokenize(sentences))


def static(options: dict[str, Any]) -> Work:
    """Vectors of a static model from raw text."""
    encoder, sentences = _encoder(options, batch_tokens=65_536), read(options)
    return lambda clock: encoder.encode_tokens(encoder.tokenize(sentences))


def static_tokens(options: dict[str, Any]) -> Work:
    """Vectors of a static model from tokens, as stage embed has them."""
    encoder = _encoder(options, batch_tokens=65_536)
    batch = encoder.tokenize(read(options))
    return lambda clock: encoder.encode_tokens(batch)


def tokenize(options: dict[str, Any]) -> Work:
    """Stage tokenize: from shards of text to shards of ids, in this process with all its threads."""
    from pipeline.artifacts.folders import TokenFolder
    from pipeline.compute.in_process import here
    from pipeline.embedding.tokenize import FolderToTokenize, tokenize_folders, tokenize_shard
    from pipeline.encoders.tokenization import load_tokenizer

    folder = Path(options["folder"])
    tokenizer = load_tokenizer(Path(options["path"]), "", options["max_length"], special_tokens=True)
    item = FolderToTokenize(folder / "sentences", folder / "tokens", "teacher", {"language": "en"})

    def work(clock: Clock) -> Any:
        tokenize_folders(here(tokenize_shard, {"teacher": tokenizer}), [item], "bench")
        with clock.paused():
            found = TokenFolder(folder / "tokens")
            batch = found.select(np.argsort(found.keys))
            return {"tokens": batch.tokens, "lengths": batch.lengths}

    return work


def neighborhoods(options: dict[str, Any]) -> Work:
    """All points against themselves: exact, half a product; or approximate, tuned to the recall asked for."""
    from pipeline.config.labels import Neighborhoods
    from pipeline.labels.neighborhoods import find_neighborhoods

    vectors = label_vectors(options)
    if "recall" in options:
        config = Neighborhoods(k=options["k"], search="faiss", recall=options["recall"])
    else:
        config = Neighborhoods(k=options["k"], search="exact")

    def work(clock: Clock) -> Any:
        with tempfile.TemporaryDirectory(dir=options["folder"]) as scratch:
            found = find_neighborhoods(vectors, config, Path(scratch)).neighbors
        rows = slice(options.get("queries"))
        return {"similarity": found.similarity[rows], "row": found.row[rows]}

    return work


def neighbors_slice(options: dict[str, Any]) -> Work:
    """Some points against all, exact: a whole product, without the half that all against all saves."""
    from pipeline.search.job import SearchJob
    from pipeline.search.samples import sampling

    vectors, rows = label_vectors(options), np.arange(options["queries"])

    def work(clock: Clock) -> Any:
        with sampling(vectors, vectors, SearchJob(options["k"] + 1, device="cpu")) as sampler:
            similarity, row = sampler(True, rows)
        return without_own(similarity, row, rows)

    return work


def mining(options: dict[str, Any]) -> Work:
    """Exact mining as the command line does it, from vectors in files to a file of pairs."""
    from pipeline.config.mine import Mine
    from pipeline.mining.mine import mine
    from pipeline.mining.outputs import OutputSide, PairsToWrite, format_of

    out = Path(options["folder"]) / "softalign.tsv"

    def work(clock: Clock) -> Any:
        (x, texts_a), (y, texts_b) = (side(options, name) for name in "ab")
        pairs = mine(x, y, Mine(k=options["k"], search="exact"))
        format_of(out).write(out, PairsToWrite(pairs, OutputSide.of("en", texts_a), OutputSide.of("fr", texts_b)))
        with clock.paused():
            return scored_pairs(out)

    return work


def both_directions(options: dict[str, Any]) -> Work:
    """The search of both directions, alone."""
    from pipeline.search.job import SearchJob
    from pipeline.search.search import search

    def work(clock: Clock) -> Any:
        search(side(options, "a")[0], side(options, "b")[0], SearchJob(options["k"], backend="exact"))
        return np.zeros(0)

    return work


def steps(options: dict[str, Any]) -> Work:
    """A whole training of some steps on a pretrained student, teacher's vectors from stage teach."""
    trainer = ProjectTraining.open(options)
    student = trainer.build()

    def work(clock: Clock) -> Any:
        losses: list[float] = []
        with clock.paused():
            model = copy.deepcopy(student)
        trainer.run(model, lambda record: losses.append(record["loss"]))
        return np.asarray(losses)

    return work


def command(options: dict[str, Any]) -> Work:
    """A whole command, start-up included."""
    return lambda clock: (
        subprocess.run(options["command"], cwd=options["cwd"], check=True, capture_output=True).returncode
    )


class _ReachedError(Exception):
    """The dev accuracy asked for is reached."""


def static_training(options: dict[str, Any]) -> Work:
    """A static student from nothing until the dev accuracy is reached; tokens are those of stage tokenize.

    Evaluations don't count, for nobody; reading the artifacts and building the student do.
    """
    from pipeline.training import trainer as training

    def work(clock: Clock) -> Any:
        own = ProjectTraining.open(options)
        seen: list[tuple[float, float]] = []
        scores = training.dev_scores

        def paused_scores(*arguments: Any) -> Any:
            with clock.paused():
                return scores(*arguments)

        def record(values: dict[str, float]) -> None:
            seen.append((values["step"], values["dev_accuracy"]))
            if values["dev_accuracy"] >= options["accuracy"]:
                raise _ReachedError

        training.dev_scores = paused_scores  # type: ignore[attr-defined]
        try:
            own.run(own.build(), record)
        except _ReachedError:
            pass
        finally:
            training.dev_scores = scores  # type: ignore[attr-defined]
        return {"reached": np.asarray(seen)}

    return work


class ProjectTraining:
    """A project's artifacts, read once, and trainings on them."""

    def __init__(self, project: Any) -> None:
        from accelerate import Accelerator

        from pipeline.artifacts.folders import TokenFolder
        from stages.inputs.models import resolve_start, student_tokenizer
        from stages.inputs.training_data import read_dev, read_training_pairs

        self.params = project.params
        names = self.params.used_languages
        tokens = {name: TokenFolder(project.layout.tokens / "student" / name) for name in names}
        self.pairs, self.dev = read_training_pairs(project, tokens), read_dev(project)
        start = resolve_start(project)
        self.start, self.tokenizer = start.path if start else None, student_tokenizer(project, start)
        self.accelerator = Accelerator(cpu=True)

    @classmethod
    def open(cls, options: dict[str, Any]) -> ProjectTraining:
        """The training of the row's project, with the row's parameters under ``train``."""
        from pipeline.config.train import Train
        from stages.running.command import Project

        project = Project.open(Path(options["folder"]) / "project")
        train = {**project.params.train.model_dump(exclude_unset=True), **options["train"]}
        return cls(Project(project.params.model_copy(update={"train": Train.model_validate(train)}), project.layout))

    def build(self, seed: int | None = None) -> Any:
        """The student as its training starts."""
        from pipeline.training.build import build_student

        return build_student(
            self.params.student, self.tokenizer, self.start, self.params.seed if seed is None else seed
        )

    def run(self, model: Any, record: Any, config: Any = None, seed: int | None = None) -> Any:
        """Train, by the project's own parameters unless others are given; ``record`` is called with every evaluation."""
        from pipeline.training.objective import training_loss
        from pipeline.training.trainer import Trainer

        config, seed = config or self.params.train, self.params.seed if seed is None else seed
        teacher = self.pairs[0].points.teacher_a.dimension
        with tempfile.TemporaryDirectory() as scratch:
            return Trainer(
                accelerator=self.accelerator,
                model=model,
                loss=training_loss(config, model.dimension, teacher, seed),
                pairs=self.pairs,
                dev=self.dev if config.eval_every < config.steps else [],
                config=config,
                seed=seed,
                identity="bench",
                checkpoints=Path(scratch) / "checkpoints",
                record=record,
            ).run()
