"""FLORES-200: sentences of Wikipedia in 204 languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.aligned import all_pairs
from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.published import BenchmarkSource, PinnedArchive

FILE = re.compile(r"([a-z]{3}_[A-Z][a-z]{3})\.(?:dev|devtest)")


class Flores(PublishedBenchmark):
    """Every two languages of FLORES' ``<xxx_Xxxx>.dev`` or ``.devtest`` (which ``test`` means)."""

    kind: Literal["flores"] = "flores"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="flores",
            kind="flores",
            about="FLORES-200: 997 (dev) and 1,012 (devtest) sentences of Wikipedia in 204 languages",
            home="https://github.com/facebookresearch/flores",
            licence="CC-BY-SA-4.0",
            archive=PinnedArchive(
                "https://dl.fbaipublicfiles.com/nllb/flores200_dataset.tar.gz",
                "b8b0b76783024b85797e5cc75064eb83fc5288b41e9654dabc7be6ae944011f6",
                re.compile(r"flores200_dataset/(?:dev|devtest)/([a-z]{3}_[A-Z][a-z]{3}\.(?:dev|devtest))"),
            ),
        ),
    )
    file_language: ClassVar[re.Pattern[str] | None] = FILE

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        split = "devtest" if self.split == "test" else self.split
        found = {
            match[1]: path
            for path in sorted(folder.glob(f"*.{split}"))
            if (match := FILE.fullmatch(path.name)) is not None
        }
        if not found:
            raise InputError(folder, f"no file here is named like eng_Latn.{split}, as in FLORES-200")
        return all_pairs(found, languages)
