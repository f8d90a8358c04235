"""One forward and backward pass of a transformer student on a CPU: packed, in padded groups, and padded to the longest.

    python bench/transformer_step.py --project DIR --pairs 256 --rounds 3

DIR is a project with `student.kind: teacher` (or transformer) that stage tokenize has run in. Each way takes its turn in
every round; medians and ratios (with their range over rounds) are of these.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import time
from pathlib import Path

import numpy as np
import torch

from pipeline.artifacts.folders import TokenFolder
from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders import model as models
from pipeline.encoders.model import TransformerModel
from pipeline.training.build import build_student, set_dropout
from stages.inputs.models import resolve_start, student_tokenizer
from stages.running.command import Project

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
"""The weights stay float32; bfloat16 is that of the products (autocast)."""
ONE_GROUP = 1 << 60
"""As the price of one more group: so much that there is only one."""


def seconds(student: TransformerModel, batch: TokenBatch, precision: torch.dtype | None) -> float:
    """Of one pass forwards and backwards."""
    student.zero_grad(set_to_none=True)
    start = time.perf_counter()
    with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
        vectors = student(batch)
    (vectors @ vectors.T).square().mean().backward()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=list(PRECISIONS))
    parser.add_argument(
        "--ways", nargs="+", default=["groups", "padded"], choices=["groups", "padded"], help="beside packed"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    project = Project.open(options.project)
    params, start = project.params, resolve_start(project)
    tokenizer = student_tokenizer(project, start)
    student = build_student(params.student, tokenizer, start.path if start else None, 0, params.teacher).train()
    if not isinstance(student, TransformerModel):
        parser.error("student.kind: found a static student; expected a transformer")
    set_dropout(student, options.dropout)
    pair = params.language_pairs[0]
    generator = np.random.default_rng(0)
    folders = [TokenFolder(project.layout.tokens / "student" / language) for language in (pair.a, pair.b)]
    batch = TokenBatch.joined([folder.select(generator.integers(0, len(folder), options.pairs)) for folder in folders])
    possible = {
        "packed": (True, models.GROUP_TOKENS),
        "groups": (False, models.GROUP_TOKENS),
        "padded": (False, ONE_GROUP),
    }
    ways = {name: possible[name] for name in ["packed", *options.ways]}
    print(f"{options.pairs} pairs, {batch.lengths.sum()} tokens, {options.threads} threads, dropout {options.dropout}")
    for kind in options.precisions:
        precision = PRECISIONS[kind]
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds + 1):
            for name, (packs, cost) in ways.items():
                student.packs, models.GROUP_TOKENS = packs, cost
                taken = seconds(student, batch, precision)
                if number:  # the first round is for warming up
                    found[name].append(taken)
        for name, times in found.items():
            ratios = np.array(times) / np.array(found["packed"])
            print(
                f"{kind} {name}: {options.pairs / np.median(times):.1f} pairs/s, "
                f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f}) times packed's time"
            )


if __name__ == "__main__":
    main()
