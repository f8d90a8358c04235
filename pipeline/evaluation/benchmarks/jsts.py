"""JSTS of JGLUE: pairs of Japanese image captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.lines import read_lines
from pipeline.evaluation.published import BenchmarkSource, PinnedFile
from pipeline.evaluation.sts_rows import SCALE, json_rows, judged_task


class Jsts(PublishedBenchmark):
    """JGLUE's ``train-v1.*.json`` or ``valid-v1.*.json``: ``sentence1``, ``sentence2``, ``label``, an object a line.

    Its test set has no public scores: ``test`` and ``dev`` mean the validation set, as in MTEB.
    """

    kind: Literal["jsts"] = "jsts"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="jsts",
            kind="jsts",
            about="JGLUE's JSTS: pairs of Japanese image captions",
            home="https://github.com/yahoojapan/JGLUE",
            licence="CC-BY-SA-4.0",
            files=(
                PinnedFile(
                    "valid-v1.3.json",
                    "https://raw.githubusercontent.com/yahoojapan/JGLUE/6f071c09316baae89c3d083a90985b4b1cb9968c/datasets/jsts-v1.3/valid-v1.3.json",
                    372253,
                    "7c0bdcb381179f01096c635d058853d96da1e1248d23fe3f5c2beed5dc2d9b1a",
                ),
            ),
        ),
    )

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        if languages is not None and "ja" not in languages:
            return []
        paths = sorted(folder.glob("valid-v*.json"))
        if not paths:
            raise InputError(folder, "no file here is named like valid-v1.1.json, as in JGLUE's JSTS")
        rows = list(json_rows(paths[-1], read_lines(paths[-1]), ("sentence1", "sentence2", "label")))
        return [judged_task("ja", "ja", "ja", rows, SCALE, "pairs")]
