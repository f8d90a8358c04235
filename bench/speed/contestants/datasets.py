"""datasets: what most people tokenize a corpus with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import read
from speed.worker import Clock, Work


def tokenize(options: dict[str, Any]) -> Work:
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
