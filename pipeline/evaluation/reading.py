"""From a benchmark's published files to its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.aligned import read_flores, read_ntrex, read_tatoeba
from pipeline.evaluation.benchmark import Benchmark, Kind, Mining, Task, TopOne
from pipeline.evaluation.lines import choose_languages
from pipeline.evaluation.semeval import read_news, read_semeval
from pipeline.evaluation.sts import read_jsts, read_korsts, read_stsb
from pipeline.mining.judging.bucc import BuccSet, read_set

KINDS: tuple[Kind, ...] = (
    "tatoeba", "flores", "ntrex", "bucc", "bucc-retrieval", "stsb", "korsts", "jsts", "sts", "sts22",
)  # fmt: skip


def read_benchmark(
    name: str, kind: Kind, folder: Path, languages: Sequence[str] | None = None, split: str = "test"
) -> Benchmark:
    """Read a benchmark from its files as published. Holds its sentences in memory.

    Args:
        name: what results call it.
        kind: whose files they are.
        folder: where they are.
        languages: only tasks whose languages are all among these canonical codes; all if None.
        split: for benchmarks that have several.

    Raises:
        InputError: if files are missing, of different lengths or of another form; the line names file and line.
        UserError: if no task has only wanted languages.
    """
    if not folder.is_dir():
        raise InputError(folder, f"no such folder; expected the files of {name} ({kind})")
    tasks = _tasks(kind, folder, languages, split)
    if not tasks:
        wanted = ", ".join(languages or [])
        raise UserError(f"{name}: {folder} holds nothing in the languages {wanted}; a task needs both of its languages")
    return Benchmark(name, kind, tuple(tasks))


def _tasks(kind: Kind, folder: Path, languages: Sequence[str] | None, split: str) -> Sequence[Task]:
    match kind:
        case "tatoeba":
            return read_tatoeba(folder, languages)
        case "flores":
            return read_flores(folder, languages, split)
        case "ntrex":
            return read_ntrex(folder, languages)
        case "bucc":
            return [_mining(folder, *found) for found in _bucc_pairs(folder, languages)]
        case "bucc-retrieval":
            return [_top_one(folder, *found) for found in _bucc_pairs(folder, languages)]
        case "stsb":
            return read_stsb(folder, languages, split)
        case "korsts":
            return read_korsts(folder, languages, split)
        case "jsts":
            return read_jsts(folder, languages, split)
        case "sts":
            return read_semeval(folder, languages)
        case "sts22":
            return read_news(folder, languages)


def _bucc_pairs(folder: Path, languages: Sequence[str] | None) -> list[tuple[Path, str, str, str, str]]:
    """Of each ``<a>-<b>.training.gold`` in the folder or below: its folder, the codes, and the languages they mean."""
    found = []
    for gold in sorted(folder.rglob("*.training.gold")):
        a, _, b = gold.name.removesuffix(".training.gold").partition("-")
        named = choose_languages([a, b], languages)
        if a in named and b in named:
            found.append((gold.parent, a, b, named[a], named[b]))
    if not found and not any(folder.rglob("*.training.gold")):
        raise InputError(folder, "no file here is named like fr-en.training.gold, as in BUCC 2018")
    return found


def _with_gold(folder: Path, name: str, a: str, b: str) -> BuccSet:
    found = read_set(folder / f"{a}-{b}.{name}", a, b)
    if found.gold is None:
        raise InputError(folder / f"{a}-{b}.{name}.gold", "no such file; expected the gold pairs of ids")
    if len(found.gold) == 0:
        raise InputError(folder / f"{a}-{b}.{name}.gold", "holds no pairs; expected `id TAB id` lines")
    return found


def _mining(_root: Path, folder: Path, code_a: str, code_b: str, a: str, b: str) -> Mining:
    training, test = (_with_gold(folder, name, code_a, code_b) for name in ("training", "test"))
    return Mining(f"{a}-{b}", a, b, f"{a}-{b}", training, test)


def _top_one(_root: Path, folder: Path, code_a: str, code_b: str, a: str, b: str) -> TopOne:
    """Of the training set, as MTEB has it: its authors held only that one's gold pairs."""
    made = _with_gold(folder, "training", code_a, code_b)
    gold = made.gold if made.gold is not None else np.empty((0, 2), dtype=np.int64)
    queries = [made.a.texts[row] for row in gold[:, 0].tolist()]
    return TopOne(f"{a}-{b}", a, b, f"{a}-{b}", queries, made.b.texts, gold[:, 1])
