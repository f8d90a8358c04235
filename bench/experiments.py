"""Losses side by side on real text: the experiment of docs/experiments.md.

    python bench/experiments.py train --project DIR --out RUNS --part 0/2 &
    python bench/experiments.py train --project DIR --out RUNS --part 1/2
    python bench/experiments.py score --project DIR --out RUNS --benchmarks ../shared/corpora/benchmarks

``train`` reads what stages prepare to neighborhoods left in a project and trains the settings of bench/experiments.yaml with
the pipeline's own trainer: every candidate of a setting with the first seed, then the candidate that is best on the dev set
with the other seeds. Runs that are there already are not trained again. ``score`` looks at the benchmarks, which nothing was
chosen by, and prints the table.

The dev set is cut from the training text (`prepare.heldout`). Its retrieval is made hard by distractors: sentences of the
training text in the same language. ``dev sts`` is Spearman's correlation of the student's cosines, inside each language, with
the teacher's of the English translations, over each dev sentence's 5 nearest and 5 random others.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import json
import logging
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr

from pipeline.artifacts.folders import TextFolder, TokenFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.tokens import TokenBatch
from pipeline.config.train import Train
from pipeline.encoders.load import load_encoder
from pipeline.encoders.model import SentenceModel, embed
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.scoring import score_benchmark
from pipeline.ground.atomic import write_text
from pipeline.ground.hashing import identity_hash
from pipeline.training.build import apply_training, build_student
from pipeline.training.devices import make_accelerator
from pipeline.training.lexicon import LexiconText, start_from_lexicon
from pipeline.training.objective import training_loss
from pipeline.training.trainer import Trainer
from stages.inputs.models import resolve_start, resolve_teacher, student_tokenizer, teacher_settings
from stages.inputs.training_data import read_training_pairs
from stages.running.command import Project

EVAL_TOKENS = 65_536
NEAR = 5
BENCHMARKS: dict[str, tuple[Any, str]] = {
    "tatoeba": ("tatoeba", "tatoeba"),
    "flores": ("flores", "flores200-devtest"),
    "stsb": ("stsb", "stsb-multi-mt"),
    "korsts": ("korsts", "korsts"),
}


@dataclass(frozen=True)
class DevPart:
    """The dev set of one language pair: both sides with distractors behind them, and pairs of sentences to be ranked."""

    a: TokenBatch
    b: TokenBatch
    size: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float32]


@dataclass
class Lab:
    """A project's artifacts, read once."""

    project: Project
    precision: str = "no"
    distractors: int = 20_000

    def __post_init__(self) -> None:
        layout, params = self.project.layout, self.project.params
        self.tokens = {name: TokenFolder(layout.tokens / "student" / name) for name in params.used_languages}
        self.start = resolve_start(self.project)
        self.tokenizer = student_tokenizer(self.project, self.start)
        self.accelerator = make_accelerator(self.precision)

    def student(self, seed: int) -> SentenceModel:
        """The student before training, and before a lexicon."""
        params, start = self.project.params, self.start
        return build_student(params.student, self.tokenizer, start.path if start else None, seed, params.teacher)

    def ready_student(self, config: Train, seed: int, lexicons: Path) -> SentenceModel:
        """The student that training starts from; the static students of lexicons are kept in a folder, by seed."""
        model, params = self.student(seed), self.project.params
        apply_training(model, config)
        if params.student.kind == "teacher" and config.lexicon is not None and self.start is not None:
            folder = lexicons / f"lexicon.{seed}"
            text = LexiconText(
                self.accelerator, self.pairs, self.tokens, params.teacher_languages, seed, "bench", folder
            )
            start_from_lexicon(model, self.start.path, self.tokenizer, text, config.lexicon)
        return model

    @cached_property
    def pairs(self) -> list[Any]:
        """The training pairs."""
        return read_training_pairs(self.project, self.tokens)

    @cached_property
    def dev(self) -> list[DevPart]:
        """The dev set by language pair."""
        layout = self.project.layout
        folder = resolve_teacher(self.project)
        teacher = load_encoder(folder, teacher_settings(self.project, folder))
        parts = []
        for pair, training in zip(self.project.params.language_pairs, self.pairs, strict=True):
            heldout = HeldOutFolder(layout.heldout / pair.name)
            rows = heldout.rows("dev")
            generator = np.random.default_rng(0)
            chosen = generator.choice(len(training.rows_a), min(self.distractors, len(training.rows_a)), replace=False)
            sides = []
            for language, keys, trained in (
                (pair.a, heldout.a[rows], training.rows_a),
                (pair.b, heldout.b[rows], training.rows_b),
            ):
                folder = TokenFolder(layout.tokens / "monolingual" / language)
                own = folder.select(folder.rows_of(keys))
                others = self.tokens[language].select(np.unique(trained[chosen]))
                sides.append(
                    TokenBatch(
                        np.concatenate([own.tokens, others.tokens]), np.concatenate([own.lengths, others.lengths])
                    )
                )
            texts = TextFolder(layout.monolingual / pair.a)
            vectors = teacher.encode_tokens(teacher.tokenize(texts.select(texts.rows_of(heldout.a[rows]))))
            cosines = vectors @ vectors.T
            np.fill_diagonal(cosines, -1)
            near = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAR]
            second = np.concatenate([near, generator.integers(0, len(rows), (len(rows), NEAR))], axis=1).reshape(-1)
            first = np.repeat(np.arange(len(rows)), 2 * NEAR)
            kept = first != second
            first, second = first[kept], second[kept]
            a, b = sides
            parts.append(DevPart(a, b, len(rows), first, second, cosines[first, second]))
        return parts

    def dev_scores(self, model: SentenceModel) -> dict[str, float]:
        """Retrieval accuracy among distractors (mean over pairs and directions), and the correlation with the teacher."""
        accuracy, correlation = [], []
        for number, part in enumerate(self.dev):
            a, b = embed(model, part.a, EVAL_TOKENS), embed(model, part.b, EVAL_TOKENS)
            own = np.arange(part.size)
            accuracy.append(np.mean((a[: part.size] @ b.T).argmax(axis=1) == own))
            accuracy.append(np.mean((b[: part.size] @ a.T).argmax(axis=1) == own))
            for side in (a, b) if number == 0 else (b,):
                found = (side[part.first] * side[part.second]).sum(axis=1)
                correlation.append(spearmanr(found, part.similarity).statistic)
        return {"dev": float(np.mean(accuracy)), "dev_sts": float(np.mean(correlation))}

    def train(self, config: Train, seed: int, out: Path, name: str) -> tuple[SentenceModel, dict[str, float]]:
        """One training, and what it reached on the dev set; one that was stopped goes on from its checkpoint."""
        model = self.ready_student(config, seed, out)
        start = time.process_time()
        trained = Trainer(
            accelerator=self.accelerator,
            model=model,
            loss=training_loss(config, model.dimension, self.pairs[0].points.teacher_a.dimension, seed),
            pairs=self.pairs,
            dev=[],
            config=config,
            seed=seed,
            identity=identity_hash({"train": config.model_dump(mode="json"), "seed": seed}),
            checkpoints=out / f"{name}.checkpoint",
            record=lambda values: print(json.dumps(values), flush=True),
            name=name,
        ).run()
        seconds = time.process_time() - start
        trained.model.eval()
        return trained.model, {
            **self.dev_scores(trained.model),
            "coverage": trained.coverage,
            "seconds": round(seconds, 1),
        }

    def encoder(self, path: Path) -> Callable[[list[str]], NDArray[np.float32]]:
        """A trained student as a function of texts."""
        model = self.student(0)
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        model.eval()
        return lambda texts: embed(model, self.tokenizer(texts), EVAL_TOKENS)


@dataclass(frozen=True)
class Setting:
    """A row of the table: candidates of which the best on dev counts."""

    name: str
    candidates: list[dict[str, Any]]


def read_settings(path: Path, only: list[str]) -> tuple[dict[str, Any], list[Setting]]:
    """What all settings share, and the settings (all, or those named)."""
    raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    settings = [Setting(one["name"], one["candidates"]) for one in raw["settings"]]
    return raw["base"], [setting for setting in settings if not only or setting.name in only]


def run_name(setting: Setting, candidate: int, seed: int) -> str:
    """The files of a run are called by this."""
    return f"{setting.name.replace(' ', '_').replace('/', '-')}.{candidate}.{seed}"


def best_candidate(out: Path, setting: Setting) -> int:
    """The candidate with the best dev retrieval of the first seed."""
    return max(range(len(setting.candidates)), key=lambda number: _read(out, setting, number, 0)["dev"])


def _read(out: Path, setting: Setting, candidate: int, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"{run_name(setting, candidate, seed)}.json").read_text(encoding="utf-8"))
    return found


def train_all(lab: Lab, base: dict[str, Any], settings: list[Setting], out: Path, seeds: int) -> None:
    """Train what is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    for setting in settings:
        for candidate, seed in _wanted(out, setting, seeds):
            name = run_name(setting, candidate, seed)
            if (out / f"{name}.json").exists():
                continue
            config = Train.model_validate({**base, **setting.candidates[candidate]})
            model, scores = lab.train(config, lab.project.params.seed + seed, out, name)
            state = {key: value.half().contiguous() for key, value in model.state_dict().items()}
            save_file(state, out / f"{name}.safetensors")
            write_text(out / f"{name}.json", json.dumps({**scores, "params": setting.candidates[candidate]}))
            shutil.rmtree(out / f"{name}.checkpoint")
            print(f"{name}: dev {100 * scores['dev']:.2f}, sts {100 * scores['dev_sts']:.2f}", flush=True)


def _wanted(out: Path, setting: Setting, seeds: int) -> Iterator[tuple[int, int]]:
    for candidate in range(len(setting.candidates)):
        yield candidate, 0
    best = best_candidate(out, setting)
    for seed in range(1, seeds):
        yield best, seed


def score_all(lab: Lab, settings: list[Setting], out: Path, seeds: int, benchmarks: Path) -> None:
    """Score the best candidate of every setting on the benchmarks, and print the table."""
    languages = lab.project.params.used_languages
    found = {
        name: read_benchmark(name, kind, benchmarks / folder, languages) for name, (kind, folder) in BENCHMARKS.items()
    }
    rows = []
    for setting in settings:
        best = best_candidate(out, setting)
        each: dict[str, list[float]] = {}
        for seed in range(seeds):
            run = out / f"{run_name(setting, best, seed)}.safetensors"
            if not run.exists():
                continue
            for name, value in _scores(lab, found, run).items():
                each.setdefault(name, []).append(100 * value)
            for name in ("dev", "dev_sts", "coverage"):
                each.setdefault(name, []).append(100 * float(_read(out, setting, best, seed)[name]))
        rows.append({"name": setting.name, "params": setting.candidates[best], "scores": each})
        print(_row(rows[-1]), flush=True)
    write_text(out / "table.json", json.dumps(rows, indent=1))


def _scores(lab: Lab, benchmarks: dict[str, Any], run: Path) -> dict[str, float]:
    """Tatoeba (mean of languages and directions), FLORES (mean of all ordered pairs), STS (mean of languages)."""
    cache = run.with_suffix(".scores.json")
    if cache.exists():
        known: dict[str, float] = json.loads(cache.read_text(encoding="utf-8"))
        return known
    encode = lab.encoder(run)
    values: dict[str, float] = {}
    sts: list[float] = []
    for name, benchmark in benchmarks.items():
        score = score_benchmark(benchmark, encode, name, resamples=0)
        if name in ("stsb", "korsts"):
            sts.extend(task.values["spearman"] for task in score.tasks if _monolingual(task.task.name))
        else:
            values[name] = float(np.mean([task.main for task in score.tasks]))
            if name == "tatoeba":
                values |= {f"tatoeba.{task.task.name}": task.values["accuracy"] for task in score.tasks}
                values["tatoeba"] = float(np.mean([task.values["accuracy"] for task in score.tasks]))
    values["sts"] = float(np.mean(sts))
    write_text(cache, json.dumps(values))
    return values


def _monolingual(name: str) -> bool:
    return "-" not in name or len(set(name.split("-"))) == 1


def _row(row: dict[str, Any]) -> str:
    cells = []
    for name in ("dev", "dev_sts", "tatoeba", "flores", "sts"):
        values = np.array(row["scores"][name])
        spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.1f}{spread}")
    return f"| {row['name']} | {json.dumps(row['params'])} | {' | '.join(cells)} |"


def main() -> None:
    """Train or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score"])
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--settings", type=Path, default=Path(__file__).with_name("experiments.yaml"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="names of settings")
    parser.add_argument("--part", default="0/1", help="of the settings, those of this part: 0/2 and 1/2, say")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mixed-precision", default="no", choices=["no", "bf16"], help="of training")
    parser.add_argument("--distractors", type=int, default=20_000, help="of the dev set, for each language pair")
    parser.add_argument("--benchmarks", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    lab = Lab(Project.open(options.project), options.mixed_precision, options.distractors)
    base, settings = read_settings(options.settings, options.only)
    if options.what == "train":
        part, parts = (int(number) for number in options.part.split("/"))
        train_all(lab, base, settings[part::parts], options.out, options.seeds)
        return
    if options.benchmarks is None:
        parser.error("score needs --benchmarks")
    print(f"{platform.machine()}, torch {torch.__version__}, base {base}\n")
    print("| setting | params | dev | dev sts | Tatoeba | FLORES | STS |\n|---|---|---|---|---|---|---|")
    score_all(lab, settings, options.out, options.seeds, options.benchmarks)


if __name__ == "__main__":
    main()
