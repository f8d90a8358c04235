"""Many trainings on one GPU, several at a time: which loss makes which student; see bench/README.md.

    bench/gpu/run.sh PACK OUT --table bench/gpu/losses.json
    python bench/gpu/table.py --pack PACK --runs bench/gpu/losses.json --out OUT [--workers 6] [--minutes 5]

A run is a training by softalign's own steps from the pack's student, with scores in OUT/table.json as soon as it is done.
Of each group of runs, those that differ in a temperature or a weight, the best on dev is repeated with the other seeds. What
there is no time for is said. Of the runs with ``keep`` the best student is brought back, as a difference to its start
(`bring_back.py`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from contents import Contents, Scored, widen_model, write_difference  # noqa: E402
from measure import QUICK, Bench, OurSteps, Sizes, correlation, found_neighbors, machine, training_pairs  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from pipeline.artifacts.tokens import TokenBatch  # noqa: E402
from pipeline.console.errors import UserError  # noqa: E402
from pipeline.encoders.load import EncoderSettings, load_encoder, load_model  # noqa: E402
from pipeline.encoders.model import SentenceModel, embed  # noqa: E402
from pipeline.encoders.resolve import ModelFolder  # noqa: E402
from pipeline.ground.atomic import write_text  # noqa: E402
from pipeline.labels.points import Strategy  # noqa: E402
from pipeline.training.checkpoint import load_trained_state  # noqa: E402
from pipeline.training.interpolation import move_to_start, parameters_now  # noqa: E402

DISTRACTORS = 4_000
"""Training sentences of each language among which dev translations are to be found besides."""
AT_ONCE = 20
"""Steps between looks at the clock."""
WARM = 40
"""Steps after which a training knows its rate."""


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: what the table calls it.
        group: runs of one group differ in what the best is chosen of.
        train: of the section ``train``, what is different from the pack's.
        steps: optimiser steps.
        batch_size: pairs a step.
        seconds: instead of steps: as many as fit into them at the rate of the first `WARM` ones.
        labels: the label strategy.
        teacher: ``model``, the student's start, or ``teacher``, the pack's other one.
        seeds: the first is for every run of the group, the others for its best.
        start_weights: the student is scored as it is and as a mean with its start (``train.start_weight``).
        keep: whether its student is brought back.
    """

    name: str
    group: str
    train: dict[str, Any]
    batch_size: int
    steps: int = 1_000
    seconds: float | None = None
    labels: Strategy = "priority"
    teacher: str = "model"
    seeds: tuple[int, ...] = (20240523,)
    start_weights: tuple[float, ...] = (0.0,)
    keep: bool = False


def read_runs(path: Path) -> list[Run]:
    """Runs of a JSON file: ``common`` is what all have, ``runs`` what each has.

    Raises:
        UserError: if a key is none of a run's.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for one in content["runs"]:
        common = content.get("common", {})
        merged = common | one | {"train": common.get("train", {}) | one.get("train", {})}
        merged.setdefault("group", merged["name"])
        try:
            run = Run(**merged)
        except TypeError as error:
            raise UserError(f"{path}: {one.get('name')}: {error}") from None
        found.append(replace(run, seeds=tuple(run.seeds), start_weights=tuple(run.start_weights)))
    return found


@dataclass
class Scorer:
    """Retrieval and similarity of a model, by task; each sentence is embedded once."""

    contents: Contents
    distractors: dict[str, TokenBatch]
    batch_tokens: int
    _seen: dict[bytes, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Contents, sizes: Sizes) -> Scorer:
        """With distractors drawn from the training sentences."""
        generator, most = np.random.default_rng(7), DISTRACTORS if sizes is not QUICK else 10
        drawn = {
            language: batch.select(np.sort(generator.permutation(len(batch))[:most]))
            for language, batch in contents.sentences.items()
        }
        return cls(contents, drawn, sizes.batch_tokens[-1])

    def of_model(self, model: SentenceModel) -> dict[str, dict[str, float]]:
        """In per cent, by benchmark and task; products in TF32 where the card has it."""
        was, self._seen = torch.backends.cuda.matmul.allow_tf32, {}
        torch.backends.cuda.matmul.allow_tf32 = True
        training = model.training
        model.eval()
        found: dict[str, dict[str, float]] = {}
        for task in self.contents.scored:
            found.setdefault(task.benchmark, {})[task.name] = round(100 * self._value(model, task), 3)
        model.train(training)
        torch.backends.cuda.matmul.allow_tf32 = was
        return found

    def _value(self, model: SentenceModel, task: Scored) -> float:
        x, y = self._vectors(model, task.a), self._vectors(model, task.b)
        if task.gold is not None:
            return correlation(x, y, task.gold)
        sides = task.name.split("-") if task.benchmark == "dev" else []
        others = [self._vectors(model, self.distractors[language]) for language in sides] or [x[:0], y[:0]]
        rows = np.arange(len(x))
        forward = (x @ np.concatenate([y, others[1]]).T).argmax(axis=1) == rows
        backward = (y @ np.concatenate([x, others[0]]).T).argmax(axis=1) == rows
        return float(forward.mean() + backward.mean()) / 2

    def _vectors(self, model: SentenceModel, batch: TokenBatch) -> NDArray[np.float32]:
        key = hashlib.sha256(batch.tokens.tobytes() + batch.lengths.tobytes()).digest()
        if key not in self._seen:
            self._seen[key] = embed(model, batch, self.batch_tokens)
        return self._seen[key]


def means(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """By benchmark."""
    return {name: float(np.mean(list(tasks.values()))) for name, tasks in scores.items()}


def on_dev(scores: dict[str, dict[str, float]]) -> float:
    """What runs of a group are compared by: dev retrieval, and where there are, the mean of STS' dev sets; both alike."""
    retrieval = means(scores)["dev"]
    similar = [value for name, tasks in scores.items() if name.endswith("-dev") for value in tasks.values()]
    return (retrieval + float(np.mean(similar))) / 2 if similar else retrieval


class Worker:
    """What a process needs for any run: everything but the model is memory-mapped."""

    def __init__(self, pack: Path, scratch: Path, device: str, quick: bool, ends: float) -> None:
        torch.set_num_threads(2)
        sizes = QUICK if quick else Sizes()
        contents = Contents.read(pack)
        self.bench = Bench(contents, scratch / "model", torch.device(device), sizes, ends, scratch / "none.json")
        self.scratch, self.scorer = scratch, Scorer.of(contents, sizes)

    def vectors(self, teacher: str) -> dict[str, NDArray[np.float16]]:
        """A teacher's vectors by language."""
        files = sorted((self.scratch / "vectors" / teacher).glob("*.npy"))
        return {file.stem: np.load(file, mmap_mode="r") for file in files}

    def run(self, run: Run, seed: int) -> dict[str, Any]:
        """Train and score; a dict that goes into JSON."""
        about: dict[str, Any] = {"name": run.name, "group": run.group, "seed": seed}
        if time.monotonic() > self.bench.ends:
            return about | {"left out": "no time was left"}
        wanted = self.bench.contents.about["train"] | run.train
        near = self.scratch / "near" / run.teacher / run.labels if needs_neighbors(wanted) else None
        pairs = training_pairs(self.bench, self.vectors(run.teacher), run.labels, near)
        start = time.perf_counter()
        training = OurSteps(self.bench, pairs, run.steps, run.batch_size, seed, **run.train)
        before = parameters_now(training.student) if set(run.start_weights) != {0.0} or run.keep else {}
        losses = self._take_steps(training, run, start)
        done = training.progress.step
        if done < training.config.steps:
            about["note"] = f"stopped after {done} of {training.config.steps} steps, for want of time"
            if run.seconds is None:
                return about | {"left out": about["note"]}
        first, last = (float(torch.stack(part).mean()) for part in (losses[:AT_ONCE], losses[-AT_ONCE:]))
        student = training.accelerator.unwrap_model(training.model, keep_fp32_wrapper=False)
        taken = time.perf_counter() - start
        after = parameters_now(student) if before else {}
        if run.keep:
            write_difference(before, after, self.scratch / "students" / run.name)
        scored = {}
        for weight in run.start_weights:
            if weight:
                load_trained_state(student, after)
                move_to_start(student, before, weight)
            scored[str(weight)] = self.scorer.of_model(student)
        about |= {"steps": done, "batch": run.batch_size, "seconds": round(taken, 1)}
        return about | {"pairs/s": round(done * run.batch_size / taken), "loss": [first, last], "scores": scored}

    def _take_steps(self, training: OurSteps, run: Run, start: float) -> list[torch.Tensor]:
        """All steps, or as many as there is time for; returns their losses."""
        losses: list[torch.Tensor] = []
        begun = time.perf_counter()
        while (left := training.config.steps - training.progress.step) > 0:
            losses += training.take(min(left, AT_ONCE))
            losses[-1].item()  # not ahead of the card, whose time counts
            step, now = training.progress.step, time.perf_counter()
            if run.seconds is not None and step == AT_ONCE:
                begun = now  # without the first steps, in which kernels are loaded
            if run.seconds is not None and step == WARM:
                each = (now - begun) / (WARM - AT_ONCE)
                training.set_steps(WARM + int(max(run.seconds - (now - start), 0) / each))
            if left > AT_ONCE and time.monotonic() > self.bench.ends:
                break
        return losses


def needs_neighbors(train: dict[str, Any]) -> bool:
    """Whether a section ``train`` asks for stored neighbours."""
    return train["batches"] == "neighbors" or any(term.get("neighbors") for term in train["loss"])


WORKER: list[Worker] = []
"""This process' own."""


def _begin(*about: Any) -> None:
    WORKER.append(Worker(*about))


def _run(run: Run, seed: int) -> dict[str, Any]:
    try:
        return WORKER[0].run(run, seed)
    except (UserError, RuntimeError, ValueError, LookupError, TypeError) as error:
        return {"name": run.name, "group": run.group, "seed": seed, "failed": f"{type(error).__name__}: {error}"[:300]}


def teach(bench: Bench, pack: Path, scratch: Path, runs: list[Run]) -> None:
    """Write every teacher's vectors, and the neighbours that runs ask for."""
    for teacher in sorted({run.teacher for run in runs}):
        folder, batches = bench.folder, bench.contents.sentences
        if teacher != "model":
            folder, batches = scratch / "teacher", bench.contents.others
            widen_model(pack / "teacher", folder)
        dtype = "bfloat16" if bench.device.type == "cuda" else "float32"
        settings = EncoderSettings(max_length=bench.contents.about["max_length"], dtype=dtype, batch_tokens=8_192)
        encoder = load_encoder(ModelFolder(folder, teacher, None, teacher), settings, bench.device)
        target = scratch / "vectors" / teacher
        target.mkdir(parents=True)
        vectors = {}
        for language, batch in batches.items():
            vectors[language] = encoder.encode_tokens(batch).astype(np.float16)
            np.save(target / f"{language}.npy", vectors[language])
        for labels in sorted({run.labels for run in runs if run.teacher == teacher}):
            asked = [run for run in runs if run.teacher == teacher and run.labels == labels]
            if any(needs_neighbors(bench.contents.about["train"] | run.train) for run in asked):
                near = scratch / "near" / teacher / labels
                near.mkdir(parents=True)
                for pair in training_pairs(bench, vectors, labels):
                    points = pair.points.vectors(np.arange(len(pair.points)))
                    np.save(near / f"{pair.name}.npy", found_neighbors(bench, points).point.astype(np.int32))


def carry_out(pool: ProcessPoolExecutor, runs: list[Run], out: Path, found: dict[str, Any], students: Path) -> None:
    """All runs with their first seed; as soon as a group is through, its best with the others."""
    waiting: dict[Future[dict[str, Any]], Run] = {pool.submit(_run, run, run.seeds[0]): run for run in runs}
    left = {group: sum(run.group == group for run in runs) for group in {run.group for run in runs}}
    by_name = {run.name: run for run in runs}
    while waiting:
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            run, result = waiting.pop(future), future.result()
            found["runs"].append(result)
            print(line(result), flush=True)
            write_text(out / "table.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            if (students / run.name).is_dir() and run.keep:
                bring_best(found["runs"], students, out / "student")
            if result["seed"] != run.seeds[0]:
                continue
            left[run.group] -= 1
            if left[run.group] == 0:
                scored = [one for one in found["runs"] if one["group"] == run.group and "scores" in one]
                if scored:
                    best = by_name[max(scored, key=lambda one: on_dev(first_scores(one)))["name"]]
                    for seed in best.seeds[1:]:
                        waiting[pool.submit(_run, replace(best, keep=False), seed)] = best


def bring_best(results: list[dict[str, Any]], students: Path, out: Path) -> None:
    """Of the students that are kept, copy the one that is the best on dev, as it is or with some weight of its start."""
    kept = [one for one in results if "scores" in one and (students / one["name"]).is_dir()]
    if kept:
        best = max(kept, key=lambda one: max(map(on_dev, one["scores"].values())))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(students / best["name"], out)
        print(f"{best['name']} is the one that is brought back")


def first_scores(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of the student as it was trained."""
    scored: dict[str, dict[str, float]] = next(iter(result["scores"].values()))
    return scored


def line(result: dict[str, Any]) -> str:
    """A result, readable."""
    if "scores" not in result:
        return f"{result['name']} {result['seed']}: {result.get('failed') or result.get('left out')}"
    parts = []
    for weight, scored in result["scores"].items():
        values = " ".join(f"{name} {value:.1f}" for name, value in means(scored).items())
        parts.append(f"[{weight}] dev {on_dev(scored):.2f} | {values}")
    about = (
        f"{result['seconds']} s, {result['pairs/s']:,} pairs/s, loss {result['loss'][0]:.3f} to {result['loss'][1]:.3f}"
    )
    return f"{result['name']} {result['seed']}: {about} " + " ".join(parts)


def main() -> int:
    """Carry out the runs; the exit code says whether all were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=6, help="trainings at a time")
    late = "after them no run is begun and none goes on; scores take up to half a minute more"
    parser.add_argument("--minutes", type=float, default=10.0, help=late)
    parser.add_argument("--quick", action="store_true", help="for tests: as measure.py's")
    options = parser.parse_args()
    begun = time.monotonic()
    try:
        runs, contents = read_runs(options.runs), Contents.read(options.pack)
    except UserError as error:
        print(f"table.py: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    ends = begun + 60 * options.minutes
    with tempfile.TemporaryDirectory() as held:
        scratch = Path(held)
        widen_model(options.pack / "model", scratch / "model")
        device, sizes = torch.device(options.device), QUICK if options.quick else Sizes()
        about = (options.pack, scratch, options.device, options.quick, ends)
        pool = ProcessPoolExecutor(
            options.workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=about
        )
        bench = Bench(contents, scratch / "model", device, sizes, ends, options.out / "none.json")
        with pool:
            warm = [pool.submit(time.sleep, 0.2) for _ in range(options.workers)]  # processes start while we teach
            teach(bench, options.pack, scratch, runs)
            wait(warm)
            start = load_model(scratch / "model", EncoderSettings()).to(device)
            scorer = Scorer.of(contents, sizes)
            found: dict[str, Any] = {"machine": machine(device), "start": scorer.of_model(start), "runs": []}
            print(f"{time.monotonic() - begun:.0f} s: taught; start: {means(found['start'])}", flush=True)
            carry_out(pool, runs, options.out, found, scratch / "students")
    lost = [result for result in found["runs"] if "scores" not in result]
    print(f"{len(found['runs']) - len(lost)} runs in {time.monotonic() - begun:.0f} s; {len(lost)} were not made")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
