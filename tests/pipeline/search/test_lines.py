import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.lines import BLOCK, FINE, ColumnLines, RowLines

KINDS = {"rows": (RowLines, lambda tile: tile), "columns": (ColumnLines, torch.t)}


@pytest.mark.parametrize("kind", KINDS)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    cut=st.integers(0, BLOCK - 1),
    share=st.floats(0, 1),
    dtype=st.sampled_from([torch.float32, torch.int32]),
    seed=st.integers(0, 9),
)
def test_what_exceeds_a_bound_is_what_looking_at_every_entry_finds(kind, shape, cut, share, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    tile = torch.randint(-50, 50, (shape[0] * BLOCK, shape[1] * BLOCK), generator=generator).to(dtype)
    make, turned = KINDS[kind]
    entries = turned(tile)
    count = len(entries) - cut
    least = torch.quantile(entries[:count].float(), share, dim=1) + 0.5
    line, place, found = make(tile, count).above(least)
    expected = (entries[:count] > least[:, None]).nonzero()
    assert line.tolist() == sorted(line.tolist())
    assert sorted(zip(line.tolist(), place.tolist(), strict=True)) == [tuple(pair) for pair in expected.tolist()]
    assert torch.equal(found, entries[line, place])
    assert make(tile, count).length == entries.shape[1]


@pytest.mark.parametrize("kind", KINDS)
@given(k=st.integers(1, 9), seed=st.integers(0, 9))
def test_a_first_bound_is_reached_by_k_entries_of_every_line(kind, k, seed):
    tile = torch.randn(2 * BLOCK, 2 * BLOCK, generator=torch.Generator().manual_seed(seed))
    make, turned = KINDS[kind]
    reached = make(tile, 50).reached(k)
    blocks = 2 * BLOCK // FINE
    if k > blocks:
        assert reached is None
        return
    assert ((turned(tile)[:50] >= reached[:, None]).sum(dim=1) >= k).all()
    # By hand: the greatest of each run of eight entries, of which the k-th is taken.
    greatest = [max(turned(tile)[3, start : start + FINE].tolist()) for start in range(0, 2 * BLOCK, FINE)]
    assert reached[3].item() == sorted(greatest)[-k]
