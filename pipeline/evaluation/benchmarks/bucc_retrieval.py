"""BUCC 2018 in the form of MTEB: retrieval, whatever it is called there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.evaluation.benchmark import PublishedBenchmark, Task, TopOne
from pipeline.evaluation.bucc_files import bucc_pairs, with_gold


class BuccRetrieval(PublishedBenchmark):
    """The same files in MTEB's form: the training gold's sources against its whole other side."""

    kind: Literal["bucc-retrieval"] = "bucc-retrieval"

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        return [self._top_one(*found) for found in bucc_pairs(folder, languages)]

    def _top_one(self, place: Path, codes: tuple[str, str], a: str, b: str) -> TopOne:
        made = with_gold(place, "training", *codes)
        gold = made.gold if made.gold is not None else np.empty((0, 2), dtype=np.int64)
        queries = [made.a.texts[row] for row in gold[:, 0].tolist()]
        return TopOne(f"{a}-{b}", a, b, f"{a}-{b}", queries, made.b.texts, gold[:, 1])
