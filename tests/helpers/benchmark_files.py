"""Tiny benchmarks in the forms in which the real ones are published, and an encoder that understands them.

A sentence is numbers and a language's mark; the encoder places it by its numbers, so translations are near each other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

DIMENSION = 12


def sentence(number: int, language: str) -> str:
    return f"{language} {number} word{number % 7} and some more text number {number * 13 % 101}"


def encode(texts: list[str]) -> np.ndarray:
    """Vectors that depend on a sentence's number, and a little on the whole text."""
    out = np.empty((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        number = int(text.split()[1]) if len(text.split()) > 1 else 0
        noise = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
        out[row] = np.random.default_rng(number).normal(size=DIMENSION)
        out[row] += 0.6 * np.random.default_rng(noise).normal(size=DIMENSION)
    return out


def lines(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def write_tatoeba(folder: Path, codes: tuple[str, ...] = ("fra", "jpn"), rows: int = 40) -> Path:
    for code in codes:
        lines(folder / f"tatoeba.{code}-eng.{code}", [sentence(n, code) for n in range(rows)])
        lines(folder / f"tatoeba.{code}-eng.eng", [sentence(n, "eng") for n in range(rows)])
    return folder


def write_flores(folder: Path, codes: tuple[str, ...] = ("eng_Latn", "fra_Latn", "kor_Hang"), rows: int = 30) -> Path:
    for code in codes:
        lines(folder / f"{code}.devtest", [sentence(n, code) for n in range(rows)])
    return folder


def write_stsb(folder: Path, codes: tuple[str, ...] = ("en", "fr"), rows: int = 40) -> Path:
    for code in codes:
        cells = [f'"{sentence(n, code)}, 1",{sentence(n + n % 5, code)},{5.0 - n % 5}' for n in range(rows)]
        lines(folder / f"stsb-{code}-test.csv", cells)
    return folder


def write_korsts(folder: Path, rows: int = 20) -> Path:
    head = ["genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2"]
    cells = [
        f'g\tf\t2012\t{n}\t{5.0 - n % 5:.3f}\t{sentence(n, "ko")} "{n}\t{sentence(n + n % 5, "ko")}'
        for n in range(rows)
    ]
    lines(folder / "sts-test.tsv", head + cells)
    return folder


def write_bucc(folder: Path, rows: int = 60, gold: int = 20) -> Path:
    """Two sets; of each side's rows the first ``gold`` have a translation."""
    for offset, name in ((0, "training"), (1000, "test")):
        for code, shift in (("fr", 0), ("en", 500)):
            numbers = [offset + n + (shift if n >= gold else 0) for n in range(rows)]
            texts = [f"{code}-{n:09d}\t{sentence(number, code)}" for n, number in enumerate(numbers)]
            lines(folder / "fr-en" / f"fr-en.{name}.{code}", texts)
        lines(folder / "fr-en" / f"fr-en.{name}.gold", [f"fr-{n:09d}\ten-{n:09d}" for n in range(gold)])
    return folder
