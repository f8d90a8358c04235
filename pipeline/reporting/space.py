"""The student's space, measured on held-out test sentences: how translations stand apart, and how languages lie together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.folders import VectorFolder
from pipeline.ground.languages import LanguagePair
from pipeline.reporting.shared_sentences import SharedSentences
from pipeline.search.translation_retrieval import retrieve

SENTENCES = 1_000
"""Sentences of each language pair that are looked at."""

BINS = 50
PLOTTED = 24
"""Sentences in the picture of the space, each in all of its languages."""

LANGUAGES = 5
FEWEST = 3
"""Sentences that a number is given of."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Similarities:
    """Cosines of one language pair."""

    pair: str  # the language pair's name
    edges: tuple[float, ...]  # edges of the bars [BINS + 1]
    translations: tuple[float, ...]  # the share of translations in each bar [BINS]
    others: tuple[float, ...]  # the share of all sentences that are not translations in each bar [BINS]
    nearest: tuple[float, ...]  # the share of each sentence's nearest that is not its translation [BINS]
    above: float  # the share of the other sentences that are less near than the translation
    sentences: int  # how many sentences of each side


@dataclass(frozen=True)
class PlaneProjection:
    """Sentences in several languages on the two axes in which they differ most."""

    languages: tuple[str, ...]  # [l]
    points: tuple[tuple[tuple[float, float], ...], ...]  # each language's sentences' places [l, n, 2]
    explained: tuple[float, float]  # the share of the variance on each axis
    fitted: int  # sentences of each language that gave the axes


@dataclass(frozen=True)
class HeatMap:
    """Retrieval from every language to every other."""

    source: str  # whose sentences they are
    languages: tuple[str, ...]  # [l]
    accuracy: tuple[tuple[float | None, ...], ...]  # from row to column [l, l]; None where nothing was measured
    sentences: tuple[int, int]  # fewest and most candidates of a cell


@dataclass(frozen=True)
class Space:
    """What held-out sentences say of the space."""

    similarities: Sequence[Similarities] = ()  # by language pair, those with the least distance first
    projection: PlaneProjection | None = None  # None with fewer than two languages or few sentences
    heat_map: HeatMap | None = None  # None with fewer than three languages: the table of scores says it all


def read_space(embeddings: Path, heldout: Path, pairs: Sequence[LanguagePair]) -> Space:
    """Measure the space on held-out test sentences; empty where none are held out.

    Holds `SENTENCES` vectors of each language and their similarities with another's in memory, and the held-out keys.

    Raises:
        ArtifactError: if vectors or held-out pairs are missing.
    """
    shared = SharedSentences(heldout, pairs)
    folders = {language: VectorFolder(embeddings / language) for language in shared.languages}
    similarities = []
    for pair in pairs:
        sides = shared.pair(pair.a, pair.b)
        if sides is not None and len(sides[0]) >= FEWEST:
            x, y = (_vectors(folders[language], keys) for language, keys in zip((pair.a, pair.b), sides, strict=True))
            similarities.append(measure_similarities(pair.name, x, y))
    similarities.sort(key=lambda found: (found.above, found.pair))
    return Space(similarities, _projection(shared, folders), _heat_map(shared, folders))


def measure_similarities(pair: str, x: Vectors, y: Vectors) -> Similarities:
    """Cosines of translations (row by row) and of all others.

    Args:
        pair: the language pair's name.
        x: L2-normalised vectors [n, d], n at least 2.
        y: the translations' vectors, row by row [n, d].
    """
    cosine = x @ y.T
    # Translations stand on the diagonal; with them out of the way a row's largest is its nearest other.
    own = np.diagonal(cosine).copy()
    apart = ~np.eye(len(x), dtype=np.bool_)
    others = cosine[apart]
    np.fill_diagonal(cosine, -np.inf)
    edges = np.linspace(min(-0.2, float(others.min()), float(own.min())), 1.0, BINS + 1)
    above = float((own[:, None] > cosine)[apart].mean())
    shares = [_shares(values, edges) for values in (own, others, cosine.max(axis=1))]
    return Similarities(pair, tuple(map(float, edges)), shares[0], shares[1], shares[2], above, len(x))


def project(vectors: NDArray[np.float32], plotted: int = PLOTTED) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Principal components of all languages' sentences together.

    Args:
        vectors: each language's vectors of the same sentences [l, n, d].
        plotted: how many sentences' places are returned: as far apart in their order as can be.

    Returns:
        Places [l, plotted, 2], and the share of the variance on each axis. An axis's sign is chosen so that its largest
        coordinate is positive.
    """
    # Axes of all languages' sentences together, in float64.
    flat = vectors.reshape(-1, vectors.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    _, singular, axes = np.linalg.svd(flat - mean, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    chosen = np.unique(np.linspace(0, vectors.shape[1] - 1, plotted).astype(np.int64))
    total = float((singular**2).sum()) or 1.0
    return (vectors[:, chosen] - mean) @ axes.T, (float(singular[0] ** 2) / total, float(singular[1] ** 2) / total)


def benchmark_heat_map(name: str, about: Mapping[str, Any], order: Sequence[str]) -> HeatMap | None:
    """A heat map of a benchmark's scores; None if it is not of retrieval between at least three languages.

    Args:
        name: the benchmark's name.
        about: the benchmark's part of a model's ``<name>.json``.
        order: the languages that come first, in their order; others follow.
    """
    cells: dict[tuple[str, str], float] = {}
    sizes = []
    for task in about["tasks"].values():
        if "forward" in task and "backward" in task:
            a, b = task["languages"]
            cells[a, b], cells[b, a] = task["forward"]["value"], task["backward"]["value"]
            sizes.append(int(task["items"]))
    found = {a for a, _ in cells}
    languages = [*(code for code in order if code in found), *sorted(found - set(order))]
    if len(languages) < 3 or len(cells) <= 2 * (len(languages) - 1):  # fewer: all with one language
        return None
    return _filled(name, languages, cells, sizes)


def _filled(source: str, languages: Sequence[str], cells: Mapping[tuple[str, str], float], sizes: list[int]) -> HeatMap:
    accuracy = tuple(tuple(cells.get((a, b)) for b in languages) for a in languages)
    return HeatMap(source, tuple(languages), accuracy, (min(sizes), max(sizes)))


def _vectors(folder: VectorFolder, keys: NDArray[np.bytes_], limit: int = SENTENCES) -> Vectors:
    return folder.unit(folder.rows_of(keys[:limit]))


def _shares(values: NDArray[Any], edges: NDArray[Any]) -> tuple[float, ...]:
    counts, _ = np.histogram(values.clip(edges[0], edges[-1]), edges)
    return tuple(float(count) / max(len(values), 1) for count in counts)


def _projection(shared: SharedSentences, folders: Mapping[str, VectorFolder]) -> PlaneProjection | None:
    languages = shared.languages[:LANGUAGES]
    while len(languages) > 1:
        keys = shared.through(languages)
        if len(keys[shared.pivot]) >= FEWEST:
            limit = SENTENCES // 2
            vectors = np.stack([_vectors(folders[language], keys[language], limit) for language in languages])
            if vectors.shape[-1] < 2:
                return None
            places, explained = project(vectors)
            points = tuple(tuple((float(x), float(y)) for x, y in row) for row in places)
            return PlaneProjection(tuple(languages), points, explained, vectors.shape[1])
        languages = languages[:-1]
    return None


def _heat_map(shared: SharedSentences, folders: Mapping[str, VectorFolder]) -> HeatMap | None:
    languages = shared.languages
    if len(languages) < 3:
        return None
    cells: dict[tuple[str, str], float] = {}
    sizes = []
    for a, b in combinations(languages, 2):
        sides = shared.pair(a, b)
        if sides is not None and len(sides[0]) >= FEWEST:
            found = retrieve(_vectors(folders[a], sides[0]), _vectors(folders[b], sides[1]))
            cells[a, b], cells[b, a] = found.accuracy_forward, found.accuracy_backward
            sizes.append(len(found.forward))
    return _filled("held-out sentences", languages, cells, sizes) if cells else None
