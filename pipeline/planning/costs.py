"""The formulas of a plan (docs/scale.md has them in words): from a workload and unit costs to every stage's cost.

All are upper bounds of what grows with the data; what a stage costs at least (starting Python, loading a model) is added as
`START_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config.labels import Neighborhoods
from pipeline.config.mine import Mine
from pipeline.config.params import Params
from pipeline.planning.devices import ENCODE_SHARE, SEARCH_SHARE, TRAIN_SHARE, Device
from pipeline.planning.units import UnitCosts
from pipeline.search.best import MAX_ROWS
from pipeline.search.faiss_index import FLAT_ROWS, MANY, POINTS_PER_LIST, choose_factory
from pipeline.search.job import SearchJob
from pipeline.search.search import chosen

START_SECONDS = 1.0
"""What every stage takes at least: Python and torch start, a model is loaded."""
KEY = 16
VISITED_LISTS = 64
"""Lists that an approximate search visits, assumed: the recall asked for decides it on a sample."""
KMEANS_ROUNDS = 10
SAMPLE_SEARCHES = 12
"""Exact searches of a side for each sampled row, with which approximate mining is tuned and judged (k = 4)."""
HELD_ROW = 50
"""Bytes of a row of both sides that the process of stage mine holds however many there are: which rows they are, whether they
are used, their documents' names, and scores while thresholds and controls are made."""
KEPT_PAIRS = 0.5
"""Candidates that mining writes for each sentence of the smaller side, assumed."""
ADAM_BYTES = 16
"""A trained parameter: itself, its gradient and two moments, float32."""


@dataclass(frozen=True)
class Workload:
    """How much there is to do."""

    lines: int  # lines that prepare reads, a line being a pair or a sentence
    pairs: int  # training pairs, over all language pairs
    label_sentences: int  # unique sentences that the teacher embeds
    sentences: int  # unique training sentences, all languages
    mine: int  # sentences that are embedded to be mined, over all languages
    languages: int  # how many languages there are
    language_pairs: int  # how many pairs of them

    @classmethod
    def of_size(cls, pairs: int, mine: int, params: Params) -> Workload:
        """For a number of pairs and of sentences: no sentence comes twice, languages have equally many."""
        both = 2 if params.labels.strategy == "average" else 1
        return cls(
            lines=pairs + mine,
            pairs=pairs,
            label_sentences=both * pairs,
            sentences=2 * pairs,
            mine=mine,
            languages=len(params.used_languages),
            language_pairs=len(params.pairs),
        )


@dataclass(frozen=True)
class Machines:
    """What the work is done on."""

    device: Device | None = None  # an accelerator that is not at hand; None: this machine
    devices: int = 1  # how many accelerators
    workers: int = 1  # machines such as this one, for what needs no accelerator


@dataclass(frozen=True)
class StageCost:
    """What a stage costs."""

    stage: str  # the stage's name
    seconds: float  # wall time
    disk: float  # bytes that it leaves
    memory: float  # bytes that it holds at once; in training, in each process
    # Bytes that go between machines: in training from each process, else to the store and from it.
    network: float = 0.0
    note: str = ""  # what the figures rest on


def plan(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> list[StageCost]:
    """Every stage's cost, in the order of the pipeline."""
    stages = (_prepare, _tokenize, _teach, _neighborhoods, _train, _embed, _mine)
    return [stage(work, units, params, machines) for stage in stages]


def encode_seconds(sentences: float, measured: float, layers: int, tokens: float, machines: Machines) -> float:
    """Time to embed sentences.

    On this machine at the rate measured. On a device, a token costs 2 operations a parameter of the layers; a static
    encoder, which has none, is planned at this machine's rate.
    """
    if machines.device is None or layers == 0:
        return sentences / measured / machines.workers
    return sentences * 2 * layers * tokens / (machines.device.peak * ENCODE_SHARE * machines.devices)


def is_exact(search: str, index: str | None, rows: int, dimension: int, k: int) -> bool:
    """Whether a search of so many rows a side, as params.yaml has it, compares all of them."""
    job = chosen(SearchJob(k, backend=search, index=index, device="cpu"), (rows, rows), dimension)
    if job.backend != "faiss":
        return True
    return job.index == "Flat" or (job.index in (None, "auto") and rows <= FLAT_ROWS)


def search_seconds(rows: float, others: float, dimension: int, units: UnitCosts, machines: Machines) -> float:
    """Time for the exact neighbours of both directions: one product of the two sides."""
    operations = 2.0 * rows * others * dimension
    if machines.device is None:
        return operations / units.search_flops / machines.workers
    return operations / (machines.device.peak * SEARCH_SHARE * machines.devices)


def index_seconds(rows: int, queries: int, dimension: int, index_bytes: int, units: UnitCosts, workers: int) -> float:
    """Time to train an index of rows on the CPU of one machine, and to fill it and ask it on those of all workers."""
    build = build_seconds(rows, dimension, index_bytes, units, workers)
    return build + ask_seconds(rows, queries, dimension, index_bytes, units, workers)


def build_seconds(rows: int, dimension: int, index_bytes: int, units: UnitCosts, workers: int) -> float:
    """Time to train an index of rows, which one machine does, and to fill it."""
    if rows <= FLAT_ROWS:
        return 0.0
    lists = _lists(rows, dimension, index_bytes)
    sample = min(rows, lists * POINTS_PER_LIST)
    return 2.0 * dimension * lists * (sample * KMEANS_ROUNDS + rows / workers) / units.matrix_flops


def ask_seconds(rows: int, queries: int, dimension: int, index_bytes: int, units: UnitCosts, workers: int) -> float:
    """Time to look queries up in an index of rows: products with centroids, and codes looked at."""
    if rows <= FLAT_ROWS:
        return 2.0 * rows * queries * dimension / units.search_flops / workers
    lists = _lists(rows, dimension, index_bytes)
    products = 2.0 * dimension * lists * queries
    codes = queries * rows * min(VISITED_LISTS / lists, 1.0)
    return (products / units.matrix_flops + codes / units.scan_codes) / workers


def index_memory(rows: int, dimension: int, index_bytes: int, k: int) -> float:
    """What an index for k neighbours holds: its lists, up to ``index_bytes``, and the sample of its training, float32."""
    if rows <= FLAT_ROWS:
        return rows * dimension * 4.0
    lists = _lists(rows, dimension, index_bytes)
    code = dimension / (2 if k > MANY else 4)
    return min(rows * (code + 8), float(index_bytes)) + min(rows, lists * POINTS_PER_LIST) * dimension * 4.0


def vector_bytes(rows: float, dimension: int) -> float:
    """An artifact of vectors: a key and float16 numbers a row."""
    return rows * (KEY + 2 * dimension)


def _lists(rows: int, dimension: int, index_bytes: int) -> int:
    factory = choose_factory(rows, dimension, index_bytes, 1)
    return next((int(part[3:].split("_")[0]) for part in factory.split(",") if part.startswith("IVF")), 1)


def _prepare(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    text = units.sentence_bytes + KEY + 4
    disk = work.sentences * text + work.pairs * (3 * KEY + 40) + work.mine * (text + 60)
    seconds = START_SECONDS + work.lines / units.prepare_lines / machines.workers + disk / units.disk_bytes
    return StageCost(
        "prepare", seconds, disk, params.prepare.memory_bytes + 0.3e9, note="as much disk again for a while"
    )


def _tokenize(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    trained = 0.0
    if params.student.kind != "pretrained":
        sample = min(work.sentences, params.student.tokenizer_sentences * work.languages)
        trained = sample / units.tokenizer_sentences
    cut = work.label_sentences / units.teacher_tokenize + (work.sentences + work.mine) / units.student_tokenize
    disk = work.label_sentences * (KEY + 4 + 4 * units.teacher_tokens)
    disk += (work.sentences + work.mine) * (KEY + 4 + 4 * units.student_tokens)
    seconds = START_SECONDS + trained + cut / machines.workers + disk / units.disk_bytes
    shard = params.prepare.shard_rows * (units.sentence_bytes + 4 * units.teacher_tokens)
    return StageCost("tokenize", seconds, disk, 0.5e9 + shard)


def _teach(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    vectors = vector_bytes(work.label_sentences, units.teacher_dimension)
    seconds = START_SECONDS + 2 * vectors / units.disk_bytes
    seconds += encode_seconds(
        work.label_sentences, units.teacher_encode, units.teacher_layers, units.teacher_tokens, machines
    )
    shard = params.prepare.shard_rows * units.teacher_dimension * 6
    memory = 0.8e9 + 4 * units.teacher_layers + shard
    return StageCost(
        "teach", seconds, 2 * vectors, memory, vectors, "the store and the artifact; network: to the store"
    )


def _neighborhoods(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    options: Neighborhoods = params.neighborhoods
    average = params.labels.strategy == "average"
    # Label points of one language pair, and the numbers in a label vector.
    points = _even(work.pairs if average else min(work.label_sentences, work.pairs), work.language_pairs)
    dimension = units.teacher_dimension * (2 if average else 1)
    if is_exact(options.search, options.index, points, dimension, options.k):  # half a product, on the CPU
        one = search_seconds(points, points, dimension, units, Machines()) / 2
        memory, how = options.block_bytes + points * (20.0 * options.k + 2 * dimension), "exact"
    else:
        how = "through an index"
        one = index_seconds(points, points, dimension, options.index_bytes, units, 1)
        memory = index_memory(points, dimension, options.index_bytes, options.k)
    disk = work.language_pairs * points * (KEY + options.k * (KEY + 8.0))
    seconds = START_SECONDS + work.language_pairs * one + disk / units.disk_bytes
    note = f"{how}, one language pair after the other, on one machine"
    return StageCost("neighborhoods", seconds, disk, 0.3e9 + memory + work.pairs * 40.0, note=note)


def _train(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    train = params.train
    if train.epochs is None:
        seen = float(train.steps * train.gradient_accumulation * train.batch_size)
    else:
        seen = train.epochs * work.pairs
    steps = seen / (train.batch_size * train.gradient_accumulation)
    if machines.device is None or units.student_layers == 0:
        seconds, processes = seen / units.train_pairs, 1
    else:
        passes = 6 + (2 if train.chunk else 0)  # forward, and backward twice; chunks go forward once more
        operations = seen * 2 * passes * units.student_layers * units.student_tokens
        seconds = operations / (machines.device.peak * TRAIN_SHARE * machines.devices)
        processes = machines.devices
    # The index of pairs and label points, the student with its optimizer, and the keys of all sentences.
    index = work.pairs * (5 * 8 + KEY) + min(work.label_sentences, work.pairs) * (12.0 * params.neighborhoods.k + KEY)
    memory = 0.8e9 + index + ADAM_BYTES * units.student_parameters + work.sentences * KEY
    exchanged = (
        8 * units.student_parameters + 8 * train.batch_size * train.gradient_accumulation * units.student_dimension
    )
    network = 0.0 if processes == 1 else steps * exchanged * (processes - 1) / processes
    disk = 4.0 * units.student_parameters
    note = f"{steps:,.0f} steps; memory: without activations, on each process"
    if machines.device is not None and units.student_layers == 0:
        note += "; a static student, at this machine's rate"
    return StageCost("train", START_SECONDS + seconds, disk, memory, network, note)


def _embed(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    vectors = vector_bytes(work.mine, units.student_dimension)
    seconds = START_SECONDS + vectors / units.disk_bytes
    seconds += encode_seconds(work.mine, units.student_encode, units.student_layers, units.student_tokens, machines)
    shard = params.prepare.shard_rows * units.student_dimension * 6
    return StageCost("embed", seconds, vectors, 0.6e9 + 4 * units.student_parameters + shard)


def _mine(work: Workload, units: UnitCosts, params: Params, machines: Machines) -> StageCost:
    options: Mine = params.mine
    side, dimension = _even(work.mine, work.languages), units.student_dimension
    memory = 3.0 * options.memory_bytes + HELD_ROW * side  # neighbours or what is sorted of them, and workers' results
    exact = is_exact(options.search, options.index, side, dimension, options.k)
    how = "exact" if exact else "approximate"
    note = f"{how}, {work.language_pairs} language pairs of {side:,} sentences a side"
    indexes = 0.0
    if exact:
        one = search_seconds(side, side, dimension, units, machines)
    else:
        index_bytes, workers = options.index_bytes, machines.workers
        # An index belongs to a language and serves all of its pairs.
        indexes = work.languages * build_seconds(side, dimension, index_bytes, units, workers)
        one = 2 * ask_seconds(side, side, dimension, index_bytes, units, workers)
        sampled = SAMPLE_SEARCHES * min(options.sample, side)
        one += search_seconds(sampled, side, dimension, units, Machines(workers=workers))
        memory += 2 * index_memory(side, dimension, index_bytes, options.k)
        note += ", through indexes"
    if side > MAX_ROWS and exact:
        note += f"; at most {MAX_ROWS:,} can be searched at once"
    written = work.language_pairs * side * KEPT_PAIRS * (2 * units.sentence_bytes + 150)
    seconds = work.language_pairs * (START_SECONDS + one) + indexes + written / units.disk_bytes
    return StageCost("mine", seconds, written, memory, note=note)


def _even(total: int, parts: int) -> int:
    return int(np.ceil(total / max(parts, 1)))
