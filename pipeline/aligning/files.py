"""Alignment of a user's documents, from files to files, with any model.

Documents are embedded in batches (`BATCH`), each different block once, through the vector store where there is one. In memory
are one batch's texts and vectors, and about 30 bytes an alignment.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.aligning.align import Alignment, AlignOptions, align, backwards
from pipeline.aligning.blocks import MAX_CHARS, block_texts, block_vectors
from pipeline.aligning.documents import Document, DocumentPair, Split, read_document
from pipeline.aligning.ladder import LadderQuality, Rung, ladder_quality, read_ladder
from pipeline.aligning.outputs import ALIGNED, AlignOutputs, aligned_table, write_pairs, write_sentences
from pipeline.console.errors import InputError
from pipeline.console.progress import progress
from pipeline.corpora.base import Notes
from pipeline.evaluation.embedded import Embedded, MeasuredModel, embed_texts
from pipeline.ground.arrays import Floats
from pipeline.mining.judging.histogram import Histogram, histogram

log = logging.getLogger(__name__)

BATCH = 65_536
"""Blocks of the documents that are embedded together, about; a larger document is a batch of its own."""

LOPSIDED = 3
"""So many times as many sentences on one side as on the other are worth a note."""

UNRELATED = 1.5
"""Where the score of documents is less than this many times that of a control (one of them backwards), it is worth a note."""

LEAST = 10
"""Sentences that both documents need for that."""


@dataclass(frozen=True)
class Reading:
    """How documents are read.

    Attributes:
        languages: the languages of both sides.
        encoding: the text's encoding.
        splits: what makes sentences of paragraphs, for each side; None: a line is a sentence.
        root: the folder that the pairs' provenance is relative to.
    """

    languages: tuple[str, str]
    encoding: str = "utf-8"
    splits: tuple[Split, Split] | None = None
    root: Path = Path()

    def read(self, pair: DocumentPair) -> tuple[Document, Document]:
        """Both documents of a pair.

        Raises:
            InputError: if a document can't be read (`read_document`).
        """
        splits = self.splits or (None, None)
        a, b = (read_document(path, self.encoding, split) for path, split in zip((pair.a, pair.b), splits, strict=True))
        return a, b


@dataclass
class AlignCounts:
    """What was read and found, over all documents.

    Attributes:
        documents: pairs that were aligned.
        left_out: pairs of which a side has no sentence.
        sentences: the sentences of side a and of side b.
        empty: lines without text, of both sides.
        unreadable: lines that could not be read, of both sides.
        shapes: how many alignments have so many sentences of side a and of side b.
        notes: what a person should look at, with the first place of each kind.
    """

    documents: int = 0
    left_out: int = 0
    sentences: tuple[int, int] = (0, 0)
    empty: int = 0
    unreadable: int = 0
    shapes: Counter[tuple[int, int]] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)

    def read(self, pair: DocumentPair, a: Document, b: Document) -> bool:
        """Count what was read of a pair; whether there is something to align."""
        for side in (a, b):
            self.empty, self.unreadable = self.empty + side.empty, self.unreadable + side.unreadable
            if side.unreadable:
                self.notes.add("lines can't be read", side.first_unreadable, side.unreadable)
            if not side.sentences:
                self.notes.add("documents have no sentences, and their pairs are left out", str(side.path))
            for sentence, line in zip(side.sentences, side.lines, strict=True):
                if len(sentence) > MAX_CHARS:
                    what = f"sentences have over {MAX_CHARS:,} characters, of which the model sees the first ones"
                    self.notes.add(what, f"{side.path}:{line}")
        if not (a.sentences and b.sentences):
            self.left_out += 1
            return False
        short, long = sorted((a, b), key=lambda side: len(side.sentences))
        where = f"{long.path}, {len(long.sentences):,} against {len(short.sentences):,}"
        if a.sentences == b.sentences:
            self.notes.add("pairs of documents have the same text on both sides", f"{a.path} and {b.path}")
        elif len(long.sentences) > LOPSIDED * len(short.sentences):
            self.notes.add(f"documents have over {LOPSIDED} times as many sentences as their counterpart", where)
        self.documents += 1
        self.sentences = self.sentences[0] + len(a.sentences), self.sentences[1] + len(b.sentences)
        return True

    def aligned(self, pair: DocumentPair, alignment: Alignment, control: Alignment) -> None:
        """Count what was found of a pair, and of the pair with one side backwards."""
        self.shapes.update((int(p), int(q)) for p, q in alignment.sizes)
        if alignment.nodes[-1].min() >= LEAST and alignment.support < UNRELATED * control.support:
            what = (
                "pairs of documents are hardly more alike than with one side backwards: are they translations in order?"
            )
            self.notes.add(what, f"{pair.a} and {pair.b}")


@dataclass(frozen=True)
class AlignedFiles:
    """What was done.

    Attributes:
        counts: what was read and found.
        found: alignments of sentences of both sides.
        written: those whose score is at least the threshold.
        spread: the histogram of the scores of all that were found.
        quality: against a gold ladder, if there was one.
        files: what was written; of ladders in a folder, the folder.
    """

    counts: AlignCounts
    found: int
    written: int
    spread: Histogram
    quality: LadderQuality | None
    files: list[Path]

    def as_dict(self) -> dict[str, Any]:
        """What was read and found, for metrics."""
        counts = self.counts
        return {
            "documents": counts.documents,
            "left_out": counts.left_out,
            "sentences": list(counts.sentences),
            "empty": counts.empty,
            "unreadable": counts.unreadable,
            "pairs": self.found,
            "shapes": {f"{a}-{b}": count for (a, b), count in sorted(counts.shapes.items())},
        }


@dataclass(frozen=True)
class BlockEmbedder:
    """What makes vectors of blocks.

    Attributes:
        model: any.
        store: the vector store's folder, if there is one.
    """

    model: MeasuredModel
    store: Path | None = None

    def vectors(self, documents: Sequence[Document], most: int) -> Embedded:
        """The vectors of all different blocks of up to ``most`` sentences of some documents."""
        texts: dict[str, None] = {}
        for document in documents:
            for blocks in block_texts(document.sentences, most):
                texts.update(dict.fromkeys(blocks))
        with progress("embed", len(texts), "blocks") as advance:
            return embed_texts(self.model, list(texts), self.store, advance)


def align_files(
    pairs: Sequence[DocumentPair],
    reading: Reading,
    embedder: BlockEmbedder,
    options: AlignOptions,
    outputs: AlignOutputs,
    work: Path,
    gold: Path | None = None,
) -> AlignedFiles:
    """Align pairs of documents, and write what was found in the order of the pairs.

    Args:
        pairs: the pairs of documents.
        reading: the way in which they are read.
        embedder: the model.
        options: the parameters of the search.
        outputs: the files to write; checked before.
        work: a folder for temporary files.
        gold: a ladder of the only pair's true alignments, to measure against.

    Raises:
        UserError: for anything wrong with documents, model or gold, or if no pair has sentences on both sides.
    """
    true = None if gold is None else read_ladder(gold)
    counts, scores, quality = AlignCounts(), [np.empty(0, np.float64)], None
    spill = work / "aligned.arrow"
    with pa.OSFile(str(spill), "wb") as sink, pa.ipc.new_file(sink, ALIGNED) as writer:
        for pair, a, b, alignment in _aligned(pairs, reading, embedder, options, counts):
            rungs = _rungs(alignment, a, b, reading.splits is not None)
            if outputs.ladder is not None:
                path = outputs.write_ladder(pair, len(pairs) > 1, rungs, alignment)
                if reading.splits is not None:
                    write_sentences(path, reading.languages, a, b)
            if true is not None:
                quality = ladder_quality(rungs, true)
            writer.write_table(aligned_table(pair, a, b, alignment, reading.root))
            scores.append(alignment.score[alignment.paired])
    for line in counts.notes.lines():
        log.warning("%s", line)
    if counts.documents == 0:
        first = pairs[0]
        raise InputError(f"{first.a} and {first.b}", "no sentences on one side; expected at least one on both")
    made_by = {"encoder": dict(embedder.model.identity), "options": asdict(options)}
    files, written = write_pairs(outputs, spill, reading.languages, made_by)
    if outputs.ladder is not None:
        files.append(outputs.ladder)
    found: Floats = np.concatenate(scores)
    return AlignedFiles(counts, len(found), written, histogram(found), quality, files)


def _aligned(
    pairs: Sequence[DocumentPair], reading: Reading, embedder: BlockEmbedder, options: AlignOptions, counts: AlignCounts
) -> Iterator[tuple[DocumentPair, Document, Document, Alignment]]:
    """Pair by pair: read and embedded in batches, aligned one by one."""
    held: list[tuple[DocumentPair, Document, Document]] = []
    blocks = 0
    with progress("align", len(pairs), "documents") as advance:
        for place, pair in enumerate(pairs, 1):
            a, b = reading.read(pair)
            if counts.read(pair, a, b):
                held.append((pair, a, b))
                blocks += options.most * (len(a.sentences) + len(b.sentences))
            else:
                advance(1)
            if held and (blocks >= BATCH or place == len(pairs)):
                embedded = embedder.vectors([document for _, *both in held for document in both], options.most)
                for named, one, other in held:
                    x, y = (block_vectors(side.sentences, embedded, options.most) for side in (one, other))
                    alignment = align(x, y, options, (one.sizes, other.sizes))
                    control = align(x, backwards(y), options, (one.sizes, other.sizes[::-1]))
                    counts.aligned(named, alignment, control)
                    yield named, one, other, alignment
                    advance(1)
                held, blocks = [], 0


def _rungs(alignment: Alignment, a: Document, b: Document, split: bool) -> list[Rung]:
    """An alignment as a ladder: numbers from 0 of lines, or of sentences where paragraphs were split."""
    numbers = [range(len(side.sentences)) if split else [line - 1 for line in side.lines] for side in (a, b)]
    nodes = alignment.nodes.tolist()
    return [
        (tuple(numbers[0][i:i_end]), tuple(numbers[1][j:j_end])) for (i, j), (i_end, j_end) in itertools.pairwise(nodes)
    ]
