"""Tatoeba as LASER publishes it: sentences of many languages with their English translations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import Bitext, PublishedBenchmark, Task
from pipeline.evaluation.lines import choose_languages, read_lines, same_length
from pipeline.evaluation.published import BenchmarkSource, pinned_files

FILE = re.compile(r"tatoeba\.([a-z]{3})-eng\.\1")


class Tatoeba(PublishedBenchmark):
    """Pairs of ``tatoeba.<xxx>-eng.<xxx>`` and ``.eng``; English is side b, as in MTEB, and without it there is nothing."""

    kind: Literal["tatoeba"] = "tatoeba"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="tatoeba",
            kind="tatoeba",
            about="LASER's Tatoeba test, up to 1,000 sentences of 112 languages with English",
            home="https://github.com/facebookresearch/LASER",
            licence="CC-BY-2.0-FR",
            files=pinned_files(Path(__file__).with_suffix(".json")),
        ),
    )
    file_language: ClassVar[re.Pattern[str] | None] = re.compile(r"tatoeba\.([a-z]{3})-eng\..*")

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        codes = [found[1] for path in sorted(folder.glob("tatoeba.*")) if (found := FILE.fullmatch(path.name))]
        if not codes:
            raise InputError(folder, "no file here is named tatoeba.<xxx>-eng.<xxx>, as in LASER's data/tatoeba/v1")
        tasks: list[Task] = []
        for code, language in choose_languages(codes, languages).items():
            files = [
                (path, read_lines(path)) for path in (folder / f"tatoeba.{code}-eng.{end}" for end in (code, "eng"))
            ]
            same_length(files)
            name = f"{language}-en"
            tasks.append(Bitext(name, language, "en", name, files[0][1], files[1][1]))
        return tasks if languages is None or "en" in languages else []
