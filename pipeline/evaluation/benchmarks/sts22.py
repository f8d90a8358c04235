"""SemEval 2022 task 8, news similarity, as MTEB publishes it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import PublishedBenchmark, Task
from pipeline.evaluation.lines import read_lines
from pipeline.evaluation.published import BenchmarkSource
from pipeline.evaluation.sts_rows import RatedPair, json_rows, judged_task, table_rows, wanted_language

NEWS = re.compile(r"(?P<a>[a-z]{2})(?:-(?P<b>[a-z]{2}))?\.(?P<form>jsonl|jsonl\.gz|parquet|csv|tsv)")
MAX_BYTES = 256 << 20
"""Of a compressed file's text: the real ones have a few MB."""

NEWS_SCALE = (1.0, 4.0)


class NewsSts(PublishedBenchmark):
    """SemEval 2022 task 8 in MTEB's files, one a language or pair: ``de.jsonl.gz``, ``de-en.parquet``, ….

    SemEval itself publishes addresses of articles, not their text. Columns ``sentence1``, ``sentence2``, ``score`` (1 to 4,
    greater for more similar). Rows without text on either side are left out, as in MTEB's second version.
    """

    kind: Literal["sts22"] = "sts22"
    published: ClassVar[tuple[BenchmarkSource, ...]] = (
        BenchmarkSource(
            name="sts22",
            kind="sts22",
            about="SemEval 2022 task 8: news articles in 18 languages and pairs",
            home="https://huggingface.co/datasets/mteb/sts22-crosslingual-sts",
            licence="see its page",
            by_hand=(
                "`hf download --repo-type dataset mteb/sts22-crosslingual-sts --revision "
                "d31f33a128469b20e357535c39b82fb3c3f6f2bd --local-dir DIR`; the folder that holds the test "
                "files is the benchmark's"
            ),
        ),
    )

    def tasks(self, folder: Path, languages: Sequence[str] | None) -> Sequence[Task]:
        """See `PublishedBenchmark.tasks`."""
        tasks: list[Task] = []
        seen = False
        for path in sorted(folder.iterdir()):
            if (match := NEWS.fullmatch(path.name)) is None:
                continue
            seen = True
            a, b = (wanted_language(code, languages) for code in (match["a"], match["b"] or match["a"]))
            if a is None or b is None:
                continue
            rows = [row for row in _any_form(path, match["form"]) if row.first and row.second]
            name = a if a == b else f"{a}-{b}"
            tasks.append(judged_task(name, a, b, rows, NEWS_SCALE, name))
        if not seen:
            raise InputError(folder, "no file here is named like de.jsonl.gz or de-en.parquet, as in MTEB's STS 22")
        return tasks


def _any_form(path: Path, form: str) -> Iterator[RatedPair]:
    columns = ("sentence1", "sentence2", "score")
    if form in {"csv", "tsv"}:
        yield from table_rows(path, "," if form == "csv" else "\t", columns)
    elif form == "parquet":
        try:
            table = pq.read_table(path, columns=list(columns))
            table.validate(full=True)
        except (OSError, LookupError, ValueError, TypeError, MemoryError, pa.ArrowException) as error:
            raise InputError(path, f"no Parquet with columns {', '.join(columns)} ({str(error)[:80]})") from None
        cells = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
        yield from (RatedPair(path, number, *row) for number, row in enumerate(cells, 1))
    elif form == "jsonl":
        yield from json_rows(path, read_lines(path), columns)
    else:
        try:
            with gzip.open(path) as opened:
                data = opened.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise InputError(path, f"gives over {MAX_BYTES >> 20} MiB; expected a benchmark's sentences")
            yield from json_rows(path, data.decode("utf-8").split("\n"), columns)
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise InputError(path, f"can't be read as gzip of UTF-8 ({error})") from None
