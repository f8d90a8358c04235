"""Teach, train, score and mine on one GPU, beside what others would use there; see bench/README.md.

    bench/gpu/run.sh PACK gpu.json
    python bench/gpu/measure.py --pack PACK --device cpu --quick     # every part on tiny inputs

Every part prints its lines and is in the JSON file as soon as it is done; what there is no time for, or what isn't installed,
is said in one line. It needs no network, and of Python packages only those in `NEEDED`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
NEEDED = (
    "torch",
    "numpy",
    "transformers",
    "accelerate",
    "safetensors",
    "tokenizers",
    "huggingface_hub",
    "pyarrow",
    "pydantic",
    "langcodes",
    "xxhash",
)
"""What is imported; ``sentence_transformers`` and ``faiss`` are peers, and left out where they lack."""

if __name__ == "__main__" and (lacking := [name for name in NEEDED if find_spec(name) is None]):
    raise SystemExit(
        f"{Path(__file__).name}: lacks {', '.join(lacking)}; put wheels of them into a folder WHEELS names"
    )

import numpy as np  # noqa: E402
import torch  # noqa: E402
from contents import Contents, Scored, widen_model  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from peers import PlainSteps, encoded, nearest, searchers, sentence_transformer  # noqa: E402

from pipeline.artifacts.tokens import TokenBatch  # noqa: E402
from pipeline.config.train import Train  # noqa: E402
from pipeline.console.errors import UserError  # noqa: E402
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder, load_model  # noqa: E402
from pipeline.encoders.model import SentenceModel, embed, tokens_at_once  # noqa: E402
from pipeline.encoders.resolve import ModelFolder  # noqa: E402
from pipeline.evaluation.statistics import weighted_pearson, weighted_ranks  # noqa: E402
from pipeline.ground.atomic import write_text  # noqa: E402
from pipeline.labels.points import LabelPoints, Strategy  # noqa: E402
from pipeline.search.job import SearchJob  # noqa: E402
from pipeline.search.search import search  # noqa: E402
from pipeline.search.translation_retrieval import retrieve  # noqa: E402
from pipeline.training.anchors import AnchorPlan  # noqa: E402
from pipeline.training.batches import BatchPlan, PairBatch  # noqa: E402
from pipeline.training.build import apply_training  # noqa: E402
from pipeline.training.checkpoint import TrainingProgress  # noqa: E402
from pipeline.training.data import StoredNeighborhoods, TrainingPairs  # noqa: E402
from pipeline.training.devices import make_accelerator  # noqa: E402
from pipeline.training.objective import training_loss  # noqa: E402
from pipeline.training.optimizer import adamw, add_parameters  # noqa: E402
from pipeline.training.step import Steps  # noqa: E402

MIB = 1 << 20
PackedBatch = tuple[tuple[TokenBatch, TokenBatch], NDArray[np.float32]]
"""Both sides' tokens of a batch, and the teacher's vectors of its first sides."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        side: of the square matrices whose product is the card's rate.
        sample: sentences that teaching is timed on.
        batch_tokens: of our encoder, tried in turn; a card gets `GPU_TIMES` as many at once.
        batch_sizes: of sentence-transformers' encode.
        batch_size: pairs of a training step.
        trial: steps that are timed of each way to train.
        seconds: of the training whose student is scored.
        neighbours: k of mining.
        memory: bytes for mining.
        rounds: repetitions; the median counts.
    """

    side: int = 8_192
    sample: int = 20_000
    batch_tokens: tuple[int, ...] = (512, 2_048, 8_192)
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    batch_size: int = 1_024
    trial: int = 30
    seconds: float = 150.0
    neighbours: int = 16
    memory: int = 8 << 30
    rounds: int = 3


QUICK = Sizes(64, 60, (256, 1_024), (16,), 8, 2, 0.2, 2, 8 << 20, 1)
"""For tests: every part, in seconds on a CPU."""


@dataclass
class Bench:
    """What all parts share.

    Attributes:
        contents: of the pack.
        folder: the model, widened.
        device: where everything is measured.
        sizes: how much.
        ends: the time by `time.monotonic` at which everything must be over.
        out: the JSON file.
        found: its content so far.
        vectors: the teacher's, by language.
    """

    contents: Contents
    folder: Path
    device: torch.device
    sizes: Sizes
    ends: float
    out: Path
    found: dict[str, Any] = field(default_factory=dict)
    vectors: dict[str, NDArray[np.float16]] = field(default_factory=dict)

    def seconds(self, work: Callable[[], Any]) -> float:
        """Of one call, the device's own work included."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def median(self, work: Callable[[], Any]) -> float:
        """Seconds, the median over rounds after one that warms up."""
        work()
        return float(np.median([self.seconds(work) for _ in range(self.sizes.rounds)]))

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak(self) -> float | None:
        """MiB of GPU memory that tensors took at most since the last call; None on a CPU."""
        if self.device.type != "cuda":
            return None
        most = torch.cuda.max_memory_allocated(self.device) / MIB
        torch.cuda.reset_peak_memory_stats(self.device)
        return round(most, 1)

    def share(self, operations: float, seconds: float, kind: str = "bfloat16") -> float:
        """Of the device's matrix rate, as it was measured in this run."""
        return operations / seconds / 1e12 / float(self.found["rate"][kind])

    def encoder(self, dtype: str, batch_tokens: int) -> ModelEncoder:
        """The packed model."""
        about = self.contents.about
        settings = EncoderSettings("auto", about["prefix"], about["max_length"], dtype, batch_tokens)
        return load_encoder(ModelFolder(self.folder, about["start"], None, "packed"), settings, self.device)


def operations(folder: Path, batch: TokenBatch) -> float:
    """Floating-point operations of a forward pass, without padding; matrix products only (see bench/README.md)."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    d, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    lengths = batch.lengths.astype(np.float64)
    return float(layers * (lengths * (8 * d * d + 4 * d * inner) + 4 * d * lengths**2).sum())


def measure_rate(bench: Bench) -> dict[str, Any]:
    """The device's matrix rate in TFLOP/s: a large product of random numbers, bfloat16 and float32."""
    side, rates = bench.sizes.side, {}
    for kind, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        x, y = (torch.randn(side, side, device=bench.device).to(dtype) for _ in range(2))
        times = 10 if bench.device.type == "cuda" else 1

        def products(x: torch.Tensor = x, y: torch.Tensor = y, times: int = times) -> None:
            for _ in range(times):
                x @ y

        rates[kind] = 2.0 * side**3 * times / bench.median(products) / 1e12
        print(f"rate: {kind} product of {side:,}²: {rates[kind]:.1f} TFLOP/s")
    return rates


def measure_teach(bench: Bench) -> dict[str, Any]:
    """Sentences/s of our encoder from tokens and from text, of sentence-transformers' encode; then all vectors."""
    everything = TokenBatch.joined(list(bench.contents.sentences.values()))
    rows = np.random.default_rng(0).permutation(len(everything))[: bench.sizes.sample]
    sample = everything.select(rows)
    flop = operations(bench.folder, sample)
    found: dict[str, Any] = {"sentences": len(sample), "tokens": int(sample.lengths.sum()), "from tokens": {}}
    best = (0.0, bench.sizes.batch_tokens[0])
    for dtype in ("bfloat16", "float32"):
        for batch_tokens in bench.sizes.batch_tokens:
            encoder = bench.encoder(dtype, batch_tokens)
            taken = bench.median(lambda encoder=encoder: encoder.encode_tokens(sample))  # type: ignore[misc]
            rate, share = len(sample) / taken, bench.share(flop, taken, dtype)
            at_once = tokens_at_once(bench.device, batch_tokens)
            found["from tokens"][f"{dtype}, {at_once} tokens"] = {"sentences/s": rate, "share": share}
            print(f"teach: {dtype}, {at_once:,} tokens a batch: {rate:,.0f} sentences/s, {share:.1%} of the rate")
            if dtype == "bfloat16":
                best = max(best, (rate, batch_tokens))
    encoder = bench.encoder("bfloat16", best[1])
    found["from text"] = _from_text(bench, encoder)
    bench.peak()

    def teach() -> None:
        for language, batch in bench.contents.sentences.items():
            bench.vectors[language] = encoder.encode_tokens(batch).astype(np.float16)

    taken = bench.seconds(teach)
    share = bench.share(operations(bench.folder, everything), taken)
    found["all"] = {"sentences": len(everything), "seconds": taken, "share": share, "peak MiB": bench.peak()}
    print(f"teach: all {len(everything):,} sentences in {taken:.1f} s, {share:.1%} of the rate")
    return found


def _from_text(bench: Bench, encoder: ModelEncoder) -> dict[str, Any]:
    """Ours and sentence-transformers' by turns, both from text, in bfloat16; their vectors are compared first."""
    texts, about = bench.contents.texts, bench.contents.about
    model = sentence_transformer(bench.folder, bench.device, torch.bfloat16, about["max_length"])

    def ours() -> NDArray[np.float32]:
        return encoder.encode_tokens(encoder.tokenize(texts))

    if model is None:
        print("teach: sentence-transformers isn't installed: its rows are left out")
        return {"ours, sentences/s": len(texts) / bench.median(ours)}
    cosines = np.einsum("nd,nd->n", ours(), encoded(model, texts, about["prefix"], bench.sizes.batch_sizes[0]))
    trials = {
        size: bench.seconds(lambda size=size: encoded(model, texts, about["prefix"], size))  # type: ignore[misc]
        for size in bench.sizes.batch_sizes
    }
    size = min(trials, key=trials.__getitem__)
    ratios, both = [], []
    for _ in range(bench.sizes.rounds):
        own, other = bench.seconds(ours), bench.seconds(lambda: encoded(model, texts, about["prefix"], size))
        ratios.append(other / own)
        both.append((len(texts) / own, len(texts) / other))
    rates = np.median(both, axis=0)
    found = {
        "sentences": len(texts),
        "ours, sentences/s": float(rates[0]),
        "sentence-transformers, sentences/s": float(rates[1]),
        "batch size": size,
        "ratio": [float(np.median(ratios)), min(ratios), max(ratios)],
        "cosine": {"mean": float(cosines.mean()), "least": float(cosines.min())},
    }
    print(
        f"teach: from text {rates[0]:,.0f} sentences/s, sentence-transformers {rates[1]:,.0f} (batches of {size}): "
        f"{np.median(ratios):.2f} times as fast ({min(ratios):.2f}-{max(ratios):.2f}); mean cosine {cosines.mean():.5f}"
    )
    return found


@dataclass(frozen=True)
class HeldVectors:
    """Vectors [n, d] as `pipeline.artifacts.folders.VectorFolder` gives them, from memory."""

    vectors: NDArray[np.float16]

    @property
    def dimension(self) -> int:
        """Of them."""
        return int(self.vectors.shape[1])

    def unit(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of some rows, normalised."""
        found = self.vectors[rows].astype(np.float32)
        return cast(NDArray[np.float32], found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def found_neighbors(bench: Bench, vectors: NDArray[np.float32]) -> StoredNeighborhoods:
    """The nearest other points of every point, searched here; without weights, which only the coverage asks for.

    Args:
        bench: the pack says how many neighbours.
        vectors: of the points, normalised [p, t].
    """
    k = min(bench.contents.about["neighbors"], len(vectors) - 1)
    near = nearest(vectors, vectors, k + 1, bench.device)
    own = near == np.arange(len(vectors))[:, None]
    own[~own.any(axis=1), -1] = True  # copies of the point stand before it
    near = near[~own].reshape(len(vectors), k)
    return StoredNeighborhoods(near, np.zeros(near.shape, dtype=np.float32))


def training_pairs(
    bench: Bench, vectors: Mapping[str, NDArray[np.float16]], labels: Strategy = "priority", near: Path | None = None
) -> list[TrainingPairs]:
    """The packed pairs with a teacher's vectors as labels.

    Args:
        bench: the pack.
        vectors: the teacher's, by language.
        labels: the label strategy.
        near: the folder with each pair's stored neighbours [p, k]; None: there are none.
    """
    found = []
    for name, rows in bench.contents.pairs.items():
        a, b = name.split("-")
        held: dict[str, Any] = {language: HeldVectors(vectors[language]) for language in (a, b) if language in vectors}
        # One point for each first side, or for each distinct pair.
        wide = rows[:, 0] if labels == "priority" else rows[:, 0] * (int(rows[:, 1].max()) + 1) + rows[:, 1]
        unique, first, of_pair = np.unique(wide, return_index=True, return_inverse=True)
        points = LabelPoints(
            strategy=labels,
            keys=unique,
            of_pair=of_pair.astype(np.int64),
            first_pair=first.astype(np.int64),
            teacher_a=held[a],
            teacher_b=held[b] if labels == "average" else None,
            rows_a=rows[:, 0],
            rows_b=rows[:, 1] if labels == "average" else np.empty(0, dtype=np.int64),
        )
        tokens_a, tokens_b = (cast(Any, bench.contents.sentences[language]) for language in (a, b))
        stored = np.empty((len(points), 0), dtype=np.int64)
        if near is not None:
            stored = np.load(near / f"{name}.npy").astype(np.int64)
        neighbors = StoredNeighborhoods(stored, np.zeros(stored.shape, dtype=np.float32))
        found.append(TrainingPairs(name, tokens_a, tokens_b, rows[:, 0], rows[:, 1], points, neighbors))
    return found


def correlation(x: NDArray[np.float32], y: NDArray[np.float32], gold: NDArray[np.float64]) -> float:
    """Spearman's, of the cosines of sentences [n, d] and of those that they are compared with, with people's scores [n]."""
    once = np.ones((1, len(x)))
    ranks = [weighted_ranks(of, once)[0] for of in (np.einsum("nd,nd->n", x, y).astype(np.float64), gold)]
    return float(weighted_pearson(ranks[0], ranks[1], once)[0])


def scores(model: SentenceModel, scored: list[Scored], batch_tokens: int) -> dict[str, float]:
    """In per cent, the mean over a benchmark's tasks: retrieval accuracy, or Spearman's correlation with people's scores."""
    model.eval()
    found: dict[str, list[float]] = {}
    for task in scored:
        x, y = (embed(model, side, batch_tokens) for side in (task.a, task.b))
        value = retrieve(x, y).accuracy if task.gold is None else correlation(x, y, task.gold)
        found.setdefault(task.benchmark, []).append(100 * value)
    return {name: float(np.mean(values)) for name, values in found.items()}


class OurSteps:
    """softalign's own steps over packed pairs, without checkpoints and evaluations.

    Args:
        bench: with the teacher's vectors.
        pairs: see `training_pairs`.
        steps: of the learning rate's schedule.
        batch_size: pairs a step.
        seed: of everything; the pack's if None.
        changed: of the section ``train``, what is to be different.
    """

    def __init__(
        self,
        bench: Bench,
        pairs: list[TrainingPairs],
        steps: int,
        batch_size: int,
        seed: int | None = None,
        **changed: Any,
    ) -> None:
        about = bench.contents.about
        seed = about["seed"] if seed is None else seed
        self.config = train_section(about["train"] | changed, steps, batch_size)
        settings = EncoderSettings("auto", about["prefix"], about["max_length"])
        torch.manual_seed(seed)
        self.student = load_model(bench.folder, settings)
        apply_training(self.student, self.config)
        self.accelerator = make_accelerator("auto")
        self.student.to(bench.device).train()
        teacher = pairs[0].points.teacher_a.dimension
        loss = training_loss(self.config, self.student.dimension, teacher, seed).to(bench.device)
        self.model, optimizer = self.accelerator.prepare(self.student, adamw(self.student, self.config))
        add_parameters(optimizer, loss)
        self.plan = BatchPlan(
            [len(part.rows_a) for part in pairs],
            batch_size,
            seed,
            self.config.neighbors_per_pair if self.config.batches == "neighbors" else 0,
            [part.points for part in pairs],
            [part.neighbors for part in pairs],
            anchors=AnchorPlan.of(self.config, seed),
        )
        self.progress = TrainingProgress("bench")
        self._steps = Steps(self.accelerator, self.model, self.student, loss, pairs, self.plan, optimizer, self.config)

    def set_steps(self, steps: int) -> None:
        """Let the training end after so many; its learning rate falls accordingly."""
        self.config = self.config.model_copy(update={"steps": steps})
        self._steps.config = self.config

    def take(self, count: int) -> list[torch.Tensor]:
        """So many steps; their losses stay on the device."""
        losses = []
        for _ in range(count):
            losses.append(self._steps.take(self.progress))
            self.progress.step += 1
        return losses


def train_section(section: dict[str, Any], steps: int, batch_size: int) -> Train:
    """The packed section ``train``, with the bench's number of steps and pairs."""
    changed = section | {"steps": steps, "batch_size": batch_size, "gradient_accumulation": 1, "epochs": None}
    return Train.model_validate(changed)


def like_plain_steps(section: dict[str, Any]) -> dict[str, Any]:
    """What of a section ``train`` is to be different for steps beside `PlainSteps`: the same loss, the same batches."""
    soft = section["loss"][0] | {"name": "soft", "weight": 1.0, "temperature": None, "tcm": None}
    return {"batches": "random", "teacher_first": 0.0, "loss": [soft]}


SOFT = [{"name": "soft"}, {"name": "mse", "weight": 10.0}]
"""Of the training whose student is scored: what needs no neighbours; other losses are table.py's."""


def measure_train(bench: Bench) -> dict[str, Any]:
    """Pairs/s of our steps and of plain ones; then a training, with scores before and after it."""
    pairs = training_pairs(bench, bench.vectors)
    found, taken, batches = _our_steps(bench, pairs)
    plain = _plain_steps(bench, batches, taken)
    return {**found, "plain": plain, **_train(bench, pairs, max(int(bench.sizes.seconds / taken), 2))}


def _our_steps(bench: Bench, pairs: list[TrainingPairs]) -> tuple[dict[str, Any], float, list[PackedBatch]]:
    """What our steps reach, the seconds of one, and the batches that they were of."""
    count, size = bench.sizes.trial, bench.sizes.batch_size
    ours = OurSteps(bench, pairs, 10 * count, size, **like_plain_steps(bench.contents.about["train"]))
    precision = str(ours.accelerator.mixed_precision)
    ours.take(count)  # warms up
    waited = waits(lambda: ours.take(count)) / count if bench.device.type == "cuda" else None
    first = ours.progress.step
    bench.peak()
    taken = bench.seconds(lambda: ours.take(count)) / count
    peak = bench.peak()
    batches = [_sides(pairs, ours.plan.batch(number)) for number in range(first, first + count)]
    flop = 3 * float(np.mean([operations(bench.folder, TokenBatch.joined(list(sides))) for sides, _ in batches]))
    share = bench.share(flop, taken, "float32" if precision == "no" else "bfloat16")
    print(
        f"train: {size / taken:,.0f} pairs/s (precision {precision}, batches of {size:,}), {share:.1%} of the rate; "
        f"peak {peak} MiB; waits for the GPU a step: {waited}"
    )
    about = {"batch size": size, "precision": precision, "waits a step": waited}
    return {**about, "ours": {"pairs/s": size / taken, "share": share, "peak MiB": peak}}, taken, batches


def _sides(pairs: list[TrainingPairs], batch: PairBatch) -> PackedBatch:
    """A batch's tokens and the teacher's vectors of its first sides."""
    part = pairs[batch.language_pair]
    both = part.tokens_a.select(part.rows_a[batch.rows]), part.tokens_b.select(part.rows_b[batch.rows])
    return both, part.points.teacher_and_labels(part.points.of_pair[batch.rows])[0]


def _plain_steps(bench: Bench, batches: list[PackedBatch], ours: float) -> dict[str, Any] | None:
    """The same batches by a plain script with sentence-transformers' model."""
    about = bench.contents.about
    model = sentence_transformer(bench.folder, bench.device, torch.float32, about["max_length"])
    if model is None:
        print("train: sentence-transformers isn't installed: the plain step is left out")
        return None
    temperature, bf16 = about["train"]["temperature"], bench.device.type == "cuda"
    both = temperature["teacher"], temperature["student"]
    pad = json.loads((bench.folder / "config.json").read_text(encoding="utf-8")).get("pad_token_id") or 0
    steps = PlainSteps(model, pad, both, about["train"]["learning_rate"], bf16)

    def take() -> None:
        for sides, teacher in batches:
            steps.take(sides, teacher)

    take()
    bench.peak()
    taken = bench.seconds(take) / len(batches)
    rate = bench.sizes.batch_size / taken
    print(
        f"train: plain steps with sentence-transformers' model {rate:,.0f} pairs/s: ours {taken / ours:.2f} times as fast"
    )
    return {"pairs/s": rate, "ratio": taken / ours, "peak MiB": bench.peak()}


def _train(bench: Bench, pairs: list[TrainingPairs], steps: int) -> dict[str, Any]:
    """A training of so many steps, with scores in float32 before and after."""
    training = OurSteps(bench, pairs, steps, bench.sizes.batch_size, loss=SOFT, batches="random")
    tokens = bench.sizes.batch_tokens[-1]
    start = load_model(bench.folder, EncoderSettings()).to(bench.device)
    before = scores(start, bench.contents.scored, tokens)
    losses: list[torch.Tensor] = []
    taken = bench.seconds(lambda: losses.extend(training.take(steps)))
    student = training.accelerator.unwrap_model(training.model, keep_fp32_wrapper=False)
    after = scores(student, bench.contents.scored, tokens)
    tenth = max(steps // 10, 1)
    first, last = (float(torch.stack(part).mean()) for part in (losses[:tenth], losses[-tenth:]))
    if not np.isfinite(last):
        raise UserError(f"train: the loss of the last steps is {last}; expected a number")
    terms, batches = " + ".join(term.name for term in training.config.loss), training.config.batches
    print(f"train: {steps:,} steps ({terms}; {batches} batches) in {taken:.1f} s; loss {first:.4f} to {last:.4f}")
    for name, value in before.items():
        print(f"scores: {name} {value:.1f} before, {after[name]:.1f} after")
    about = {"loss terms": terms, "batches": batches}
    return about | {
        "steps": steps,
        "seconds": taken,
        "loss": [first, last],
        "scores before": before,
        "scores after": after,
    }


def waits(work: Callable[[], Any]) -> int:
    """How often torch makes this process wait for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def measure_mining(bench: Bench) -> dict[str, Any]:
    """Exact neighbours in both directions of the largest language pair's vectors, ours and others'."""
    name = max(bench.contents.pairs, key=lambda pair: len(bench.contents.pairs[pair]))
    x, y = (HeldVectors(bench.vectors[language]) for language in name.split("-"))
    k, memory = min(bench.sizes.neighbours, len(x.vectors), len(y.vectors)), bench.sizes.memory
    bench.peak()
    kept: list[Any] = []

    def ours() -> None:
        job = SearchJob(k, memory, backend="exact", device=str(bench.device))
        kept[:] = [search(x.vectors, y.vectors, job).neighbors]

    taken = bench.median(ours)
    flop = 2.0 * len(x.vectors) * len(y.vectors) * x.dimension
    share = bench.share(flop, taken, "float32")
    found: dict[str, Any] = {"pair": name, "rows": [len(x.vectors), len(y.vectors)], "k": k}
    found["ours"] = {"seconds": taken, "share of float32": share, "peak MiB": bench.peak()}
    print(
        f"mining: {len(x.vectors):,} × {len(y.vectors):,} vectors, k = {k}, both directions: {taken:.2f} s, "
        f"{share:.1%} of the float32 rate"
    )
    units = x.unit(np.arange(len(x.vectors))), y.unit(np.arange(len(y.vectors)))
    for peer, theirs in searchers(bench.device).items():
        rows: list[Any] = []
        other = bench.median(lambda theirs=theirs, rows=rows: rows.append(theirs(*units, k)))  # type: ignore[misc]
        same = float(np.mean(rows[-1][0][:, 0] == kept[0].forward_row[:, 0]))
        found[peer] = {"seconds": other, "ratio": other / taken, "same nearest": same, "peak MiB": bench.peak()}
        print(f"mining: {peer} {other:.2f} s: ours {other / taken:.2f} times as fast; the same nearest in {same:.2%}")
    return found


PARTS: dict[str, tuple[Callable[[Bench], dict[str, Any]], float]] = {
    "rate": (measure_rate, 10),
    "teach": (measure_teach, 30),
    "train": (measure_train, 20),
    "mining": (measure_mining, 10),
}
"""What is measured, and the seconds without which it isn't begun."""


def run(bench: Bench) -> int:
    """All parts; one that fails doesn't stop the others. Returns how many failed or were left out."""
    lost = 0
    for name, (part, needs) in PARTS.items():
        left = bench.ends - time.monotonic()
        start = time.monotonic()
        if left < needs and bench.sizes is not QUICK:
            bench.found[name] = {"left out": f"{left:.0f} s were left, {needs:.0f} wanted"}
            print(f"{name}: left out, {left:.0f} s are left and it wants {needs:.0f}")
            lost += 1
        else:
            try:
                bench.found[name] = part(bench)
            except (UserError, RuntimeError, ValueError, LookupError, ImportError) as error:
                line = next(iter(str(error).splitlines()), type(error).__name__)
                bench.found[name] = {"failed": line}
                print(f"{name}: failed: {line}")
                lost += 1
        bench.found.setdefault("seconds", {})[name] = round(time.monotonic() - start, 1)
        write_text(bench.out, json.dumps(bench.found, indent=1, ensure_ascii=False) + "\n")
    return lost


def machine(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    found: dict[str, Any] = {"python": platform.python_version(), "cpu": platform.processor() or platform.machine()}
    for package in (*NEEDED, "sentence_transformers", "faiss"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        found |= {"card": about.name, "card MiB": about.total_memory // MIB, "cuda": torch.version.cuda}
    return found


def main() -> int:
    """Measure everything; the exit code says whether every part gave a result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--minutes", type=float, default=11.0, help="parts that don't fit into them are left out")
    parser.add_argument("--seconds", type=float, default=Sizes.seconds, help="of the training whose student is scored")
    parser.add_argument("--quick", action="store_true", help="every part on tiny inputs: whether it runs, not how fast")
    options = parser.parse_args()
    start, device = time.monotonic(), torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("measure.py: torch finds no CUDA device here; expected one, or --device cpu --quick", file=sys.stderr)
        return 1
    try:
        contents = Contents.read(options.pack)
        with tempfile.TemporaryDirectory() as folder:
            widen_model(options.pack / "model", Path(folder))
            sizes = QUICK if options.quick else Sizes(seconds=options.seconds)
            bench = Bench(contents, Path(folder), device, sizes, start + 60 * options.minutes, options.out)
            bench.found["machine"] = machine(device)
            print(f"{bench.found['machine'].get('card', 'CPU')}, torch {torch.__version__}")
            return 1 if run(bench) else 0
    except UserError as error:
        print(f"measure.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
