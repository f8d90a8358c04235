"""Peers with one contestant each: model2vec, datasets, FAISS, the paper's procedure, and the matrix product."""

from __future__ import annotations

import copy
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import label_vectors, read, without_own
from speed.worker import Clock, Work


def model2vec(options: dict[str, Any]) -> Work:
    """``StaticModel.encode`` on the same token vectors, one process (more only copy), its default batch size."""
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder, sentences = Path(options["path"]), read(options)
    vectors = load_file(folder / "model.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = None  # type: ignore[assignment]
    model = StaticModel(vectors=vectors, tokenizer=tokenizer, normalize=True)
    settings = {"max_length": options["max_length"], "use_multiprocessing": False, "show_progress_bar": False}
    return lambda clock: np.asarray(model.encode(sentences, **settings))


def datasets_map(options: dict[str, Any]) -> Work:
    """``datasets.map(batched=True)`` over a fast tokenizer's whole batches, without its cache; one process, which is fastest.

    The Rust tokenizer uses all cores by itself; ``num_proc`` would switch that off.
    """
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer, out = AutoTokenizer.from_pretrained(options["path"]), Path(options["folder"]) / "mapped"
    source = datasets.Dataset.from_dict({"text": read(options, "sorted")})
    settings = {"truncation": True, "max_length": options["max_length"]}
    settings |= {"return_attention_mask": False, "return_token_type_ids": False}

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {"input_ids": tokenizer(batch["text"], **settings)["input_ids"]}

    def work(clock: Clock) -> Any:
        shutil.rmtree(out, ignore_errors=True)
        mapped = source.map(encode, batched=True, batch_size=8192, remove_columns=["text"])
        mapped.save_to_disk(str(out))
        with clock.paused():
            lists = mapped.with_format(None)["input_ids"]
            lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
            tokens = np.fromiter((token for ids in lists for token in ids), dtype=np.int32, count=int(lengths.sum()))
            return {"tokens": tokens, "lengths": lengths}

    return work


def faiss_knn(options: dict[str, Any]) -> Work:
    """``faiss.knn`` by inner product: exact, float32; normalised vectors as input, made before the clock starts."""
    import faiss

    wide = np.asarray(label_vectors(options), dtype=np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    queries = options.get("queries") or len(wide)

    def work(clock: Clock) -> Any:
        similarity, row = faiss.knn(wide[:queries], wide, options["k"] + 1, metric=faiss.METRIC_INNER_PRODUCT)
        with clock.paused():
            return without_own(similarity, row, np.arange(queries))

    return work


def paper_steps(options: dict[str, Any]) -> Work:
    """The paper's procedure as its section 3 tells it, in plain PyTorch and transformers.

    Every step: tokenize both sides, padded to 512; the teacher embeds the first side; the student embeds both; soft labels
    from the teacher, cross-entropy in both directions; AdamW.
    """
    import torch
    from torch.nn import functional
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options["path"])
    teacher = AutoModel.from_pretrained(options["path"]).eval()
    start = AutoModel.from_pretrained(options["path"])
    batches, tau = read(options, "batches"), options["temperature"]

    def embed(model: Any, sentences: list[str]) -> Any:
        batch = tokenizer(sentences, padding="max_length", truncation=True, max_length=512, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    def work(clock: Clock) -> Any:
        with clock.paused():
            student = copy.deepcopy(start)
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


def matrix_product(options: dict[str, Any]) -> Work:
    """What the machine's float32 matrix product reaches: a square one by MKL or by oneDNN, whichever is faster."""
    import torch

    side, times = options["side"], options["times"]
    a, b = torch.randn(side, side), torch.randn(side, side)
    kernels = {
        "MKL": lambda: torch.mm(a, b),
        "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""),
    }
    seconds = {}
    for name, kernel in kernels.items():
        kernel()
        start = time.perf_counter()
        for _ in range(3):
            kernel()
        seconds[name] = time.perf_counter() - start
    best = min(seconds, key=lambda name: seconds[name])

    def work(clock: Clock) -> Any:
        for _ in range(times):
            kernels[best]()
        return {"output": np.asarray(2 * side**3 * times), "kernel": np.asarray(best)}

    return work
