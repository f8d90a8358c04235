"""Text to token ids on disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import texts
from speed.worker import Clock, Work


def softalign(options: dict[str, Any]) -> Work:
    """Ours, as stage tokenize: from shards of text to shards of ids, in this process with all its threads."""
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
            order = np.argsort(found.keys)
            batch = found.select(order)
            return {"tokens": batch.tokens, "lengths": batch.lengths}

    return work


def datasets_map(options: dict[str, Any]) -> Work:
    """``datasets.map(batched=True)`` over a fast tokenizer's whole batches, without its cache; one process, which is fastest.

    The Rust tokenizer uses all cores by itself; ``num_proc`` would switch that off.
    """
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(options["path"])
    sentences, out = texts(options, "sorted"), Path(options["folder"]) / "mapped"
    source = datasets.Dataset.from_dict({"text": sentences})

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        found = tokenizer(
            batch["text"], truncation=True, max_length=options["max_length"],
            return_attention_mask=False, return_token_type_ids=False,
        )  # fmt: skip
        return {"input_ids": found["input_ids"]}

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
