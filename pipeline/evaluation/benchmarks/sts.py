"""SemEval STS 2012 to 2017."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.lines import read_lines, same_length
from pipeline.evaluation.published import BenchmarkSource
from pipeline.evaluation.sts_rows import SCALE, RatedPair, judged_task, wanted_language

TRACK = re.compile(r"track[0-9]+[a-z]?\.(?P<a>[a-z]{2})-(?P<b>[a-z]{2})")


class SemEvalSts(PublishedBenchmark):
    """SemEval 2012 to 2017: ``STS.input.<part>.txt`` and ``STS.gs.<part>.txt``, line by line, in any subfolder.

    A pair whose gold line is empty was not judged and is left out, as the organisers' own scorer does. Of 2017 the part
    says the languages (``track4a.es-en``) and is a task of its own. All others are English, and a folder's parts are
    joined into one task, as MTEB does (SemEval itself took means over parts).
    """

    kind: Literal["sts"] = "sts"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="sts12-16",
            kind="sts",
            about="SemEval STS 2012 to 2016, English",
            home="https://ixa2.si.ehu.eus/stswiki",
            licence="see its pages",
            by_hand=(
                "get each year's test archive with gold standard, and unpack one year into one folder: "
                "STS.input.*.txt and STS.gs.*.txt"
            ),
        ),
        BenchmarkSource(
            name="sts17",
            kind="sts",
            about="SemEval STS 2017: ar en es tr, within and across languages",
            home="https://alt.qcri.org/semeval2017/task1/index.php?id=data-and-tools",
            licence="see its pages",
            by_hand="get sts2017.eval.v1.1.zip and sts2017.gs.zip, and unpack both into one folder",
        ),
    )

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        inputs = sorted(folder.rglob("STS.input.*.txt"))
        if not inputs:
            raise InputError(folder, "no file here is named like STS.input.MSRpar.txt, as in SemEval's STS")
        joined: dict[Path, list[RatedPair]] = {}
        tracks: dict[str, tuple[str, str, list[RatedPair]]] = {}
        for path in inputs:
            part = path.name.removeprefix("STS.input.").removesuffix(".txt")
            track = TRACK.fullmatch(part)
            codes = (track["a"], track["b"]) if track else ("en", "en")
            a, b = (wanted_language(code, languages) for code in codes)
            if a is None or b is None:
                continue
            if track is None:
                joined.setdefault(path.parent, []).extend(_semeval_rows(path, part))
            else:
                name = a if a == b else f"{a}-{b}"
                tracks[part if name in tracks else name] = (a, b, list(_semeval_rows(path, part)))
        english = {"en" if len(joined) == 1 else path.name: ("en", "en", rows) for path, rows in joined.items()}
        return [judged_task(name, a, b, rows, SCALE, name) for name, (a, b, rows) in {**english, **tracks}.items()]


def _semeval_rows(path: Path, part: str) -> Iterator[RatedPair]:
    gold = _gold_beside(path, part)
    lines, scores = read_lines(path), read_lines(gold)
    same_length([(path, lines), (gold, scores)])
    for number, (line, score) in enumerate(zip(lines, scores, strict=True), 1):
        if not score.strip():
            continue
        cells = line.split("\t")
        if len(cells) < 2:
            raise InputError(path, f"found {line[:60]!r}; expected two sentences with a tab between them", number)
        yield RatedPair(gold, number, cells[0], cells[1], score.split("\t")[0])


def _gold_beside(path: Path, part: str) -> Path:
    name = f"STS.gs.{part}.txt"
    if (gold := path.with_name(name)).exists():
        return gold
    # 2017's gold files lie in a folder of their own, beside that of the inputs.
    for found in sorted(path.parent.parent.glob(f"*/{name}")):
        return found
    raise InputError(path, f"its gold scores {name} are not here, nor in a folder beside")
