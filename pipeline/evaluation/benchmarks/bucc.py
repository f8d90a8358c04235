"""BUCC 2018: the real task, mining."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.evaluation.benchmark import Mining, PublishedBenchmark, Task
from pipeline.evaluation.bucc_files import bucc_pairs, with_gold
from pipeline.evaluation.published import BenchmarkSource


class Bucc(PublishedBenchmark):
    """BUCC 2018's ``<a>-<b>.{training,test}.{<a>,<b>,gold}``: the threshold is tuned on the training gold."""

    kind: Literal["bucc"] = "bucc"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="bucc",
            kind="bucc",
            about="BUCC 2018: mining among sentences most of which have no translation, en with de fr ru zh",
            home="https://comparable.limsi.fr/bucc2018/bucc2018-task.html",
            licence="research use (see its page)",
            by_hand=(
                "get the sample, training-gold and test archives of a language pair and unpack them into "
                "one folder: <a>-<b>.training.<a>, .training.<b>, .training.gold and the same of test (the "
                "test gold is had from the organisers)"
            ),
        ),
    )

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        return [
            Mining(f"{a}-{b}", a, b, f"{a}-{b}", *(with_gold(place, name, *codes) for name in ("training", "test")))
            for place, codes, a, b in bucc_pairs(folder, languages)
        ]
