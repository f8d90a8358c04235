"""Real sentences to measure with: a folder of ``<a>-<b>/*.tsv.zst``, or the documentation of the default run."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import zstandard

SEED = 20240523
PARTS = ("sentences", "pairs", "monolingual", "heldout", "rejects")


def read_pairs(source: Path | None, pair: str) -> list[tuple[str, str]]:
    """The different sentence pairs of a language pair, in an order that only the seed and the text decide."""
    a, b = pair.split("-")
    rows: list[tuple[str, str]] = []
    if source is None:
        rows = _documentation(a, b)
    else:
        for path in sorted((source / pair).glob("*.tsv.zst")):
            with zstandard.open(path, "rt", encoding="utf-8") as opened:
                rows += [(left, right) for left, _, right in (line.rstrip("\n").partition("\t") for line in opened)]
    rows = sorted(set(rows))
    random.Random(SEED).shuffle(rows)  # noqa: S311
    return rows


def read_sentences(source: Path | None, pairs: tuple[str, ...], side: int = 0) -> list[str]:
    """The different sentences of one side of some language pairs, shuffled."""
    texts = sorted({row[side] for pair in pairs for row in read_pairs(source, pair)})
    random.Random(SEED).shuffle(texts)  # noqa: S311
    return texts


def _documentation(a: str, b: str) -> list[tuple[str, str]]:
    """The default run's text, as stage prepare makes it."""
    from pipeline.artifacts.folders import TextFolder
    from pipeline.artifacts.pairs import PairFolder
    from pipeline.config.params import check_params
    from pipeline.prepare.prepare import PrepareOutputs, prepare

    corpus = {"name": "node-docs", "format": "node-docs", "package": "comfyui_embedded_docs", "heldout": False}
    raw = {"languages": [a, b], "pairs": [f"{a}-{b}"], "prepare": {"corpora": [corpus]}, "teacher": {"model": "none"}}
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        prepare(check_params(raw), out, PrepareOutputs(*(out / part for part in PARTS)))
        pairs = PairFolder(out / "pairs" / f"{a}-{b}")
        texts = {language: TextFolder(out / "sentences" / language) for language in (a, b)}
        return list(
            zip(texts[a].select(texts[a].rows_of(pairs.a)), texts[b].select(texts[b].rows_of(pairs.b)), strict=True)
        )
