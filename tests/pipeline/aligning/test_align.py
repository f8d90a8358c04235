"""Alignment of documents against a slow search of everything, and against paths that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.aligning.align import AlignOptions, align, backwards, coarser, whole_gap
from pipeline.aligning.band import TIE, around, best_path, whole
from pipeline.aligning.costs import Costs, Lengths


def random_blocks(generator: np.random.Generator, sentences: int, most: int = 3, d: int = 4) -> NDArray[np.float32]:
    blocks = generator.standard_normal((most, sentences, d)).astype(np.float32)
    blocks /= np.linalg.norm(blocks, axis=2, keepdims=True)
    for size in range(most):
        blocks[size, :size] = 0
    return blocks


def blocks_of(vectors: NDArray[np.float32], most: int = 4) -> NDArray[np.float32]:
    """Blocks whose vectors are the normalised sums of their sentences'."""
    blocks = np.zeros((most, *vectors.shape), np.float32)
    for size in range(1, most + 1):
        for end in range(size, len(vectors) + 1):
            total = vectors[end - size : end].sum(axis=0)
            blocks[size - 1, end - 1] = total / np.linalg.norm(total)
    return blocks


def slow_cost(costs: Costs, i: int, j: int, p: int, q: int) -> float:
    """The formula of the paper, by its definition: block ends i and j, sizes p and q."""
    x, y = costs.x.astype(float), costs.y.astype(float)
    every_x = [x[s, e] for s in range(len(x)) for e in range(s, x.shape[1])]
    every_y = [y[s, e] for s in range(len(y)) for e in range(s, y.shape[1])]
    one, other = x[p - 1, i - 1], y[q - 1, j - 1]
    away_x = np.mean([1 - one @ vector for vector in every_y])
    away_y = np.mean([1 - other @ vector for vector in every_x])
    return float((p * q + p + q - 1) / 2 * (2 * (1 - one @ other) / (away_x + away_y) + TIE))


def slow_total(costs: Costs, moves: list[tuple[int, int]], gap: float) -> float:
    """The cost of the cheapest path, by recursion over the whole grid."""
    n, m = costs.lengths
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for i in range(n + 1):
        for j in range(m + 1):
            if i:
                total[i, j] = min(total[i, j], total[i - 1, j] + gap + TIE)
            if j:
                total[i, j] = min(total[i, j], total[i, j - 1] + gap + TIE)
            for p, q in moves:
                if i >= p and j >= q:
                    total[i, j] = min(total[i, j], total[i - p, j - q] + slow_cost(costs, i, j, p, q))
    return float(total[n, m])


def path_total(costs: Costs, nodes: NDArray[np.int64], gap: float) -> float:
    return sum(
        slow_cost(costs, i, j, i - i0, j - j0) if i > i0 and j > j0 else gap + TIE
        for (i0, j0), (i, j) in zip(nodes[:-1].tolist(), nodes[1:].tolist(), strict=True)
    )


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000), st.sampled_from([0.2, 0.7, 1.5]))
def test_the_path_is_the_cheapest_of_all(n: int, m: int, seed: int, gap: float):
    generator = np.random.default_rng(seed)
    costs = Costs.of(random_blocks(generator, n), random_blocks(generator, m))
    moves = [(p, q) for p in (1, 2, 3) for q in (1, 2, 3)]
    nodes = best_path(costs, moves, gap, whole(n, m))
    assert nodes[0].tolist() == [0, 0]
    assert nodes[-1].tolist() == [n, m]
    steps = {tuple(step) for step in np.diff(nodes, axis=0).tolist()}
    assert steps <= {*moves, (1, 0), (0, 1)}
    assert path_total(costs, nodes, gap) == pytest.approx(slow_total(costs, moves, gap), abs=1e-4)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000))
def test_a_band_as_wide_as_the_grid_finds_the_same(n: int, m: int, seed: int):
    generator = np.random.default_rng(seed)
    costs = Costs.of(random_blocks(generator, n, 2), random_blocks(generator, m, 2))
    moves = [(1, 1), (1, 2), (2, 1), (2, 2)]
    wide = around(np.array([[0, 0], [n, m]]), n + m)
    assert np.array_equal(best_path(costs, moves, 0.5, wide), best_path(costs, moves, 0.5, whole(n, m)))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 3))
def test_bands_follow_their_path_by_steps_of_at_most_one_column(n: int, m: int, reach: int):
    band = around(np.array([[0, 0], [n, m]]), reach)
    assert len(band.low) == n + m + 1
    assert (band.low[0], band.low[-1]) == (-reach, m - reach)
    assert set(np.diff(band.low).tolist()) <= {0, 1}


def planted(
    generator: np.random.Generator, shapes: list[tuple[int, int]], d: int = 48, noise: float = 0.3
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sentences of two documents that say the same things, in alignments of the given shapes."""
    sides: tuple[list[NDArray[np.float64]], ...] = ([], [])
    for shape in shapes:
        meaning = generator.standard_normal((12, d))
        for side, size in zip(sides, shape, strict=True):
            # A block's sentences share out what it means between them.
            parts = np.array_split(meaning, size) if size else []
            side.extend(part.sum(axis=0) + noise * np.sqrt(12) * generator.standard_normal(d) / size for part in parts)
    a, b = (np.array(side, np.float32).reshape(-1, d) for side in sides)
    return a, b


def shapes_of(nodes: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [tuple(step) for step in np.diff(nodes, axis=0).tolist()]


def test_planted_alignments_of_all_shapes_are_found():
    shapes = [(1, 1), (2, 1), (1, 1), (1, 1), (1, 3), (1, 1), (1, 1), (2, 3), (1, 1), (4, 1), (1, 4), (1, 1)]
    a, b = planted(np.random.default_rng(0), shapes, noise=0.05)
    found = align(blocks_of(a), blocks_of(b), AlignOptions())
    assert shapes_of(found.nodes) == shapes
    assert found.score.min() > 0.9


@pytest.mark.parametrize("gaps", [False, True])
def test_long_documents_are_aligned_from_coarse_to_fine(gaps: bool):
    generator = np.random.default_rng(1)
    shapes = [(1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (1, 1), (2, 3)]
    drawn = [shapes[at] for at in generator.integers(len(shapes), size=900)]
    if gaps:  # a chapter that only one side has
        drawn[300:300] = [(1, 0)] * 150
    a, b = planted(generator, drawn)
    assert len(a) * len(b) > 300**2
    found = align(blocks_of(a), blocks_of(b), AlignOptions())
    true = np.cumsum([(0, 0), *drawn], axis=0)
    known = {(*start, *end) for start, end in zip(true[:-1].tolist(), true[1:].tolist(), strict=True)}
    claimed = [(*start, *end) for start, end in zip(found.nodes[:-1].tolist(), found.nodes[1:].tolist(), strict=True)]
    both = [claim for claim in claimed if claim[2] > claim[0] and claim[3] > claim[1]]
    assert len(both) > 850
    assert sum(claim in known for claim in both) / len(both) > 0.95


def test_the_same_document_aligns_with_itself():
    a = random_blocks(np.random.default_rng(2), 40, 4)
    found = align(a, a, AlignOptions())
    assert shapes_of(found.nodes) == [(1, 1)] * 40
    assert found.score == pytest.approx(np.ones(40), abs=1e-5)


def test_one_sentence_over_and_over():
    a = np.zeros((4, 10, 3), np.float32)
    for size in range(4):
        a[size, size:, 0] = 1
    assert shapes_of(align(a, a[:, :7], AlignOptions()).nodes).count((1, 1)) >= 6


def test_a_document_backwards_finds_little_support():
    a, b = planted(np.random.default_rng(7), [(1, 1), (1, 2), (2, 1)] * 8)
    x, y = blocks_of(a), blocks_of(b)
    assert np.allclose(backwards(y), blocks_of(b[::-1]), atol=1e-6)
    assert align(x, y, AlignOptions()).support > 2 * align(x, backwards(y), AlignOptions()).support


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_extreme_lengths(n: int, m: int):
    generator = np.random.default_rng(3)
    found = align(random_blocks(generator, n, 4), random_blocks(generator, m, 4), AlignOptions())
    assert found.nodes[-1].tolist() == [n, m]
    assert np.isnan(found.score[~found.paired]).all()


def test_scores_by_hand():
    # Side a: two sentences, alike to b's first by cosines 0.6 and 0; one block size. Means: over both of b's sentences.
    x = np.array([[[0.6, 0.8], [0.0, 1.0]]], np.float32)
    y = np.array([[[1.0, 0.0], [0.0, -1.0]]], np.float32)
    costs = Costs.of(x, y)
    assert costs.mean_x[0] == pytest.approx([(0.6 - 0.8) / 2, -0.5])
    assert costs.mean_y[0] == pytest.approx([0.3, -0.9])
    found = align(x, y, AlignOptions(most=1, quantile=0.5))
    assert found.cosine[0] == pytest.approx(0.6)
    assert found.score[0] == pytest.approx(1 - 2 * 0.4 / (1.1 + 0.7))


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_short_documents_are_aligned(n: int):
    a, b = planted(np.random.default_rng(6), [(1, 1)] * n)
    assert shapes_of(align(blocks_of(a), blocks_of(b), AlignOptions()).nodes) == [(1, 1)] * n


def test_the_penalty_sets_translations_aside():
    # Two sentences that are those of the other side: costs 0, 0, 2, 2, half of them of translations. Of the other half the
    # quantile 0.2 is 0.6 of the whole: position 1.8 of 0 to 3.
    one = np.eye(2, dtype=np.float32)[None]
    assert Costs.of(one, one).penalty(0.2, 0) == pytest.approx(1.6)


def test_the_same_seed_gives_the_same_penalty():
    generator = np.random.default_rng(4)
    costs = Costs.of(random_blocks(generator, 200), random_blocks(generator, 300))
    assert costs.penalty(0.2, 0) == costs.penalty(0.2, 0) != costs.penalty(0.2, 1)


def test_half_precision_aligns_as_single_precision_does():
    generator = np.random.default_rng(5)
    a, b = planted(generator, [(1, 1)] * 30)
    x, y = blocks_of(a), blocks_of(b)
    halves = align(x.astype(np.float16), y.astype(np.float16), AlignOptions())
    assert np.array_equal(halves.nodes, align(x, y, AlignOptions()).nodes)


def test_coarser_averages_neighbours_and_takes_their_mean_away():
    one = np.array([[[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]]], np.float32)
    found = coarser(one)
    assert found.shape == (1, 3, 2)
    # Halves (1, 0), (0, 1), (1, 0), less their mean (2/3, 1/3).
    assert found[0] == pytest.approx(np.array([[1, -1], [-1, 1], [1, -1]]) / np.sqrt(2), abs=1e-6)


def test_a_path_of_gaps():
    assert whole_gap(1, 2).tolist() == [[0, 0], [1, 0], [1, 1], [1, 2]]


def test_lengths_tell_where_vectors_do_not():
    # Four sentences that all say the same to the model; the lengths belong together two to two and one to two.
    one, other = np.tile(np.float32([[1, 0.1]]), (3, 1)), np.tile(np.float32([[1, 0.1]]), (4, 1))
    one[2], other[2:] = [0.1, 1], [0.1, 1]
    sizes = np.array([100, 100, 100]), np.array([60, 140, 60, 40])
    assert shapes_of(align(blocks_of(one), blocks_of(other), AlignOptions(), sizes).nodes) == [(2, 2), (1, 2)]
    for options, given_sizes in ((AlignOptions(), None), (AlignOptions(lengths=0.0), sizes)):
        found = shapes_of(align(blocks_of(one), blocks_of(other), options, given_sizes).nodes)
        assert found[:2] == [(1, 1), (1, 1)]


def test_the_cost_of_lengths_by_hand():
    # What the path aligns has 200 bytes on side a and 50 on side b: a ratio of 1/4, half of it taken from each side.
    nodes = np.array([[0, 0], [1, 1], [2, 2], [2, 3]])
    lengths = Lengths.of(np.array([100, 100]), np.array([20, 30, 5000]), 0.15, nodes)
    assert lengths.cost(np.array([0, 1]), np.array([0, 1]), 1, 1) == pytest.approx(
        [0.15 * 10**2 / (6.8 * 90), 0.15 * 10**2 / (6.8 * 110)]
    )
    assert lengths.cost(np.array([1]), np.array([1]), 2, 2) == pytest.approx([0])
    assert lengths.cost(np.array([0]), np.array([2]), 1, 1) == pytest.approx([0.15 * 8])  # never more


def test_a_chapter_that_one_side_lacks_does_not_move_the_ratio():
    generator = np.random.default_rng(7)
    a, b = planted(generator, [(1, 1)] * 10 + [(0, 1)] * 40 + [(1, 1)] * 10)
    sizes = np.full(len(a), 80), np.full(len(b), 80)
    found = align(blocks_of(a), blocks_of(b), AlignOptions(), sizes)
    assert shapes_of(found.nodes).count((1, 1)) >= 19
    # With the ratio of the whole documents, 1 to 3, alignments of equally long sentences would be the unlikely ones.
    whole_ratio = Lengths.of(*sizes, 0.15, np.array([[0, 0], [20, 60]]))
    assert whole_ratio.cost(np.array([0]), np.array([0]), 1, 1)[0] > 0.9
