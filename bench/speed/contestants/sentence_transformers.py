"""sentence-transformers: its encode with torch and ONNX Runtime, and its trainer."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import read, scored_pairs, side
from speed.worker import Clock, Work

Encode = Callable[[list[str], int], Any]
"""Sentences and a batch size to vectors."""
BATCH_SIZES = (8, 16, 32, 64, 128)
SAMPLE = 256
"""Sentences by which a batch size is chosen."""


def teach(options: dict[str, Any]) -> Work:
    """``SentenceTransformer.encode`` (it sorts by length itself) at the batch size that is best on a sample."""
    from sentence_transformers import SentenceTransformer

    return _encoding(SentenceTransformer(options["path"], device="cpu"), options)


def teach_onnx(options: dict[str, Any]) -> Work:
    """Its ONNX backend in an environment where optimum runs: float32, or its own int8 export for this processor."""
    import onnxruntime
    import torch
    from sentence_transformers import export_dynamic_quantized_onnx_model

    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options["threads"]
    plain, folder = exported(options, "onnx")
    name = "model.onnx"
    if not options.get("float32"):
        kind = "avx512_vnni" if torch.cpu.get_capabilities().get("avx512_vnni") else "avx2"
        export_dynamic_quantized_onnx_model(plain, kind, str(folder))
        name = next(path.name for path in sorted(folder.glob("onnx/*int8*.onnx")))
    settings = {"file_name": f"onnx/{name}", "session_options": session, "provider": "CPUExecutionProvider"}
    return _encoding(reopened(folder, "onnx", settings), options)


def exported(options: dict[str, Any], backend: str) -> tuple[Any, Path]:
    """The model by another backend, and the folder of its export."""
    from sentence_transformers import SentenceTransformer

    folder = Path(options["folder"]) / f"sentence-transformers-{backend}"
    plain = SentenceTransformer(options["path"], backend=backend, model_kwargs={"export": True}, device="cpu")
    plain.save_pretrained(str(folder))
    return plain, folder


def reopened(folder: Path, backend: str, settings: dict[str, Any]) -> Any:
    """An export, with settings of its backend."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), backend=backend, device="cpu", model_kwargs=settings)


def _encoding(model: Any, options: dict[str, Any]) -> Work:
    """Its encode at the best batch size."""
    return best_of({"encode": encoded_by(model, options)}, options)


def encoded_by(model: Any, options: dict[str, Any]) -> Encode:
    """Its encode."""
    model.max_seq_length = options["max_length"]
    return lambda part, size: model.encode(part, batch_size=size, show_progress_bar=False, normalize_embeddings=True)


def best_of(ways: dict[str, Encode], options: dict[str, Any]) -> Work:
    """The way and the batch size that take the least time for a sample, each after a first run."""
    sentences, seconds = read(options), {}
    for name, encode in ways.items():
        for size in BATCH_SIZES:
            encode(sentences[:SAMPLE], size)
            start = time.perf_counter()
            encode(sentences[:SAMPLE], size)
            seconds[name, size] = time.perf_counter() - start
    name, size = min(seconds, key=lambda found: seconds[found])
    return lambda clock: {
        "output": ways[name](sentences, size), "batch_size": np.asarray(size), "way": np.asarray(name),
    }  # fmt: skip


def static(options: dict[str, Any]) -> Work:
    """``SentenceTransformer.encode`` of a StaticEmbedding at a large batch, as its documentation advises."""
    from sentence_transformers import SentenceTransformer

    model, sentences = SentenceTransformer(options["path"], device="cpu"), read(options)
    return lambda clock: model.encode(sentences, batch_size=2048, show_progress_bar=False, normalize_embeddings=True)


def mining(options: dict[str, Any]) -> Work:
    """Its bitext mining example from vectors in files on, exact search; what is around its functions is Apache-2.0."""
    import sys

    sys.path.insert(0, options["example"])
    from bitext_mining_utils import kNN, score_candidates  # type: ignore[import-not-found]

    out = Path(options["folder"]) / "example.tsv"

    def work(clock: Clock) -> Any:
        (x, texts_a), (y, texts_b) = (side(options, name) for name in "ab")
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        y = y / np.linalg.norm(y, axis=1, keepdims=True)
        x2y_sim, x2y_ind = kNN(x, y, options["k"])
        y2x_sim, y2x_ind = kNN(y, x, options["k"])
        x2y_mean, y2x_mean = x2y_sim.mean(axis=1), y2x_sim.mean(axis=1)
        fwd = score_candidates(x, y, x2y_ind, x2y_mean, y2x_mean, lambda a, b: a / b)
        bwd = score_candidates(y, x, y2x_ind, y2x_mean, x2y_mean, lambda a, b: a / b)
        fwd_best = x2y_ind[np.arange(len(x)), fwd.argmax(axis=1)]
        bwd_best = y2x_ind[np.arange(len(y)), bwd.argmax(axis=1)]
        first = np.concatenate([np.arange(len(x)), bwd_best])
        second = np.concatenate([fwd_best, np.arange(len(y))])
        scores = np.concatenate([fwd.max(axis=1), bwd.max(axis=1)])
        seen_a: set[int] = set()
        seen_b: set[int] = set()
        with out.open("w", encoding="utf-8") as opened:
            for i in np.argsort(-scores):
                a, b = int(first[i]), int(second[i])
                if a not in seen_a and b not in seen_b:
                    seen_a.add(a)
                    seen_b.add(b)
                    opened.write(f"{scores[i]:.4f}\t{texts_a[a]}\t{texts_b[b]}\n")
        with clock.paused():
            return scored_pairs(out)

    return work


def steps(options: dict[str, Any]) -> Work:
    """Its trainer, multiple-negatives loss in both directions, same batches in the same order."""
    from sentence_transformers import SentenceTransformer

    start = SentenceTransformer(options["path"], device="cpu")
    start.max_seq_length = options["max_length"]
    sides = [[text for batch in read(options, "batches") for text in batch[side]] for side in (0, 1)]

    def work(clock: Clock) -> Any:
        with clock.paused():
            model = copy.deepcopy(start)
        history = _train(model, sides, 1 / options["temperature"], options, in_order=True)
        return np.asarray([record["loss"] for record in history if "loss" in record])

    return work


def static_training(options: dict[str, Any]) -> Work:
    """Its trainer on a StaticEmbedding until the dev accuracy is reached; ours' tokenizer, as a file.

    Its documentation's recipe for static models: multiple negatives, batches of 2,048, learning rate 0.2, a tenth of
    warm-up. Training the tokenizer counts for neither side; reading text and tokenizing do for this one.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from transformers import TrainerCallback

    dev = read(options, "dev")

    def work(clock: Clock) -> Any:
        torch.manual_seed(options["seed"])
        tokenizer = Tokenizer.from_file(options["tokenizer"])
        tokenizer.post_processor = None  # type: ignore[assignment]
        model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=384)], device="cpu")
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

        _train(model, read(options, "pairs"), options["scale"], options, callbacks=[Until()])
        return {"reached": np.asarray(seen)}

    return work


def _accuracy(model: Any, dev: list[list[str]]) -> float:
    """Retrieval accuracy, mean of both directions, as `pipeline.training.dev` has it."""
    x, y = (model.encode(side, batch_size=1024, normalize_embeddings=True) for side in dev)
    similarity, rows = x @ y.T, np.arange(len(x))
    return float(np.mean([(similarity.argmax(axis=axis) == rows).mean() for axis in (0, 1)]))


def _train(
    model: Any,
    sides: list[list[str]],
    scale: float,
    options: dict[str, Any],
    in_order: bool = False,
    callbacks: Any = (),
) -> Any:
    """Train by multiple negatives in both directions; returns the trainer's log."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from torch.utils.data import BatchSampler, SequentialSampler

    def ordered(dataset: Any, batch_size: int, **_: Any) -> Any:
        return BatchSampler(SequentialSampler(dataset), batch_size, drop_last=True)

    directions = ("query_to_doc", "doc_to_query")
    loss = MultipleNegativesRankingLoss(model, scale=scale, directions=directions, partition_mode="per_direction")
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=options["steps"],
            per_device_train_batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            warmup_steps=options.get("warmup_steps", 0),
            lr_scheduler_type=options["schedule"],
            max_grad_norm=options.get("max_grad_norm", 1.0),
            logging_steps=1 if in_order else options["steps"],
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            seed=options.get("seed", 1),
            batch_sampler=ordered if in_order else "batch_sampler",
        )
        data = Dataset.from_dict({"anchor": sides[0], "positive": sides[1]})
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, callbacks=list(callbacks)
        )
        trainer.train()
        return trainer.state.log_history
