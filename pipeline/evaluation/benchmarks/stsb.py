"""The STS benchmark, English and machine-translated into nine languages (stsb-multi-mt)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import PublishedBenchmark, Similarity, Task
from pipeline.evaluation.lines import choose_languages
from pipeline.evaluation.published import BenchmarkSource, pinned_files
from pipeline.evaluation.sts_rows import SCALE, judged_task, table_rows

FILE = re.compile(r"stsb-([a-z]{2,3})-(?P<split>train|dev|test)\.csv")


class StsB(PublishedBenchmark):
    """stsb-multi-mt's ``stsb-<xx>-<split>.csv``: two sentences and a score of 0 to 5, without a header."""

    kind: Literal["stsb"] = "stsb"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="stsb",
            kind="stsb",
            about="STS benchmark, English and machine-translated into nine languages",
            home="https://github.com/PhilipMay/stsb-multi-mt",
            licence="as the STS benchmark's (see its README)",
            files=pinned_files(Path(__file__).with_suffix(".json")),
        ),
    )
    file_language: ClassVar[re.Pattern[str] | None] = FILE

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        found = {
            match[1]: path
            for path in sorted(folder.glob("stsb-*.csv"))
            if (match := FILE.fullmatch(path.name)) is not None and match["split"] == self.split
        }
        if not found:
            raise InputError(folder, f"no file here is named like stsb-en-{self.split}.csv, as in stsb-multi-mt")
        tasks = []
        for code, language in choose_languages(found, languages).items():
            rows = list(table_rows(found[code], ",", None))
            tasks.append(judged_task(language, language, language, rows, SCALE, "pairs"))
        if len({len(task.gold) for task in tasks}) > 1:  # not translations of one another: no joint bootstrap
            tasks = [Similarity(t.name, t.a, t.b, t.name, t.first, t.second, t.gold) for t in tasks]
        return tasks
