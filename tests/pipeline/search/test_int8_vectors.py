import numpy as np
import pytest
import torch

from pipeline.search.best import Best
from pipeline.search.bounded import BoundedTiler
from pipeline.search.int8_vectors import byte_products, float_products, rotation
from pipeline.search.tiles import Plan

CPU = torch.device("cpu")


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


def test_a_rotation_spreads_one_large_coordinate_and_changes_no_length():
    x = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    x[:, 0] += 30
    turned = torch.from_numpy(x) @ rotation(64, 0)
    assert torch.allclose(turned.norm(dim=1), torch.from_numpy(x).norm(dim=1), rtol=1e-5)
    assert float(turned.abs().mean(dim=0).max()) < 15
    assert torch.equal(rotation(64, 0), rotation(64, 0))


@pytest.mark.parametrize(("rows", "columns"), [(32, 64), (5, 3), (33, 31), (1, 1)])
def test_padding_is_never_a_candidate(rows, columns):
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.nn.functional.normalize(torch.rand(count, 16, generator=generator), dim=1) for count in (rows, columns)
    )
    y = -y  # all similarities are below zero, and those of padding would be zero
    tiler = BoundedTiler(Plan(64, 64), CPU, 16)
    tiler.product(tiler.rows(x), tiler.columns(y))
    forward, backward = Best(rows, 4, CPU), Best(columns, 4, CPU)
    tiler.update_rows(forward, 0, 0)
    tiler.update_columns(backward, 0, 0)
    expected = (x @ y.t()).numpy()
    for best, table in ((forward, expected), (backward, expected.T)):
        similarity, row = best.result()
        kept = min(4, table.shape[1])
        assert np.allclose(similarity[:, :kept], -np.sort(-table, axis=1)[:, :4], atol=1e-6)
        assert np.all(row[:, kept:] == -1)
