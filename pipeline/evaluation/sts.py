"""Benchmarks of similarity that people judged: the STS benchmark in many languages, KorSTS and JSTS."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import Similarity
from pipeline.evaluation.lines import choose_languages, read_lines
from pipeline.evaluation.sts_rows import json_rows, judged_task, table_rows

STSB = re.compile(r"stsb-(?P<code>[a-z]{2,3})-(?P<split>train|dev|test)\.csv")
SCALE = (0.0, 5.0)


def read_stsb(folder: Path, languages: Sequence[str] | None, split: str) -> list[Similarity]:
    """stsb-multi-mt's ``stsb-<xx>-<split>.csv``: two sentences and a score of 0 to 5, without a header.

    Raises:
        InputError: if there are no such files, or one has a row of another form or a score out of range.
    """
    found = {
        match["code"]: path
        for path in sorted(folder.glob("stsb-*.csv"))
        if (match := STSB.fullmatch(path.name)) is not None and match["split"] == split
    }
    if not found:
        raise InputError(folder, f"no file here is named like stsb-en-{split}.csv, as in stsb-multi-mt")
    tasks = []
    for code, language in choose_languages(found, languages).items():
        rows = list(table_rows(found[code], ",", None))
        tasks.append(judged_task(language, language, language, rows, SCALE, "pairs"))
    if len({len(task.gold) for task in tasks}) > 1:  # not translations of one another: no joint bootstrap
        tasks = [Similarity(t.name, t.a, t.b, t.name, t.first, t.second, t.gold) for t in tasks]
    return tasks


def read_korsts(folder: Path, languages: Sequence[str] | None, split: str) -> list[Similarity]:
    """KorSTS' ``sts-<split>.tsv``: a header, and columns ``score``, ``sentence1``, ``sentence2``; quotes mean nothing.

    Raises:
        InputError: if there are no such files, or one has a row of another form or a score out of range.
    """
    if languages is not None and "ko" not in languages:
        return []
    rows = list(table_rows(folder / f"sts-{split}.tsv", "\t", ("sentence1", "sentence2", "score"), csv.QUOTE_NONE))
    return [judged_task("ko", "ko", "ko", rows, SCALE, "pairs")]


def read_jsts(folder: Path, languages: Sequence[str] | None, split: str) -> list[Similarity]:
    """JGLUE's ``train-v1.*.json`` or ``valid-v1.*.json``: ``sentence1``, ``sentence2``, ``label``, an object a line.

    Its test set has no public scores: ``test`` and ``dev`` mean the validation set, as in MTEB.

    Raises:
        InputError: if there are no such files, or one has a row of another form or a score out of range.
    """
    if languages is not None and "ja" not in languages:
        return []
    name = "train" if split == "train" else "valid"
    paths = sorted(folder.glob(f"{name}-v*.json"))
    if not paths:
        raise InputError(folder, f"no file here is named like {name}-v1.1.json, as in JGLUE's JSTS")
    rows = list(json_rows(paths[-1], read_lines(paths[-1]), ("sentence1", "sentence2", "label")))
    return [judged_task("ja", "ja", "ja", rows, SCALE, "pairs")]
