"""NTREX-128: news in 128 languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.aligned import all_pairs
from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.published import BenchmarkSource, pinned_files

FILE = re.compile(r"newstest2019-(?:ref|src)\.([A-Za-z-]+)\.txt")


class Ntrex(PublishedBenchmark):
    """Every two languages of NTREX' ``newstest2019-src.eng.txt`` and ``newstest2019-ref.<xxx>.txt``.

    A second reference (``ref-2``) is left out; the source stands for English before the references ``eng-US``, ….
    """

    kind: Literal["ntrex"] = "ntrex"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="ntrex",
            kind="ntrex",
            about="NTREX-128: 1,997 news sentences in 128 languages",
            home="https://github.com/MicrosoftTranslator/NTREX",
            licence="CC-BY-SA-4.0",
            files=pinned_files(Path(__file__).with_suffix(".json")),
        ),
    )
    file_language: ClassVar[re.Pattern[str] | None] = FILE

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        found = {
            match[1]: path
            for path in sorted(folder.glob("newstest2019-*.txt"))
            if (match := FILE.fullmatch(path.name)) is not None
        }
        if not found:
            raise InputError(folder, "no file here is named like newstest2019-ref.fra.txt, as in NTREX-128")
        return all_pairs(found, languages)
