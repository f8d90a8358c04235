"""SemEval's similarity benchmarks: STS 2012 to 2017, and news (2022) as MTEB publishes it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import Similarity
from pipeline.evaluation.lines import read_lines, same_length
from pipeline.evaluation.sts import SCALE
from pipeline.evaluation.sts_rows import RatedPair, json_rows, judged_task, table_rows
from pipeline.ground.languages import match_language

TRACK = re.compile(r"track[0-9]+[a-z]?\.(?P<a>[a-z]{2})-(?P<b>[a-z]{2})")
NEWS = re.compile(r"(?P<a>[a-z]{2})(?:-(?P<b>[a-z]{2}))?\.(?P<form>jsonl|jsonl\.gz|parquet|csv|tsv)")
MAX_BYTES = 256 << 20
"""Of a compressed file's text: the real ones have a few MB."""

NEWS_SCALE = (1.0, 4.0)


def read_semeval(folder: Path, languages: Sequence[str] | None) -> list[Similarity]:
    """SemEval's STS 2012 to 2017: ``STS.input.<part>.txt`` and ``STS.gs.<part>.txt``, line by line, in any subfolder.

    A pair whose gold line is empty was not judged and is left out, as the organisers' own scorer does. Of 2017 the part
    says the languages (``track4a.es-en``) and is a task of its own. All others are English, and a folder's parts are
    joined into one task, as MTEB does (SemEval itself took means over parts).

    Raises:
        InputError: if there are no such files, a gold file is missing or of another length, or a row is of another form.
    """
    inputs = sorted(folder.rglob("STS.input.*.txt"))
    if not inputs:
        raise InputError(folder, "no file here is named like STS.input.MSRpar.txt, as in SemEval's STS")
    joined: dict[Path, list[RatedPair]] = {}
    tracks: dict[str, tuple[str, str, list[RatedPair]]] = {}
    for path in inputs:
        part = path.name.removeprefix("STS.input.").removesuffix(".txt")
        # Parts of 2017 name their languages; all others are English.
        track = TRACK.fullmatch(part)
        codes = (track["a"], track["b"]) if track else ("en", "en")
        a, b = (_wanted(code, languages) for code in codes)
        if a is None or b is None:
            continue
        if track is None:
            joined.setdefault(path.parent, []).extend(_semeval_rows(path, part))
        else:
            name = a if a == b else f"{a}-{b}"
            tracks[part if name in tracks else name] = (a, b, list(_semeval_rows(path, part)))
    english = {"en" if len(joined) == 1 else path.name: ("en", "en", rows) for path, rows in joined.items()}
    return [judged_task(name, a, b, rows, SCALE, name) for name, (a, b, rows) in {**english, **tracks}.items()]


def _wanted(code: str, languages: Sequence[str] | None) -> str | None:
    return code if languages is None else match_language(code, tuple(languages))


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


def read_news(folder: Path, languages: Sequence[str] | None) -> list[Similarity]:
    """STS 22 (news similarity) as MTEB publishes it: a file a language or pair, ``de.jsonl.gz``, ``de-en.parquet``, ….

    SemEval itself publishes addresses of articles, not their text. Columns ``sentence1``, ``sentence2``, ``score`` (1 to 4,
    greater for more similar). Rows without text on either side are left out, as in MTEB's second version.

    Raises:
        InputError: if there are no such files, or one has a row of another form or a score out of range.
    """
    tasks = []
    seen = False
    for path in sorted(folder.iterdir()):
        if (match := NEWS.fullmatch(path.name)) is None:
            continue
        seen = True
        a, b = (_wanted(code, languages) for code in (match["a"], match["b"] or match["a"]))
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
