"""Short measurements on this machine, with the models of a project: the unit costs of a plan. Takes one to three minutes.

Text is the project's own where stage prepare has run, else made up. Every rate is of work that is large enough for fixed
costs to vanish; the machine should have nothing else to do meanwhile.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.benchmark import Timer

from pipeline.artifacts.tokens import TokenBatch
from pipeline.config.mine import Mine
from pipeline.config.params import Params
from pipeline.config.prepare import Corpus, HeldOut
from pipeline.encoders.load import ModelEncoder
from pipeline.encoders.model import SentenceModel, StaticModel, embed
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.losses.batch import Anchors, Batch
from pipeline.planning.units import UnitCosts
from pipeline.prepare.prepare import PrepareOutputs, prepare
from pipeline.search.faiss_index import FLAT_ROWS, IndexForm, build_index, choose_factory, proposed
from pipeline.search.job import SearchJob
from pipeline.search.search import search
from pipeline.training.anchors import AnchorPlan
from pipeline.training.gradients import backward, piece_count
from pipeline.training.objective import training_loss
from pipeline.training.optimizer import adamw

SECONDS = 2.0
"""How long each rate is measured, at least."""
MATRIX = 1_024
DISK_BYTES = 128 << 20
PREPARE_LINES = 30_000
ENCODED = 600
"""Sentences that an encoder is measured with, at least: fewer leave its batches half empty (a third of the rate with 30)."""
SEARCH_ROWS = 6_000
INDEX_ROWS, INDEX_LISTS = 10_240, 32
WORDS = 3_000
"""Different words of made-up text."""


@dataclass(frozen=True)
class PlannedModels:
    """What is measured with."""

    teacher: ModelEncoder  # the teacher, loaded
    student: SentenceModel  # the student that training starts from
    student_tokenizer: TextTokenizer  # the student's tokenizer
    texts: Sequence[str]  # sentences of the project's languages
    label_texts: Sequence[str]  # sentences of the languages that the teacher embeds


def measure(params: Params, models: PlannedModels, scratch: Path, report: Callable[[str], None]) -> UnitCosts:
    """Measure everything.

    Args:
        params: the project's parameters.
        models: the project's models and sentences.
        scratch: an existing folder on the disk that artifacts will lie on.
        report: called with a line before each measurement.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".plan-") as folder:
        report("matrix products, disk, text")
        matrix, disk = _matrix_flops(), _disk_bytes(Path(folder))
        lines = _prepare_lines(params, Path(folder))
        report("tokenizers")
        tokenizer_rate = len(models.texts) / _once(
            lambda: train_tokenizer(iter(models.texts), params.student.vocabulary)
        )
        teacher_tokens, student_tokens = (
            models.teacher.tokenize(models.label_texts),
            models.student_tokenizer(models.texts),
        )
        teacher_cut = _rate(lambda: models.teacher.tokenize(models.label_texts), len(models.label_texts))
        student_cut = _rate(lambda: models.student_tokenizer(models.texts), len(models.texts))
        report("teacher")
        teacher_rate = _encode_rate(models.teacher.model, teacher_tokens, models.teacher.batch_tokens)
        report("student")
        student_rate = _encode_rate(models.student.eval(), student_tokens, params.embed.batch_tokens)
        report("training")
        train_rate = _train_rate(params, models.student.train(), student_tokens, models.teacher.dimension)
        report("search")
        dimension = models.student.dimension
        search, scan = _search_flops(dimension), _scan_codes(dimension, Path(folder))
    layers = {name: _layers(model) for name, model in (("teacher", models.teacher.model), ("student", models.student))}
    return UnitCosts(
        cores=os.cpu_count() or 1,
        matrix_flops=matrix,
        disk_bytes=disk,
        prepare_lines=lines,
        teacher_tokenize=teacher_cut,
        student_tokenize=student_cut,
        tokenizer_sentences=tokenizer_rate,
        teacher_encode=teacher_rate,
        student_encode=student_rate,
        train_pairs=train_rate,
        search_flops=search,
        scan_codes=scan,
        teacher_tokens=float(teacher_tokens.lengths.mean()),
        student_tokens=float(student_tokens.lengths.mean()),
        sentence_bytes=float(np.mean([len(text.encode()) for text in models.texts])),
        teacher_layers=layers["teacher"],
        student_layers=layers["student"],
        student_parameters=sum(parameter.numel() for parameter in models.student.parameters()),
        teacher_dimension=models.teacher.dimension,
        student_dimension=dimension,
        encoders=f"{params.teacher.model} → {params.student.model or params.student.kind}",
    )


def made_up_texts(count: int, seed: int = 0) -> list[str]:
    """Sentences of 4 to 32 words (18 on average) that were never written; words are as frequent as Zipf says."""
    generator = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = ["".join(generator.choice(letters, generator.integers(2, 10))) for _ in range(WORDS)]
    chances = 1 / np.arange(1, WORDS + 1)
    chances /= chances.sum()
    sizes = generator.integers(4, 33, count)
    drawn = generator.choice(WORDS, int(sizes.sum()), p=chances)
    ends = np.cumsum(sizes)
    return [" ".join(words[word] for word in part) for part in np.split(drawn, ends[:-1])]


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _rate(work: Callable[[], object], units: float) -> float:
    """Units a second: the median of as many runs as fill `SECONDS`, after one to warm up."""
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return units / float(timer.blocked_autorange(min_run_time=SECONDS).median)


def _matrix_flops() -> float:
    x = torch.ones(MATRIX, MATRIX)
    return _rate(lambda: x @ x, 2.0 * MATRIX**3)


def _disk_bytes(folder: Path) -> float:
    data = np.random.default_rng(0).bytes(DISK_BYTES)

    def write() -> None:
        with (folder / "written").open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())

    return DISK_BYTES / _once(write)


def _prepare_lines(params: Params, folder: Path) -> float:
    """With the project's cleaning; of two languages in one script, so that the rules let the text through."""
    pairs = [made_up_texts(PREPARE_LINES, seed) for seed in (1, 2)]
    for language, texts in zip(("en", "fr"), pairs, strict=True):
        (folder / f"text.{language}").write_text("\n".join(texts) + "\n", encoding="utf-8")
    corpus = Corpus.model_validate({"name": "measured", "format": "moses", "path": "text.{lang}"})
    section = params.prepare.model_copy(
        update={"corpora": [corpus], "text": [], "heldout": HeldOut(share=0.0), "max_bad_share": 1.0}
    )
    own = params.model_copy(update={"languages": ["en", "fr"], "pairs": ["en-fr"], "prepare": section})
    names = ("sentences", "pairs", "monolingual", "heldout", "rejects")
    outputs = PrepareOutputs(**{name: folder / "prepared" / name for name in names})
    return PREPARE_LINES / _once(lambda: prepare(own, folder, outputs))


def _encode_rate(model: SentenceModel, tokens: TokenBatch, batch_tokens: int) -> float:
    """Sentences a second: of enough that each length fills its batches, as in a shard."""
    few = tokens.select(np.arange(min(ENCODED, len(tokens))))
    pace = len(few) / _once(lambda: embed(model, few, batch_tokens))
    some = tokens.select(np.arange(int(min(len(tokens), max(len(few), pace)))))
    return _rate(lambda: embed(model, some, batch_tokens), len(some))


def _train_rate(params: Params, student: SentenceModel, tokens: TokenBatch, teacher_dimension: int) -> float:
    """Pairs a second of training steps: batch, loss and anchors as params.yaml has them, the teacher's vectors made up."""
    train = params.train
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    loss = training_loss(train, student.dimension, teacher_dimension, params.seed).to(accelerator.device)
    model, optimizer = accelerator.prepare(student, adamw(torch.nn.ModuleDict({"s": student, "l": loss}), train))
    generator = np.random.default_rng(0)
    labels = teacher_dimension * (2 if params.labels.strategy == "average" else 1)
    plan = AnchorPlan.of(train, params.seed)
    anchors = 0 if plan is None else plan.random + train.batch_size * (1 + plan.neighbors)
    pieces = piece_count(train.batch_size, 1, train.chunk)

    def unit(rows: int, dimension: int) -> Tensor:
        drawn: NDArray[np.float32] = generator.standard_normal((rows, dimension), dtype=np.float32)
        return torch.nn.functional.normalize(torch.from_numpy(drawn), dim=1).to(accelerator.device)

    def objective(vectors: Tensor) -> Tensor:
        half = train.batch_size
        points = Anchors(unit(anchors, teacher_dimension), unit(anchors, labels)) if anchors else None
        batch = Batch(vectors[:half], vectors[half:], unit(half, labels), unit(half, teacher_dimension), anchors=points)
        value: Tensor = loss(batch)
        return value

    def step() -> None:
        rows = generator.integers(0, len(tokens), (2, train.batch_size))
        optimizer.zero_grad(set_to_none=True)
        backward(accelerator, model, (tokens.select(rows[0]), tokens.select(rows[1])), objective, pieces)
        optimizer.step()

    return _rate(step, train.batch_size)


def _vectors(rows: int, dimension: int, seed: int) -> NDArray[np.float16]:
    drawn = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn.astype(np.float16)


def _search_flops(dimension: int) -> float:
    x, y = _vectors(SEARCH_ROWS, dimension, 0), _vectors(SEARCH_ROWS, dimension, 1)
    options = Mine()
    return _rate(
        lambda: search(x, y, SearchJob(options.k, options.memory_bytes, backend="exact")),
        2.0 * SEARCH_ROWS * SEARCH_ROWS * dimension,
    )


def _scan_codes(dimension: int, folder: Path) -> float:
    """Codes looked at a second, all lists being visited."""
    vectors = _vectors(INDEX_ROWS, dimension, 2)
    factory = choose_factory(10 * FLAT_ROWS, dimension, 1 << 30, Mine().k).split(",")[1]
    index = build_index(folder / "index", vectors, IndexForm(f"IVF{INDEX_LISTS},{factory}", 1 << 30))
    index.effort = INDEX_LISTS
    queries = _vectors(512, dimension, 3).astype(np.float32)
    return _rate(lambda: index.searcher.search(queries, proposed(Mine().k)), len(queries) * INDEX_ROWS)


def _layers(model: SentenceModel) -> int:
    """Parameters that every token meets: not those of tables of which it takes one row."""
    if isinstance(model, StaticModel):
        return 0
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    return sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in tables)
