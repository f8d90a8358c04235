"""The sentences on which an export is compared with the original."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.artifacts.folders import TextFolder
from pipeline.console.errors import InputError
from pipeline.encoders.tokenization import TextTokenizer

SIZE = 512
"""Sentences of a sample."""

LONGEST = 24
"""Tokens of a sentence that is drawn from a vocabulary."""


@dataclass(frozen=True)
class ExportSample:
    """Sentences, and where they come from."""

    texts: Sequence[str]  # at most `SIZE` sentences
    source: str  # where they come from, for the metadata: never a path


def sample_of_file(path: Path) -> ExportSample:
    """The first `SIZE` lines of a UTF-8 text file that hold anything.

    Raises:
        InputError: if it can't be read, or holds fewer than two different lines.
    """
    try:
        with path.open(encoding="utf-8") as opened:
            texts = list(islice((line.strip() for line in opened if line.strip()), SIZE))
    except FileNotFoundError:
        raise InputError(path, "no such file; expected a sentence a line (`--sample`)") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 ({error.reason} at byte {error.start})") from None
    if len(set(texts)) < 2:
        raise InputError(path, f"found {len(set(texts))} different lines, expected at least 2 (`--sample`)")
    return ExportSample(texts, "a file of the user's")


def sample_of_folders(folders: Iterable[Path]) -> ExportSample | None:
    """As many sentences of each language's held-out text, evenly spaced over its keys; None where there is no text.

    Args:
        folders: folders of shards with a column ``text``; those that don't exist are left out.
    """
    there = [folder for folder in folders if any(folder.glob("*.arrow"))]
    texts: list[str] = []
    for folder in there:
        opened = TextFolder(folder)
        count = min(len(opened), SIZE // len(there))
        texts += opened.select(np.linspace(0, len(opened) - 1, count).astype(np.int64)) if count else []
    return ExportSample(texts, "held-out text of the project") if len(set(texts)) > 1 else None


def sample_of_vocabulary(tokenizer: TextTokenizer, seed: int = 0) -> ExportSample:
    """Strings of random tokens, for a model of which no text is known: not language, but every token may occur."""
    random = np.random.default_rng(seed)
    size = tokenizer.backend.get_vocab_size()
    drawn = [random.integers(0, size, random.integers(1, LONGEST)).tolist() for _ in range(SIZE)]
    texts = [tokenizer.backend.decode(ids, skip_special_tokens=True) for ids in drawn]
    return ExportSample([text for text in texts if text.strip()], "random tokens of the model's vocabulary")
