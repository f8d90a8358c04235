"""BUCC-like sets of real parallel text, and training text that shares no sentence with them.

    python bench/bucc.py --corpora ../shared/corpora/train --folder /tmp/bucc --pairs en-fr en-ru

Reads ``<corpora>/<a>-<b>/*.tsv.zst`` (``a TAB b``). Pairs are split by a hash of the first side's normal form: some go to
``<folder>/text/<a>-<b>.tsv`` for training (of all language pairs), the others are held out. Of these, pairs one of whose
sides stands in the training text are left out: a student trained on it has seen no sentence of the sets.

The sets are ``<folder>/sets/<a>-<b>.{training,test}.{<a>,<b>,gold}``, with 2.5 % gold as BUCC's. Unlike in `softalign bucc
make`, side a's sentences without a translation come from the held-out sentences of other language pairs first, and only
then from pairs whose side b is not used; so more sentences of side b can be.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import hashlib
import re
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.mining.judging.bucc import GOLD_SHARE, BuccSet, Sentences, write_set
from pipeline.mining.outputs import one_line

Pair = tuple[str, str]


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of a language pair, in the order of files and lines."""
    found = []
    for path in sorted(folder.glob("*.tsv.zst")):
        text = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read().decode()
        for line in text.split("\n"):
            a, tab, b = line.partition("\t")
            if tab and a.strip() and b.strip():
                found.append((one_line(a), one_line(b).replace("\t", " ")))
    return found


def normal_form(text: str) -> str:
    """A text without case, punctuation and spaces."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def heldout(text: str, share: float) -> bool:
    """Whether a sentence's normal form is among the share held out."""
    digest = hashlib.blake2b(normal_form(text).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def unique(pairs: list[Pair], seen: list[set[str]]) -> list[Pair]:
    """Pairs of which neither side's normal form was seen before; what is kept is seen."""
    kept = []
    for pair in pairs:
        forms = [normal_form(side) for side in pair]
        if all(form and form not in sides for form, sides in zip(forms, seen, strict=True)):
            kept.append(pair)
            for form, sides in zip(forms, seen, strict=True):
                sides.add(form)
    return kept


def make_set(pairs: list[Pair], others: list[str], languages: Pair, seed: int) -> BuccSet:
    """A set whose side b is the second sides of all pairs, and side a as many: the planted pairs' and others'."""
    generator = np.random.default_rng(seed)
    gold = round(GOLD_SHARE * len(pairs))
    order = generator.permutation(len(pairs))
    texts_a = [pairs[row][0] for row in order[:gold].tolist()] + others[: len(pairs) - gold]
    texts_b = [pairs[row][1] for row in order.tolist()]
    place_a, place_b = generator.permutation(len(texts_a)), generator.permutation(len(texts_b))
    sides = []
    for language, texts, place in zip(languages, (texts_a, texts_b), (place_a, place_b), strict=True):
        shuffled = [""] * len(texts)
        for text, where in zip(texts, place.tolist(), strict=True):
            shuffled[where] = text
        ids = [f"{language}-{number:09d}" for number in range(1, len(texts) + 1)]
        sides.append(Sentences(Path(f"made.{language}"), ids, shuffled))
    pairs_of_rows = np.stack([place_a[:gold], place_b[:gold]], axis=1)
    return BuccSet(sides[0], sides[1], pairs_of_rows[np.argsort(pairs_of_rows[:, 0])])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pairs", nargs="+", default=["en-fr", "en-ru"], help="language pairs to make sets of")
    parser.add_argument("--share", type=float, default=0.75, help="of the pairs, held out")
    parser.add_argument("--test", type=float, default=0.8, help="of the held-out pairs, in the test set")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    held: dict[str, list[Pair]] = {}
    firsts: dict[str, set[str]] = {}
    seen_a: set[str] = set()
    seen_b: dict[str, set[str]] = {}
    (arguments.folder / "text").mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in arguments.corpora.iterdir() if path.is_dir()):
        pairs = read_pairs(folder)
        flags = [heldout(a, arguments.share) for a, _ in pairs]
        training = [pair for pair, flag in zip(pairs, flags, strict=True) if not flag]
        held[folder.name] = [pair for pair, flag in zip(pairs, flags, strict=True) if flag]
        firsts[folder.name] = {normal_form(a) for a, _ in pairs}
        seen_a |= {normal_form(a) for a, _ in training}
        seen_b[folder.name] = {normal_form(b) for _, b in training}
        lines = "".join(f"{a}\t{b}\n" for a, b in training)
        (arguments.folder / "text" / f"{folder.name}.tsv").write_text(lines, encoding="utf-8")
        print(f"{folder.name}: {len(pairs):,} pairs, {len(training):,} to train on", flush=True)
    for name in arguments.pairs:
        generator = np.random.default_rng(arguments.seed)
        pairs = unique(held[name], [set(seen_a), set(seen_b[name])])
        pairs = [pairs[row] for row in generator.permutation(len(pairs)).tolist()]
        rest = [(a, "") for other, found in held.items() if other != name for a, _ in found]
        taken = seen_a | firsts[name]
        others = list({form: a for a, _ in rest if (form := normal_form(a)) and form not in taken}.values())
        others = [others[row] for row in generator.permutation(len(others)).tolist()]
        end = min(len(pairs), (len(pairs) + len(others)) // 2)
        others += [a for a, _ in pairs[end:]]
        cut = round((1 - arguments.test) * end)
        languages = (name.split("-")[0], name.split("-")[1])
        for part, start, stop in (("training", 0, cut), ("test", cut, end)):
            made = make_set(pairs[start:stop], others[start:stop], languages, arguments.seed)
            write_set(arguments.folder / "sets" / f"{name}.{part}", made, *languages)
            gold = 0 if made.gold is None else len(made.gold)
            print(f"{name}.{part}: {len(made.a):,} and {len(made.b):,} sentences, {gold:,} gold pairs", flush=True)


if __name__ == "__main__":
    main()
