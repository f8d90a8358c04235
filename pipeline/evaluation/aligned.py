"""Benchmarks of aligned sentences: Tatoeba as LASER publishes it, FLORES-200 and NTREX-128."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.evaluation.benchmark import Bitext
from pipeline.evaluation.lines import choose_languages, read_lines, same_length

TATOEBA = re.compile(r"tatoeba\.([a-z]{3})-eng\.\1")
FLORES = re.compile(r"(?P<code>[a-z]{3}_[A-Z][a-z]{3})\.(?P<split>dev|devtest)")
NTREX = re.compile(r"newstest2019-(?:ref|src)\.(?P<code>[A-Za-z-]+)\.txt")


def read_tatoeba(folder: Path, languages: Sequence[str] | None) -> list[Bitext]:
    """Pairs of ``tatoeba.<xxx>-eng.<xxx>`` and ``.eng``; English is side b, as in MTEB.

    Args:
        folder: the folder that holds the files; others in it are left alone.
        languages: the wanted languages; all if None. Without English among them there is nothing.

    Raises:
        InputError: if there are no such files, or the two of a pair differ in length.
    """
    codes = [found[1] for path in sorted(folder.glob("tatoeba.*")) if (found := TATOEBA.fullmatch(path.name))]
    if not codes:
        raise InputError(folder, "no file here is named tatoeba.<xxx>-eng.<xxx>, as in LASER's data/tatoeba/v1")
    tasks = []
    for code, language in choose_languages(codes, languages).items():
        files = [(path, read_lines(path)) for path in (folder / f"tatoeba.{code}-eng.{end}" for end in (code, "eng"))]
        same_length(files)
        name = f"{language}-en"
        tasks.append(Bitext(name, language, "en", name, files[0][1], files[1][1]))
    return tasks if languages is None or "en" in languages else []


def read_flores(folder: Path, languages: Sequence[str] | None, split: str) -> list[Bitext]:
    """Every two languages of FLORES' ``<xxx_Xxxx>.dev`` or ``.devtest``.

    Args:
        folder: the folder that holds the files of one split.
        languages: the wanted languages; all if None.
        split: the split's name, ``dev`` or ``devtest``; ``test`` is devtest.

    Raises:
        InputError: if there are no such files, or they differ in length.
    """
    split = "devtest" if split == "test" else split
    found = {
        match["code"]: path
        for path in sorted(folder.glob(f"*.{split}"))
        if (match := FLORES.fullmatch(path.name)) is not None
    }
    if not found:
        raise InputError(folder, f"no file here is named like eng_Latn.{split}, as in FLORES-200")
    return _all_pairs(found, languages)


def read_ntrex(folder: Path, languages: Sequence[str] | None) -> list[Bitext]:
    """Every two languages of NTREX' ``newstest2019-src.eng.txt`` and ``newstest2019-ref.<xxx>.txt``.

    A second reference (``ref-2``) is left out; the source stands for English before the references ``eng-US``, ….

    Raises:
        InputError: if there are no such files, or they differ in length.
    """
    found = {
        match["code"]: path
        for path in sorted(folder.glob("newstest2019-*.txt"))
        if (match := NTREX.fullmatch(path.name)) is not None
    }
    if not found:
        raise InputError(folder, "no file here is named like newstest2019-ref.fra.txt, as in NTREX-128")
    return _all_pairs(found, languages)


def _all_pairs(found: dict[str, Path], languages: Sequence[str] | None) -> list[Bitext]:
    texts = {language: (found[code], read_lines(found[code]))
             for code, language in choose_languages(found, languages).items()}  # fmt: skip
    if len(texts) > 1:
        same_length(list(texts.values()))
    order = [language for language in languages or sorted(texts) if language in texts]
    return [Bitext(f"{a}-{b}", a, b, "lines", texts[a][1], texts[b][1], xsim=True) for a, b in combinations(order, 2)]
