import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.search.best import MAX_ROWS, Best, decode_row, decode_similarity, encode
from pipeline.search.lines import BLOCK, RowLines

similarities = hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(-2, 2, width=32))


@given(similarities, st.randoms())
def test_keys_order_as_similarity_then_lower_row(values, random):
    rows = list(range(len(values)))
    random.shuffle(rows)
    keys = encode(torch.from_numpy(values), torch.tensor(rows))
    order = keys.argsort(descending=True).tolist()
    assert order == sorted(range(len(values)), key=lambda i: (-values[i], rows[i]))
    assert np.array_equal(decode_similarity(keys).numpy(), values)
    assert decode_row(keys).tolist() == rows


def test_the_greatest_row_survives():
    keys = encode(torch.tensor([-1.0, 1.0]), torch.tensor([MAX_ROWS, MAX_ROWS]))
    assert decode_row(keys).tolist() == [MAX_ROWS, MAX_ROWS]


def test_nothing_taken_is_nothing_held():
    best = Best(3, 2, torch.device("cpu"))
    best.update(0, RowLines(torch.full((BLOCK, BLOCK), float("-inf")), 3), 0)
    similarity, row = best.result()
    assert np.all(np.isneginf(similarity))
    assert np.all(row == -1)
