"""The paper's own procedure (arXiv 2405.16155, section 3)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from speed.contestants import read
from speed.worker import Clock, Work


def steps(options: dict[str, Any]) -> Work:
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
