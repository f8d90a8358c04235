"""The files of the BUCC 2018 shared task, and a maker of sets like its own from any parallel text.

A set is two files of ``id TAB sentence``, one a language, and a gold file of ``id TAB id`` lines, the first language's
id first. Among many sentences without a translation, 2 to 3 % of each side have one; a miner has to find which, with a
threshold that was tuned on another set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import InputError
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import write_text
from pipeline.mining.outputs import one_line
from pipeline.mining.retrieval import Candidates

GOLD_SHARE = 0.025

OFFSET_SHARE = 0.5
"""If so many gold pairs are mined when ids are moved by one, and hardly any as they stand, the ids are off by one."""


@dataclass(frozen=True)
class Sentences:
    """One side of a set.

    Attributes:
        path: the file, for messages.
        ids: the sentences' ids [n], as in the file.
        texts: the sentences [n].
    """

    path: Path
    ids: list[str]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class BuccSet:
    """Two sides and which pairs of their rows are translations.

    Attributes:
        a: the first language's sentences.
        b: the second language's.
        gold: pairs of rows [g, 2], or None where the gold is not known.
    """

    a: Sentences
    b: Sentences
    gold: Rows | None


def read_sentences(path: Path) -> Sentences:
    """Read ``id TAB sentence`` lines; a further tab belongs to the sentence.

    Raises:
        InputError: for a missing file, text that isn't UTF-8, a line without a tab, an empty or a repeated id.
    """
    ids: list[str] = []
    texts: list[str] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        name, tab, text = line.partition("\t")
        if not tab or not name:
            raise InputError(path, f"found {line[:60]!r}; expected an id, a tab and a sentence", number)
        if (first := seen.setdefault(name, number)) != number:
            raise InputError(path, f"the id {name!r} stands on line {first} already; expected each id once", number)
        ids.append(name)
        texts.append(text)
    return Sentences(path, ids, texts)


def read_gold(path: Path, a: Sentences, b: Sentences) -> Rows:
    """Read ``id TAB id`` lines as pairs of rows [g, 2], in the order of the file.

    Raises:
        InputError: for a missing file, a line of another form, an id that its side doesn't have, or a repeated pair.
    """
    rows_a, rows_b = ({name: row for row, name in enumerate(side.ids)} for side in (a, b))
    pairs: dict[tuple[int, int], int] = {}
    for number, *names in read_ids(path):
        for name, rows, others, side in ((names[0], rows_a, rows_b, a), (names[1], rows_b, rows_a, b)):
            if name not in rows:
                hint = " (the other side has it: are the columns exchanged?)" if name in others else ""
                raise InputError(path, f"the id {name!r} is not in {side.path}{hint}", number)
        pair = rows_a[names[0]], rows_b[names[1]]
        if (first := pairs.setdefault(pair, number)) != number:
            raise InputError(path, f"this pair stands on line {first} already; expected each pair once", number)
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def read_ids(path: Path) -> Iterator[tuple[int, str, str]]:
    """The line numbers and ids of ``id TAB id`` lines.

    Raises:
        InputError: for a missing file, text that isn't UTF-8, or a line of another form.
    """
    for number, line in _lines(path):
        a, tab, b = line.partition("\t")
        if not tab or not a or not b or "\t" in b:
            raise InputError(path, f"found {line[:60]!r}; expected two ids with a tab between them", number)
        yield number, a, b


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as opened:
            for number, line in enumerate(opened, 1):
                if stripped := line.rstrip("\r\n"):
                    yield number, stripped
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 ({error.reason})") from None


def read_set(stem: Path, a: str, b: str) -> BuccSet:
    """Read ``<stem>.<a>``, ``<stem>.<b>`` and, where it exists, ``<stem>.gold``.

    Raises:
        InputError: if a file can't be read (`read_sentences`, `read_gold`).
    """
    side_a, side_b = (read_sentences(stem.with_name(f"{stem.name}.{language}")) for language in (a, b))
    gold = stem.with_name(f"{stem.name}.gold")
    return BuccSet(side_a, side_b, read_gold(gold, side_a, side_b) if gold.exists() else None)


def write_set(stem: Path, made: BuccSet, a: str, b: str) -> None:
    """Write the files that `read_set` reads; what would end a line in a sentence becomes a space."""
    for language, side in ((a, made.a), (b, made.b)):
        rows = zip(side.ids, side.texts, strict=True)
        text = "".join(f"{name}\t{one_line(sentence)}\n" for name, sentence in rows)
        write_text(stem.with_name(f"{stem.name}.{language}"), text)
    if made.gold is not None:
        write_pairs(stem.with_name(f"{stem.name}.gold"), made.gold, made.a, made.b)


def write_pairs(path: Path, pairs: Rows, a: Sentences, b: Sentences) -> None:
    """Write pairs of rows [p, 2] as ``id TAB id`` lines, as the task's gold and submissions are."""
    write_text(path, "".join(f"{a.ids[i]}\t{b.ids[j]}\n" for i, j in pairs.tolist()))


def gold_flags(pairs: Candidates, gold: Rows) -> NDArray[np.bool_]:
    """Whether each pair [p] is one of the gold pairs [g, 2]."""
    return _among(pairs.row_a, pairs.row_b, gold)


def _among(row_a: Rows, row_b: Rows, gold: Rows) -> NDArray[np.bool_]:
    width = int(max(row_b.max(initial=0), gold[:, 1].max(initial=0))) + 1
    return np.isin(row_a * width + row_b, gold[:, 0] * width + gold[:, 1])


def check_offset(path: Path, pairs: Candidates, gold: Rows) -> None:
    """Refuse gold whose ids are all known but moved by one against the sentences.

    Args:
        path: the gold file, for the message.
        pairs: mined pairs, without a threshold.
        gold: gold pairs of rows [g, 2].

    Raises:
        InputError: if at least half of the gold pairs are mined when one side is moved by a line, and under a tenth of
            them as they stand.
    """
    if len(gold) == 0 or gold_flags(pairs, gold).sum() >= 0.1 * len(gold):
        return
    for side, name in ((0, "first"), (1, "second")):
        for step in (-1, 1):
            moved = gold.copy()
            moved[:, side] += step
            if gold_flags(pairs, moved[moved[:, side] >= 0]).sum() >= OFFSET_SHARE * len(gold):
                raise InputError(
                    path,
                    f"the {name} ids look off by one: hardly any gold pair is mined, but most are when they are moved "
                    f"by {step:+d} line",
                )


def make_set(
    texts_a: Sequence[str],
    texts_b: Sequence[str],
    languages: tuple[str, str],
    seed: int,
    gold_share: float = GOLD_SHARE,
) -> BuccSet:
    """A BUCC-like set from parallel text: some pairs planted, of all others one side only.

    Repeated sentences are left out first (each text is used once on its side), so the gold is all there is. Of n unique
    pairs, g = n·s/(2 - s) stay whole, half of the others give their sentence of side a and half that of side b: both
    sides have (n + g)/2 sentences, of which the share s is gold. Sentences are shuffled and numbered as BUCC's are.

    Args:
        texts_a: the pairs' sentences of the first language [p].
        texts_b: their translations [p].
        languages: the languages of the two sides, for ids.
        seed: the seed of the choice and of the order.
        gold_share: the share s.

    Raises:
        ValueError: if the texts differ in number.
    """
    if len(texts_a) != len(texts_b):
        raise ValueError(f"{len(texts_a)} sentences on side a, {len(texts_b)} on side b; expected pairs")
    unique = unique_pairs(texts_a, texts_b)
    generator = np.random.default_rng(seed)
    order = generator.permutation(unique)
    planted = max(1, round(len(order) * gold_share / (2 - gold_share))) if len(order) else 0
    half = planted + (len(order) - planted) // 2
    from_a = generator.permutation(order[:half])
    from_b = generator.permutation(np.concatenate([order[:planted], order[half:]]))
    sides = [
        Sentences(
            Path(f"made.{language}"),
            [f"{language}-{number:09d}" for number in range(1, len(rows) + 1)],
            [one_line(texts[row]) for row in rows.tolist()],
        )
        for language, texts, rows in ((languages[0], texts_a, from_a), (languages[1], texts_b, from_b))
    ]
    place_a, place_b = np.argsort(from_a), np.argsort(from_b)
    chosen = np.sort(order[:planted])
    gold = np.stack(
        [
            place_a[np.searchsorted(from_a[place_a], chosen)],
            place_b[np.searchsorted(from_b[place_b], chosen)],
        ],
        axis=1,
    )
    return BuccSet(sides[0], sides[1], gold[np.argsort(gold[:, 0])])


def unique_pairs(texts_a: Sequence[str], texts_b: Sequence[str]) -> Rows:
    """The rows of pairs neither of whose texts stood in an earlier kept pair."""
    seen_a: set[str] = set()
    seen_b: set[str] = set()
    kept = []
    for row, (a, b) in enumerate(zip(texts_a, texts_b, strict=True)):
        a, b = one_line(a), one_line(b)
        if a in seen_a or b in seen_b or not a.strip() or not b.strip():
            continue
        seen_a.add(a)
        seen_b.add(b)
        kept.append(row)
    return np.array(kept, dtype=np.int64)
