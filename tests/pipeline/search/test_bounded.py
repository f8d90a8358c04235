import mining_reference as reference
import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors, one_way, self_neighbors
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.search import bounded, exact_products, tiles
from pipeline.search.best import Best
from pipeline.search.bounded import BoundedTiler, make_tiler
from pipeline.search.exact_products import best_of_block
from pipeline.search.int8_vectors import rotation
from pipeline.search.job import SearchJob
from pipeline.search.tiles import Plan, Tiler
from pipeline.search.workers import Sides, uncounted

CPU = torch.device("cpu")
MEMORY = 8 << 20


@pytest.fixture(autouse=True)
def everywhere(monkeypatch) -> None:
    """Bounds also on a machine that would not choose them; its products are the same numbers."""
    monkeypatch.setattr(exact_products, "make_tiler", lambda plan, device, d, k: BoundedTiler(plan, device, d))


def unit(generator: np.random.Generator, rows: int, d: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(generator.standard_normal((rows, d), np.float32)), dim=1)


def near(found, x: np.ndarray, y: np.ndarray, k: int) -> None:
    """The same similarities as the reference's, best first; rows may be exchanged where they are equal but for rounding."""
    for similarity, row, expected in (
        (found.forward_similarity, found.forward_row, reference.cosines(x, y)),
        (found.backward_similarity, found.backward_row, reference.cosines(x, y).T),
    ):
        there = min(k, expected.shape[1])
        best = -np.sort(-expected, axis=1)[:, :there]
        assert np.allclose(similarity[:, :there], best, atol=1e-6)
        assert np.allclose(np.take_along_axis(expected, row[:, :there], axis=1), best, atol=1e-6)
        assert (row[:, there:] == -1).all()
        assert np.isneginf(similarity[:, there:]).all()
        assert all(len(set(line[:there])) == there for line in row.tolist())


@pytest.mark.parametrize("d", [1, 2, 16, 384])
def test_the_bound_holds_also_for_vectors_of_one_coordinate(d: int):
    generator = np.random.default_rng(d)
    vectors = torch.cat([unit(generator, 60, d), torch.eye(d)[:4], -torch.eye(d)[:4]])
    tiler = BoundedTiler(Plan(96, 96), CPU, d)
    sketched = tiler.rows(vectors)
    tiler.product(sketched, tiler.columns(vectors))
    products = tiler.tile[: len(vectors), : len(vectors)] / tiler.scale**2
    slack = sketched.error + (1 + sketched.error) * sketched.error.max() + bounded.ROUNDING
    assert ((products - vectors @ vectors.t()).abs() <= slack.unsqueeze(1)).all()
    if d == 384:
        assert float(slack[:60].max()) < 0.03  # it has to be worth something, too


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 150),
    m=st.integers(1, 150),
    k=st.integers(1, 9),
    copies=st.integers(0, 60),
    d=st.sampled_from([4, 64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_as_the_reference_with_copies_and_few_rows(n: int, m: int, k: int, copies: int, d: int, seed: int):
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((n, d), np.float32), generator.standard_normal((m, d), np.float32)
    y[generator.integers(0, m, copies)] = x[generator.integers(0, n, copies)]
    near(mutual_neighbors(x, y, k, 1 << 16, "cpu"), x, y, k)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_over_many_tiles_and_slabs_as_the_reference(monkeypatch, k: int):
    monkeypatch.setattr(tiles, "CPU_TILE", 96)
    generator = np.random.default_rng(k)
    x, y = generator.standard_normal((500, 32), np.float32), generator.standard_normal((333, 32), np.float32)
    y[100:200] = x[:100] + 0.1 * y[100:200]
    near(mutual_neighbors(x, y, k, 4 * 32 * 4 * 200, "cpu"), x, y, k)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.05])
def test_tiles_full_of_copies_are_multiplied_in_float32_and_as_right(monkeypatch, noise: float):
    """All pairs of such a tile may matter: one by one they would take a hundred times as long."""
    monkeypatch.setattr(tiles, "CPU_TILE", 256)
    plainly: list[bool] = []
    original = BoundedTiler._update_plainly
    monkeypatch.setattr(
        BoundedTiler, "_update_plainly", lambda *arguments: (plainly.append(True), original(*arguments))
    )
    generator = np.random.default_rng(0)
    x = np.ones((600, 64), np.float32) + noise * generator.standard_normal((600, 64), np.float32)
    y = np.ones((500, 64), np.float32) + noise * generator.standard_normal((500, 64), np.float32)
    near(mutual_neighbors(x, y, 4, MEMORY, "cpu"), x, y, 4)
    assert plainly
    plainly.clear()
    monkeypatch.setattr(tiles, "CPU_TILE", 2048)
    mutual_neighbors(*(generator.standard_normal((2048, 64), np.float32) for _ in range(2)), 4, 256 << 20, "cpu")
    assert not plainly


def test_few_pairs_are_computed_where_vectors_have_neighbours(monkeypatch):
    monkeypatch.setattr(tiles, "CPU_TILE", 1024)
    generator = np.random.default_rng(1)
    x = generator.standard_normal((4096, 256), np.float32)
    y = x + 0.7 * generator.standard_normal((4096, 256), np.float32)
    computed: list[int] = []
    original = Best.merge

    def merge(best, first, line, keys):
        computed.append(len(keys))
        original(best, first, line, keys)

    monkeypatch.setattr(Best, "merge", merge)
    near(mutual_neighbors(x, y, 4, 64 << 20, "cpu"), x, y, 4)
    assert sum(computed) < 2 * 4096 * 60


@pytest.mark.parametrize("m", [4, 40, 130])
def test_both_directions_have_the_same_bits_of_a_pair(monkeypatch, m: int):
    """Else pairs that are each other's best would not tie at a ratio of one with k = 1."""
    monkeypatch.setattr(tiles, "CPU_TILE", 128)
    generator = np.random.default_rng(m)
    x, y = generator.standard_normal((300, 6), np.float32), generator.standard_normal((m, 6), np.float32)
    found = mutual_neighbors(x, y, 1, MEMORY, "cpu")
    forward = dict(zip(enumerate(found.forward_row[:, 0].tolist()), found.forward_similarity[:, 0], strict=True))
    turned = [(a, b) for b, a in enumerate(found.backward_row[:, 0].tolist())]
    backward = dict(zip(turned, found.backward_similarity[:, 0], strict=True))
    both = forward.keys() & backward.keys()
    assert both
    assert all(forward[pair] == backward[pair] for pair in both)


def test_ranges_of_whole_tiles_have_the_bits_of_the_whole(monkeypatch):
    monkeypatch.setattr(tiles, "CPU_TILE", 64)
    generator = np.random.default_rng(2)
    x, y = generator.standard_normal((300, 48), np.float32), generator.standard_normal((200, 48), np.float32)
    x[50:90] = 1.0  # some dense tiles among them
    y[60:130] = 1.0 + 1e-3 * y[60:130]
    sides = Sides(x, y, SearchJob(4, 1 << 16, device="cpu"))
    plan = sides.plan
    whole, whole_back = best_of_block(sides, ((0, 300), (0, 200)), uncounted)
    back = torch.full((200, 4), torch.iinfo(torch.int64).min)
    for start in range(0, 300, plan.tile):
        stop = min(start + plan.tile, 300)
        part, part_back = best_of_block(sides, ((start, stop), (0, 200)), uncounted)
        assert torch.equal(part.keys, whole.keys[start:stop])
        back = torch.cat([back, part_back.keys], dim=1).topk(4, dim=1).values
    assert torch.equal(back, whole_back.keys)


def test_a_set_against_itself_and_some_rows_as_the_reference(monkeypatch):
    monkeypatch.setattr(tiles, "CPU_TILE", 64)
    x = np.random.default_rng(3).standard_normal((250, 32), np.float32)
    x[40:140] = x[:100]  # copies, also on the diagonal's tiles
    expected = reference.cosines(x, x)
    rows = np.arange(0, 250, 3)
    similarity, _ = one_way(x, rows, x, 5, MEMORY, "cpu")
    assert np.allclose(similarity, -np.sort(-expected[rows], axis=1)[:, :5], atol=1e-6)
    np.fill_diagonal(expected, -2)
    found = self_neighbors(x, 5, 4 * 32 * 4 * 64, "cpu")
    assert np.allclose(found.similarity, -np.sort(-expected, axis=1)[:, :5], atol=1e-6)
    assert (found.row != np.arange(250)[:, None]).all()


def test_the_threads_change_no_bit_and_the_memory_no_neighbour():
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((700, 48), np.float32), generator.standard_normal((600, 48), np.float32)
    first = mutual_neighbors(x, y, 4, 64 << 20, "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone, small = mutual_neighbors(x, y, 4, 64 << 20, "cpu"), mutual_neighbors(x, y, 4, 1 << 20, "cpu")
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(first.forward_similarity, alone.forward_similarity)
    assert np.array_equal(first.backward_row, alone.backward_row)
    assert np.array_equal(first.forward_row, small.forward_row)  # its tiles are others, and may be dense


@pytest.mark.parametrize(
    ("bytes_are_fast", "k", "expected"), [(True, 4, BoundedTiler), (True, 64, Tiler), (False, 4, Tiler)]
)
def test_bounds_are_taken_where_they_pay(monkeypatch, bytes_are_fast: bool, k: int, expected: type):
    monkeypatch.setattr(bounded, "multiplies_bytes", lambda device: bytes_are_fast)
    assert type(make_tiler(Plan(64, 64), CPU, 16, k)) is expected


@pytest.mark.parametrize("d", [16, 18])
def test_a_copy_at_the_very_edge_of_the_bound_is_found(d: int):
    """Cauchy and Schwarz may be equal: then what float32 makes of the bound decides, and has to be allowed for.

    Rotated, each of these vectors has one coordinate, which is rounded up (112.9 to 113): its sketch is (1 + e) times the
    vector, so with a copy |x·y - x'·y'| = 2e + e², the whole bound.
    """
    turned = rotation(d, 0).numpy()
    for vector in np.concatenate([turned.T, -turned.T]):
        found = mutual_neighbors(vector[None], vector[None], 1, MEMORY, "cpu")
        assert found.forward_row.tolist() == found.backward_row.tolist() == [[0]]
        assert found.forward_similarity[0, 0] == pytest.approx(1, abs=1e-6)
