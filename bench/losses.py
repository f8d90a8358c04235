"""Losses side by side on a project's own artifacts: same student, text, steps and batches, several seeds.

    python bench/losses.py --seeds 3

Reads what `dvc repro` left (stages prepare to neighborhoods). Each loss is trained at every τ of its grid with the first
seed; its best τ on the dev set is then trained with all seeds and measured once on the test set. Prints a Markdown table.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import logging
import platform
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from speed.contestants.softalign import ProjectTraining

from pipeline.artifacts.folders import TokenFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.config.train import LossTerm, Temperatures, Train
from pipeline.encoders.model import SentenceModel
from pipeline.losses.terms.corpus import CorpusLoss
from pipeline.losses.terms.hard import Hard
from pipeline.losses.terms.soft import Soft
from pipeline.search.translation_retrieval import retrieve
from stages.running.command import Project

EVAL_TOKENS = 65_536
SHARP = Temperatures(teacher=0.05, student=0.05)
GRIDS: dict[str, tuple[list[LossTerm], list[tuple[float, float]]]] = {
    "hard": ([Hard()], [(0.1, 0.07), (0.1, 0.1), (0.1, 0.15), (0.1, 0.2)]),
    "soft": ([Soft()], [(0.05, 0.1), (0.05, 0.15), (0.07, 0.15), (0.1, 0.15), (0.1, 0.2)]),
    "soft + corpus": (
        [Soft(), CorpusLoss(temperature=SHARP, anchors=2048, neighbors=2)],
        [(0.07, 0.1), (0.07, 0.15), (0.1, 0.15)],
    ),
}


class Bench(ProjectTraining):
    """A project's artifacts, read once, and the scores of trainings on them."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.accelerator = Accelerator()  # a GPU, where there is one
        names = project.params.used_languages
        self.project = project
        self.monolingual = {name: TokenFolder(project.layout.tokens / "monolingual" / name) for name in names}

    def train(self, terms: list[LossTerm], tau: tuple[float, float], seed: int) -> tuple[float, float]:
        """Dev and test retrieval accuracy (mean over pairs and directions) of one training."""
        base = self.params.train.model_dump(exclude={"loss", "temperature", "epochs"})
        config = Train(**base, loss=terms, temperature=Temperatures(teacher=tau[0], student=tau[1]))
        trained = self.run(self.build(seed), lambda _: None, config, seed)
        return trained.progress.best_accuracy, self.test(trained.model)

    def test(self, model: SentenceModel) -> float:
        """Mean test retrieval accuracy."""
        model.eval()
        scores = []
        for pair in self.project.params.language_pairs:
            heldout = HeldOutFolder(self.project.layout.heldout / pair.name)
            rows = heldout.rows("test")
            sides = []
            for language, keys in ((pair.a, heldout.a[rows]), (pair.b, heldout.b[rows])):
                folder = self.monolingual[language]
                batch = folder.select(folder.rows_of(keys))
                with torch.inference_mode():
                    sides.append(model(batch).numpy())
            scores.append(retrieve(*sides).accuracy)
        return float(np.mean(scores))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    bench = Bench(Project.open(arguments.project))
    seeds = [bench.project.params.seed + number for number in range(arguments.seeds)]
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, seeds {seeds}, ", end="")
    print(f"{bench.project.params.train.steps} steps of {bench.project.params.train.batch_size}\n")
    print("| loss | best τ (teacher, student) on dev | dev | test, each seed | test mean ± sd |")
    print("|---|---|---|---|---|", flush=True)
    for name, (terms, grid) in GRIDS.items():
        tried = {tau: bench.train(terms, tau, seeds[0]) for tau in grid}
        best = max(tried, key=lambda tau: tried[tau][0])
        results = [tried[best]] + [bench.train(terms, best, seed) for seed in seeds[1:]]
        dev, test = (100 * np.array(column) for column in zip(*results, strict=True))
        each = ", ".join(f"{value:.2f}" for value in test)
        print(
            f"| {name} | {best[0]}, {best[1]} | {dev.mean():.2f} | {each} | {test.mean():.2f} ± {test.std(ddof=1):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
