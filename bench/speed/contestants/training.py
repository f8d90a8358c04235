"""Training: single steps of a transformer, and a static student from nothing to a dev accuracy.

Ours reads a project's artifacts (`speed.project`); peers read the same pairs, batch by batch, as text.
"""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import texts
from speed.worker import Clock, Work

REACHED = "reached"


class _ReachedError(Exception):
    """The dev accuracy asked for is reached."""


def softalign_steps(options: dict[str, Any]) -> Work:
    """Ours: a whole training of some steps on a pretrained student, teacher's vectors from stage teach."""
    from pipeline.training.build import build_student

    trainer = _trainer(options)
    student = build_student(trainer.params.student, trainer.tokenizer, trainer.start, trainer.params.seed)

    def work(clock: Clock) -> Any:
        losses: list[float] = []
        with clock.paused():
            model = copy.deepcopy(student)
        trainer.run(model, lambda record: losses.append(record["loss"]))
        return np.asarray(losses)

    return work


def softalign_static(options: dict[str, Any]) -> Work:
    """Ours: a static student from nothing until the dev accuracy is reached; tokens are those of stage tokenize.

    Evaluations don't count, for nobody; reading the artifacts and building the student do.
    """
    from pipeline.training import trainer as training
    from pipeline.training.build import build_student

    def work(clock: Clock) -> Any:
        own = _trainer(options)
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
            own.run(build_student(own.params.student, own.tokenizer, None, own.params.seed), record)
        except _ReachedError:
            pass
        finally:
            training.dev_scores = scores  # type: ignore[attr-defined]
        return {REACHED: np.asarray(seen)}

    return work


class _Own:
    """A project's artifacts and its training."""

    def __init__(self, project: Any, threads: int) -> None:
        import torch
        from accelerate import Accelerator

        from pipeline.artifacts.folders import TokenFolder
        from stages.inputs.models import resolve_start, student_tokenizer
        from stages.inputs.training_data import read_dev, read_training_pairs

        torch.set_num_threads(threads)
        self.project, self.params = project, project.params
        names = self.params.used_languages
        tokens = {name: TokenFolder(project.layout.tokens / "student" / name) for name in names}
        self.pairs = read_training_pairs(project, tokens)
        self.dev = read_dev(project)
        start = resolve_start(project)
        self.start = start.path if start else None
        self.tokenizer = student_tokenizer(project, start)
        self.accelerator = Accelerator(cpu=True)

    def run(self, model: Any, record: Any) -> Any:
        """Train; ``record`` is called with every evaluation."""
        from pipeline.training.objective import training_loss
        from pipeline.training.trainer import Trainer

        config, seed = self.params.train, self.params.seed
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


def _trainer(options: dict[str, Any]) -> _Own:
    from pipeline.config.train import Train
    from stages.running.command import Project

    project = Project.open(Path(options["folder"]) / "project")
    train = {**project.params.train.model_dump(exclude_unset=True), **options["train"]}
    params = project.params.model_copy(update={"train": Train.model_validate(train)})
    return _Own(Project(params, project.layout), options["threads"])


def authors_steps(options: dict[str, Any]) -> Work:
    """The paper's procedure as its section 3 tells it, in plain PyTorch and transformers.

    Every step: tokenize both sides, padded to 512; the teacher embeds the first side; the student embeds both; soft labels
    from the teacher, cross-entropy in both directions; AdamW.
    """
    import torch
    from torch.nn import functional
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(options["threads"])
    tokenizer = AutoTokenizer.from_pretrained(options["path"])
    teacher = AutoModel.from_pretrained(options["path"]).eval()
    start = AutoModel.from_pretrained(options["path"])
    batches = [list(map(list, batch)) for batch in json.loads(texts(options, "batches_json")[0])][: options["steps"]]
    tau = options["temperature"]

    def embed(model: Any, sentences: list[str]) -> Any:
        batch = tokenizer(sentences, padding="max_length", truncation=True, max_length=512, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    def work(clock: Clock) -> Any:
        with clock.paused():
            student = copy.deepcopy(start).train(options.get("dropout", False))
        optimizer = torch.optim.AdamW(student.parameters(), lr=options["learning_rate"])
        losses = []
        for first, second in batches:
            with torch.no_grad():
                labels = embed(teacher, first)
                soft = torch.softmax(labels @ labels.T / tau, dim=1)
            x, y = embed(student, first), embed(student, second)
            loss = functional.cross_entropy(x @ y.T / tau, soft) + functional.cross_entropy(y @ x.T / tau, soft)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
        return np.asarray(losses)

    return work


def sentence_transformers_steps(options: dict[str, Any]) -> Work:
    """sentence-transformers' trainer, multiple-negatives loss in both directions, same batches in the same order."""
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    torch.set_num_threads(options["threads"])
    start = SentenceTransformer(options["path"], device="cpu")
    start.max_seq_length = options["max_length"]
    batches = json.loads(texts(options, "batches_json")[0])[: options["steps"]]
    pairs = [(a, b) for first, second in batches for a, b in zip(first, second, strict=True)]
    data = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]})

    def work(clock: Clock) -> Any:
        with clock.paused():
            model = copy.deepcopy(start)
        loss = MultipleNegativesRankingLoss(
            model, scale=1 / options["temperature"], directions=("query_to_doc", "doc_to_query"),
            partition_mode="per_direction",
        )  # fmt: skip
        history = _train(model, data, loss, options, sequential=True)
        return np.asarray([record["loss"] for record in history if "loss" in record])

    return work


def sentence_transformers_static(options: dict[str, Any]) -> Work:
    """sentence-transformers' trainer on a StaticEmbedding until the dev accuracy is reached; ours' tokenizer, as a file.

    Its documentation's recipe for static models: multiple negatives, batches of 2,048, learning rate 0.2, a tenth of
    warm-up. Training the tokenizer counts for neither side; reading text and tokenizing do for this one.
    """
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from transformers import TrainerCallback

    torch.set_num_threads(options["threads"])
    dev = json.loads(texts(options, "dev_json")[0])

    def work(clock: Clock) -> Any:
        torch.manual_seed(options["seed"])
        tokenizer = Tokenizer.from_file(options["tokenizer"])
        tokenizer.post_processor = None  # type: ignore[assignment]
        model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=384)], device="cpu")
        pairs = json.loads(texts(options, "pairs_json")[0])
        data = Dataset.from_dict({"anchor": pairs[0], "positive": pairs[1]})
        loss = MultipleNegativesRankingLoss(
            model, scale=options["scale"], directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
        )
        seen: list[tuple[float, float]] = []

        class Until(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step % options["eval_every"] and state.global_step < options["steps"]:
                    return
                with clock.paused():
                    accuracy = _accuracy(model, dev)
                    model.train()
                seen.append((float(state.global_step), accuracy))
                if accuracy >= options["accuracy"]:
                    control.should_training_stop = True

        _train(model, data, loss, options, sequential=False, callbacks=[Until()])
        return {REACHED: np.asarray(seen)}

    return work


def _accuracy(model: Any, dev: list[list[list[str]]]) -> float:
    """Retrieval accuracy, mean of both directions and over language pairs, as `pipeline.training.dev` has it."""
    scores = []
    for first, second in dev:
        x, y = (model.encode(side, batch_size=1024, normalize_embeddings=True) for side in (first, second))
        similarity, rows = x @ y.T, np.arange(len(x))
        scores += [(similarity.argmax(axis=axis) == rows).mean() for axis in (0, 1)]
    return float(np.mean(scores))


def _train(model: Any, data: Any, loss: Any, options: dict[str, Any], sequential: bool, callbacks: Any = ()) -> Any:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from torch.utils.data import SequentialSampler

    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=options["steps"],
            per_device_train_batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            warmup_steps=options.get("warmup_steps", 0),
            lr_scheduler_type=options.get("schedule", "linear"),
            max_grad_norm=options.get("max_grad_norm", 1.0),
            logging_steps=1 if sequential else options["steps"],
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            seed=options.get("seed", 1),
            batch_sampler=(lambda dataset, batch_size, **_: _batches(SequentialSampler(dataset), batch_size))
            if sequential
            else "batch_sampler",
        )
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, callbacks=list(callbacks)
        )
        trainer.train()
        return trainer.state.log_history


def _batches(sampler: Any, size: int) -> Any:
    from torch.utils.data import BatchSampler

    return BatchSampler(sampler, size, drop_last=True)
