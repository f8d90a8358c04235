"""The training text of the pretrained student in docs/experiments.md: short everyday sentences with several translations.

    python bench/e5_text.py --corpora ../shared/corpora/train --tokenizer FOLDER/tokenizer.json --out PROJECT/text
    python bench/e5_text.py … --most 40000       # for a GPU: every source, whatever its sentences' translations

Reads ``<corpora>/en-<language>/<source>.tsv.zst``. Of each source, at random, so many pairs of so many tokens a side at most;
then English sentences by what they are worth: those of Tatoeba with a Korean translation, those with several translations,
other ones of Tatoeba, game text with Korean. Every translation of a sentence is taken, so that the teacher reads few English
sentences for many pairs. Writes ``<out>/pool/en-<language>/<source>.tsv`` and, for the dev set, ``<out>/dev``.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
from tokenizers import Tokenizer

SHORT, LONG = 30, 60
SOURCES: dict[str, dict[str, tuple[int, int]]] = {
    "fr": {
        "manythings": (13_000, SHORT),
        "tatoeba_challenge_test": (3_000, SHORT),
        "cataclysm_dda": (1_500, SHORT),
        "shattered_pixel_dungeon": (1_000, SHORT),
        "freedroidrpg": (1_500, SHORT),
        "fillets": (1_000, SHORT),
        "renpy": (600, SHORT),
        "wesnoth": (1_500, LONG),
        "scratch": (600, SHORT),
        "mozilla_www": (800, LONG),
        "zero_ad": (1_000, LONG),
        "tico19": (1_200, LONG),
        "widelands": (600, LONG),
        "gnome_docs": (300, LONG),
    },
    "ja": {
        "manythings": (14_000, SHORT),
        "small_parallel_enja": (8_000, SHORT),
        "tatoeba_challenge_test": (5_000, SHORT),
        "cataclysm_dda": (2_500, SHORT),
        "shattered_pixel_dungeon": (1_200, SHORT),
        "renpy": (800, SHORT),
        "wesnoth": (2_000, LONG),
        "scratch": (800, SHORT),
        "mozilla_www": (1_200, LONG),
        "widelands": (800, LONG),
        "react_docs": (800, LONG),
        "stellarium": (500, LONG),
        "gnome_docs": (300, LONG),
    },
    "ko": {
        "tatoeba_kor": (9_999, SHORT),
        "tatoeba_challenge_test": (9_999, SHORT),
        "jhe": (9_999, LONG),
        "korean_news": (9_999, LONG),
        "cataclysm_dda": (7_000, SHORT),
        "shattered_pixel_dungeon": (4_000, SHORT),
        "renpy": (1_500, SHORT),
        "wesnoth": (3_000, LONG),
        "scratch": (2_000, SHORT),
        "mozilla_www": (2_000, LONG),
        "widelands": (2_500, LONG),
        "naev": (900, SHORT),
        "react_docs": (1_500, LONG),
        "openbible": (2_000, SHORT),
        "flare": (500, SHORT),
        "stellarium": (800, LONG),
        "gnome_docs": (400, LONG),
    },
    "ru": {
        "tatoeba_challenge_test": (15_000, SHORT),
        "cataclysm_dda": (3_000, SHORT),
        "shattered_pixel_dungeon": (1_000, SHORT),
        "freedroidrpg": (2_500, SHORT),
        "fillets": (1_200, SHORT),
        "renpy": (800, SHORT),
        "wesnoth": (2_000, LONG),
        "scratch": (600, SHORT),
        "mozilla_www": (1_000, LONG),
        "xquad": (1_500, LONG),
        "tico19": (1_200, LONG),
        "zero_ad": (1_000, LONG),
        "widelands": (600, LONG),
    },
}
"""Pairs taken of each source, and the longest side in tokens of the student's tokenizer, prefix included."""
DEV = {
    "fr": {"manythings": 500},
    "ja": {"manythings": 300, "tatoeba_challenge_test": 200},
    "ko": {"tatoeba_kor": 250, "tatoeba_challenge_test": 150},
    "ru": {"tatoeba_challenge_test": 500},
}
DOCUMENTATION = {
    "comprehensive_rust", "debian_descriptions", "debian_faq_maint_guide", "debian_handbook", "gimp_help", "gnome_docs",
    "installation_guide", "libreoffice_help", "mediawiki", "openbible", "python_docs", "quran", "react_docs", "tldr_pages",
    "warzone2100", "wordpress",
}  # fmt: skip
"""Sources of which a pretrained student needs less: terse or archaic, and much alike."""
TATOEBA = ("tatoeba_kor", "tatoeba_challenge_test", "manythings", "small_parallel_enja")
"""Sources of which a sentence's first translation counts, in this order; the others follow by name."""

Translations = dict[str, tuple[str, str]]
"""By language: the translation and its source."""
Text = dict[tuple[str, str], list[tuple[str, str]]]
"""Pairs by language and source."""


def everything(corpora: Path, tokenizer: Tokenizer, most: int, dev: Text) -> Text:
    """Of every source so many pairs at most, drawn at random, none of which is a dev pair."""
    generator = random.Random(20240523)  # noqa: S311 - no secret
    held = {pair for pairs in dev.values() for pair in pairs}
    text: Text = {}
    for language in SOURCES:
        for path in sorted((corpora / f"en-{language}").glob("*.tsv.zst")):
            source = path.name.removesuffix(".tsv.zst")
            count = most // 5 if source in DOCUMENTATION else most
            lines = _lines(path, generator)
            pairs = [pair for line in lines if (pair := _pair(line)) is not None and pair not in held]
            text[language, source] = _fitting(pairs[: count + count // 2], tokenizer, LONG)[:count]
    return text


def draw(corpora: Path, tokenizer: Tokenizer) -> tuple[Text, Text]:
    """The pairs that are chosen from, and the dev pairs."""
    generator = random.Random(20240523)  # noqa: S311 - no secret
    pool: Text = {}
    dev: Text = {}
    for language, sources in SOURCES.items():
        for source, (count, longest) in sources.items():
            lines = _lines(corpora / f"en-{language}" / f"{source}.tsv.zst", generator)
            pairs = [pair for line in lines[: 4 * count + 2_000] if (pair := _pair(line)) is not None]
            fit = _fitting(pairs, tokenizer, longest)
            held = DEV[language].get(source, 0)
            dev[language, source], pool[language, source] = fit[:held], fit[held : held + count]
    return pool, dev


def _lines(path: Path, generator: random.Random) -> list[str]:
    """A source's lines, shuffled."""
    lines = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read().decode().split("\n")[:-1]
    generator.shuffle(lines)
    return lines


def _fitting(pairs: list[tuple[str, str]], tokenizer: Tokenizer, longest: int) -> list[tuple[str, str]]:
    """Pairs with sides of six to so many tokens."""
    sides = [tokenizer.encode_batch_fast([f"query: {pair[side]}" for pair in pairs]) for side in (0, 1)]
    return [
        pair
        for pair, a, b in zip(pairs, *sides, strict=True)
        if min(len(a.ids), len(b.ids)) >= 6 and max(len(a.ids), len(b.ids)) <= longest
    ]


def _pair(line: str) -> tuple[str, str] | None:
    a, tab, b = line.partition("\t")
    fit = tab and "\t" not in b and len(a) >= 8 and len(b) >= 3 and len(a.split()) >= 2
    return (a, b) if fit else None


def choose(pool: Text, ja: int, ru: int, fr: int) -> Text:
    """All translations of the English sentences that are worth the most.

    Args:
        pool: what is chosen from.
        ja: sentences of Tatoeba with a Japanese translation only.
        ru: with a Russian one only.
        fr: with a French one only.
    """
    found: dict[str, Translations] = defaultdict(dict)
    for language in ("ko", "ru", "ja", "fr"):
        sources = [source for of, source in pool if of == language]
        for source in sorted(sources, key=lambda name: (TATOEBA.index(name) if name in TATOEBA else 9, name)):
            for english, other in pool[language, source]:
                found[english].setdefault(language, (other, source))
    order = sorted(found)
    random.Random(1).shuffle(order)  # noqa: S311 - no secret
    everyday = {english for english in order if any(source in TATOEBA for _, source in found[english].values())}
    rest = [english for english in order if english not in everyday and "ko" in found[english]]

    def only(language: str) -> list[str]:
        return [english for english in order if english in everyday and set(found[english]) == {language}]

    groups = [
        ([one for one in order if "ko" in found[one] and found[one]["ko"][1] in TATOEBA], 9_999),
        ([one for one in order if one in everyday and len(found[one]) >= 2], 2_600),
        (only("ja"), ja),
        (only("ru"), ru),
        (only("fr"), fr),
        ([one for one in rest if len(found[one]) >= 3], 2_200),
        ([one for one in rest if len(found[one]) == 2], 800),
        ([one for one in rest if len(found[one]) == 1], 1_200),
    ]
    chosen: set[str] = set()
    for sentences, most in groups:
        chosen.update([one for one in sentences if one not in chosen][:most])
    text: Text = defaultdict(list)
    for english in sorted(chosen):
        for language, (other, source) in found[english].items():
            text[language, source].append((english, other))
    return text


def write(text: Text, folder: Path) -> None:
    """One TSV file for each language and source."""
    for (language, source), pairs in text.items():
        if pairs:
            path = folder / f"en-{language}" / f"{source}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")


def main() -> None:
    """Choose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ja", type=int, default=8_000)
    parser.add_argument("--ru", type=int, default=5_000)
    parser.add_argument("--fr", type=int, default=1_500)
    parser.add_argument("--most", type=int, help="pairs of a source; instead of the choice by translations")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pool, dev = draw(options.corpora, tokenizer)
    if options.most is None:
        text = choose(pool, options.ja, options.ru, options.fr)
    else:
        text = everything(options.corpora, tokenizer, options.most, dev)
    write(text, options.out / "pool")
    write(dev, options.out / "dev")
    counts = {language: sum(len(pairs) for (of, _), pairs in text.items() if of == language) for language in SOURCES}
    sys.stdout.write(f"{sum(counts.values()):,} pairs: {counts}\n")


if __name__ == "__main__":
    main()
