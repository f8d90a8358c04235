"""Which of a benchmark's sentences stood in the training text: exactly under the normal form, or nearly by MinHash.

The training text is streamed; the benchmark's normal forms and signatures (512 bytes a sentence) are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.artifacts.shards import iterate_shards
from pipeline.corpora.base import file_source
from pipeline.corpora.lines import read_lines
from pipeline.evaluation.scoring import BenchmarkScore, TaskScore
from pipeline.ground.hashing import Keys, as_keys, locate, text_key
from pipeline.text.near import NearIndex
from pipeline.text.normalize import clean_text, normal_form

CHUNK = 50_000
"""Training sentences that are compared at a time."""


@dataclass(frozen=True)
class Seen:
    """What of some sentences stood in training text."""

    keys: Keys  # keys of all sentences that were looked for, sorted [u]
    exact: NDArray[np.bool_]  # whether each stood there, under its normal form [u]
    # whether one with at least ``threshold`` estimated Jaccard similarity did, itself included [u]
    near: NDArray[np.bool_]
    threshold: float  # the least similarity that counts as near; 0: near ones were not looked for
    training: int  # how many training sentences were read

    def rows(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The row of each text [n]; -1 for the empty one."""
        return locate(self.keys, as_keys([text_key(text) for text in texts]))

    def of(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each text [n] stood in training text, exactly or nearly."""
        rows = self.rows(texts)
        return (rows >= 0) & (self.exact | self.near)[rows]


def stored_sentences(folders: Iterable[Path]) -> Iterator[pl.Series]:
    """The texts of the pipeline's sentence artifacts, a chunk at a time."""
    for folder in folders:
        for shard in iterate_shards(folder):
            for start in range(0, len(shard), CHUNK):
                yield pl.Series(shard.table.column("text").slice(start, CHUNK).to_pylist(), dtype=pl.String)


def file_sentences(paths: Iterable[Path]) -> Iterator[pl.Series]:
    """The lines of text files, compressed or not, a few thousand at a time; of a table, whole lines would be compared.

    Raises:
        InputError: if one can't be read, or is damaged.
    """
    for path in paths:
        for frame in read_lines(file_source(path, str(path))):
            yield frame["text"]


def find_seen(texts: Iterable[str], training: Iterable[pl.Series], near: float = 0.8) -> Seen:
    """Look for sentences in training text of any language.

    Args:
        texts: the benchmark's sentences.
        training: chunks of training sentences.
        near: the least estimated Jaccard similarity of character 5-grams that counts as nearly the same; 0: none does.
            Sentences of fewer than 12 characters are compared exactly only.
    """
    by_key = {text_key(text): text for text in texts if text}
    # Exact copies by a hash of the normal form, near ones by MinHash, against one chunk of training text after the other.
    keys = as_keys(sorted(by_key))
    forms = _forms(pl.Series([by_key[key] for key in sorted(by_key)], dtype=pl.String))
    hashed = forms.hash(0)
    exact, close = np.zeros(len(keys), dtype=np.bool_), np.zeros(len(keys), dtype=np.bool_)
    index = NearIndex(forms, near) if near else None
    count = 0
    for chunk in training:
        ours = _forms(chunk)
        exact |= hashed.is_in(ours.hash(0).implode()).to_numpy()
        if index is not None:
            close[index.matches(ours).known] = True
        count += len(chunk)
    return Seen(keys, exact, close, near, count)


def _forms(texts: pl.Series) -> pl.Series:
    return pl.DataFrame({"text": texts}).select(normal_form(clean_text(pl.col("text")))).to_series()


def mark(score: BenchmarkScore, seen: Seen) -> BenchmarkScore:
    """A score whose tasks know which of their items are clean: neither text stood in training text."""
    return replace(score, tasks=tuple(_marked(task, seen) for task in score.tasks))


def _marked(task: TaskScore, seen: Seen) -> TaskScore:
    first, second = task.item_texts()
    rows = np.unique(seen.rows(list(dict.fromkeys([*first, *second]))))
    rows = rows[rows >= 0]
    near = seen.near[rows] & ~seen.exact[rows]
    counts = {"sentences": len(rows), "seen": int(seen.exact[rows].sum()), "nearly_seen": int(near.sum())}
    return replace(task, clean=~(seen.of(first) | seen.of(second)), seen=counts)
