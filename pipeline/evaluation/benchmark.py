"""What a benchmark is, whoever published it: tasks of retrieval, of similarity or of mining, each of two languages.

A benchmark's sentences are held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.config.evaluate import EvaluationBenchmark
from pipeline.evaluation.published import BenchmarkSource
from pipeline.ground.arrays import Rows
from pipeline.mining.judging.bucc import BuccSet


@dataclass(frozen=True)
class Task:
    """Two languages of a benchmark.

    Attributes:
        name: what results call it: ``fr-en``, ``en``, or a part of a benchmark (``MSRpar``).
        a: the language of the first side.
        b: the language of the second side.
        units: tasks of one benchmark with the same units are about the same items in other languages: a bootstrap draws
            them together.
    """

    name: str
    a: str
    b: str
    units: str

    def sides(self) -> Iterator[tuple[str, list[str]]]:
        """Each language with the sentences that are embedded in it."""
        raise NotImplementedError

    def items(self, rows: Rows) -> tuple[list[str], list[str]]:
        """Both texts [n] of items.

        Args:
            rows: for a mining task, the items' rows of the test set's side a [n]; of others, which items.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Bitext(Task):
    """Aligned sentences: is the nearest sentence of the other side the translation?

    Attributes:
        texts_a: [n] sentences.
        texts_b: [n] their translations.
        xsim: whether LASER's xsim is part of the benchmark.
    """

    texts_a: list[str]
    texts_b: list[str]
    xsim: bool = False

    def sides(self) -> Iterator[tuple[str, list[str]]]:
        """See `Task.sides`."""
        yield self.a, self.texts_a
        yield self.b, self.texts_b

    def items(self, rows: Rows) -> tuple[list[str], list[str]]:
        """See `Task.items`."""
        return _take(self.texts_a, rows), _take(self.texts_b, rows)


@dataclass(frozen=True)
class TopOne(Task):
    """MTEB's form of BUCC: for the sources of gold pairs only, is the nearest of the whole other side the target?

    That is retrieval and not BUCC's task: no source without a translation has to be turned down.

    Attributes:
        queries: [g] the gold pairs' sentences of side a, in the order of the gold file.
        candidates: [m] all sentences of side b.
        target: the row of each query's translation [g].
    """

    queries: list[str]
    candidates: list[str]
    target: Rows

    def sides(self) -> Iterator[tuple[str, list[str]]]:
        """See `Task.sides`."""
        yield self.a, self.queries
        yield self.b, self.candidates

    def items(self, rows: Rows) -> tuple[list[str], list[str]]:
        """See `Task.items`."""
        return _take(self.queries, rows), _take(self.candidates, self.target[rows])


@dataclass(frozen=True)
class Similarity(Task):
    """Sentence pairs whose similarity people have judged.

    Attributes:
        first: [n] sentences.
        second: [n] sentences.
        gold: [n] people's scores, greater for more similar.
    """

    first: list[str]
    second: list[str]
    gold: NDArray[np.float64]

    def sides(self) -> Iterator[tuple[str, list[str]]]:
        """See `Task.sides`."""
        yield self.a, self.first
        yield self.b, self.second

    def items(self, rows: Rows) -> tuple[list[str], list[str]]:
        """See `Task.items`."""
        return _take(self.first, rows), _take(self.second, rows)


@dataclass(frozen=True)
class Mining(Task):
    """BUCC's own task: the threshold is tuned on the training set's gold pairs and frozen for the test set.

    Attributes:
        training: with gold.
        test: with gold.
    """

    training: BuccSet
    test: BuccSet

    def sides(self) -> Iterator[tuple[str, list[str]]]:
        """See `Task.sides`."""
        for made in (self.training, self.test):
            yield self.a, made.a.texts
            yield self.b, made.b.texts

    def items(self, rows: Rows) -> tuple[list[str], list[str]]:
        """See `Task.items`; the second text is the gold translation, empty where there is none."""
        gold = {} if self.test.gold is None else dict(self.test.gold.tolist())
        texts = self.test.b.texts
        partners = [texts[gold[row]] if row in gold else "" for row in rows.tolist()]
        return _take(self.test.a.texts, rows), partners


def _take(texts: list[str], rows: Rows) -> list[str]:
    return [texts[row] for row in rows.tolist()]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as read.

    Attributes:
        name: what results call it.
        kind: whose files it was read from.
        tasks: at least one.
    """

    name: str
    kind: str
    tasks: tuple[Task, ...]

    def texts(self) -> list[str]:
        """The different sentences that are embedded, in the order in which they first stand."""
        return list(dict.fromkeys(text for task in self.tasks for _, texts in task.sides() for text in texts))

    def by_language(self) -> dict[str, list[str]]:
        """The different sentences of each language."""
        found: dict[str, dict[str, None]] = {}
        for task in self.tasks:
            for language, texts in task.sides():
                found.setdefault(language, {}).update(dict.fromkeys(texts))
        return {language: list(texts) for language, texts in found.items()}


class PublishedBenchmark(EvaluationBenchmark):
    """What a benchmark derives from: a file of `pipeline.evaluation.benchmarks`, or a class that a package brings.

    Its fields are keys of an entry of ``evaluate.benchmarks`` in params.yaml, besides those that all have.

    Attributes:
        published: where its files are had.
        file_language: a pattern of a file's name, with the language's code as its first group; None: names tell no language.
    """

    published: ClassVar[tuple[BenchmarkSource, ...]] = ()
    file_language: ClassVar[re.Pattern[str] | None] = None

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """Read its files. Holds its sentences in memory.

        Args:
            folder: where they are; others in it are left alone.
            languages: only tasks whose languages are all among these canonical codes; all if None.

        Raises:
            InputError: if files are missing, of different lengths or of another form; the line names file and line.
        """
        raise NotImplementedError
