import numpy as np
import pytest
import torch

from pipeline.search.best import Best
from pipeline.search.int8_vectors import (
    LOWEST,
    SketchTiler,
    byte_products,
    float_products,
    make_projection,
    rescored,
    sketch_all,
)
from pipeline.search.tiles import Plan

CPU = torch.device("cpu")
MEMORY = 1 << 20


def unit(rows, d=64, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_products_of_sketches_are_cosines_but_for_rounding():
    x = unit(300)
    projection = make_projection(torch.from_numpy(x), 64, 0)
    sketches = sketch_all(x, projection, Plan(128, 128), "side a", np.empty((300, 64), np.int8))
    products = byte_products(torch.from_numpy(sketches), torch.from_numpy(sketches).t().contiguous()).numpy()
    scale = products.diagonal().mean()
    assert np.abs(products / scale - x @ x.T).max() < 0.02
    assert np.abs(products / scale - x @ x.T).std() < 0.004


@pytest.mark.parametrize("size", [1, 384, 1040, 1041, 2100])
@pytest.mark.parametrize("given", [True, False])
def test_without_products_of_bytes_the_sums_are_still_exact(size, given):
    """The largest sums that there are, beside random ones, against 64-bit integers; longer sketches go in parts."""
    generator = torch.Generator().manual_seed(size)
    a, b = (torch.randint(-127, 128, (5, size), generator=generator, dtype=torch.int8) for _ in range(2))
    a[0], b[0], b[1] = 127, 127, -127
    a[1], b[2] = torch.tensor(127).where(torch.arange(size) > 0, 126), 127  # an odd sum near the largest
    out = torch.full((5, 5), 7, dtype=torch.int32) if given else None
    expected = a.long() @ b.long().t()
    found = float_products(a, b.t().contiguous(), out)
    assert found.dtype == torch.int32
    assert torch.equal(found.long(), expected)
    assert out is None or out is found
    assert torch.equal(byte_products(a, b.t().contiguous()).long(), expected)


def test_one_large_coordinate_is_spread_by_the_rotation():
    x = unit(300)
    x[:, 0] += 3
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    projection = make_projection(torch.from_numpy(x), 64, 0)
    sketches = projection(torch.from_numpy(x))
    assert float((sketches.abs() == 127).float().mean()) < 0.15
    assert torch.equal(sketches, make_projection(torch.from_numpy(x), 64, 0)(torch.from_numpy(x)))


def test_fewer_numbers_keep_the_directions_of_most_variance():
    x = unit(500, 16) @ np.diag([1.0] * 4 + [0.01] * 12).astype(np.float32) @ unit(16, 64, 1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    products = [make_projection(torch.from_numpy(x), size, 0)(torch.from_numpy(x)).float() for size in (8, 64)]
    small, whole = (one @ one.t() for one in products)
    assert np.corrcoef(small.flatten(), whole.flatten())[0, 1] > 0.99


@pytest.mark.parametrize(("rows", "columns"), [(32, 64), (5, 3), (33, 31), (1, 1)])
def test_padding_is_never_a_candidate(rows, columns):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(-127, -1, (count, 16), generator=generator, dtype=torch.int8) for count in (rows, columns))
    tiler = SketchTiler(Plan(64, 64), CPU)
    tiler.product(a, (-b).t().contiguous())  # all products are below zero, and those of padding would be zero
    forward, backward = Best(rows, 4, CPU, LOWEST), Best(columns, 4, CPU, LOWEST)
    tiler.update_picked(forward, backward, torch.arange(rows), torch.arange(columns))
    expected = -(a.int() @ b.int().t()).numpy()
    for best, table in ((forward, expected), (backward, expected.T)):
        similarity, row = best.result()
        kept = min(4, table.shape[1])
        assert np.array_equal(similarity[:, :kept], -np.sort(-table, axis=1)[:, :4])
        assert np.all(row[:, kept:] == -1)


def test_rescoring_orders_by_cosine_and_keeps_nothing_as_nothing():
    x, y = unit(40), unit(30, seed=1).astype(np.float16)
    row = np.random.default_rng(2).permuted(np.tile(np.arange(30), (40, 1)), axis=1)[:, :8]
    row[:, 5] = -1
    row[3] = -1
    similarity, best = rescored(x, y, row, 4, MEMORY, CPU)
    wide = y.astype(np.float64)
    cosine = x @ (wide / np.linalg.norm(wide, axis=1, keepdims=True)).T
    for line in range(40):
        kept = sorted((-cosine[line, other], other) for other in row[line] if other >= 0)[:4]
        assert best[line].tolist() == ([other for _, other in kept] + [-1] * 4)[:4]
        assert np.allclose(similarity[line][: len(kept)], [-value for value, _ in kept], atol=1e-6)
    assert np.all(np.isneginf(similarity[3]))
    few = rescored(x, y, row[:, :2], 4, MEMORY, CPU)
    assert np.all(few[1][:, 2:] == -1)
