"""KorSTS: the STS benchmark in Korean."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.published import BenchmarkSource, PinnedFile
from pipeline.evaluation.sts_rows import SCALE, judged_task, table_rows


class KorSts(PublishedBenchmark):
    """KorSTS' ``sts-<split>.tsv``: a header, and columns ``score``, ``sentence1``, ``sentence2``; quotes mean nothing."""

    kind: Literal["korsts"] = "korsts"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="korsts",
            kind="korsts",
            about="KorSTS: STS benchmark, machine-translated into Korean and corrected",
            home="https://github.com/kakaobrain/kor-nlu-datasets",
            licence="CC-BY-SA-4.0",
            files=(
                PinnedFile(
                    "sts-dev.tsv",
                    "https://raw.githubusercontent.com/kakaobrain/kor-nlu-datasets/0df0fe7d496eb61b092e022e238c2230b29f1cbc/KorSTS/sts-dev.tsv",
                    307276,
                    "d835b65b424401fbcce6be28a78159df8d61f5b19977ea7a0b83b8cb6105f393",
                ),
                PinnedFile(
                    "sts-test.tsv",
                    "https://raw.githubusercontent.com/kakaobrain/kor-nlu-datasets/0df0fe7d496eb61b092e022e238c2230b29f1cbc/KorSTS/sts-test.tsv",
                    249596,
                    "13f83a3440d9db52d134eb40303ce021b03264aa338fbf2871c8786ce04d2105",
                ),
            ),
        ),
    )

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        if languages is not None and "ko" not in languages:
            return []
        rows = list(
            table_rows(folder / f"sts-{self.split}.tsv", "\t", ("sentence1", "sentence2", "score"), csv.QUOTE_NONE)
        )
        return [judged_task("ko", "ko", "ko", rows, SCALE, "pairs")]
