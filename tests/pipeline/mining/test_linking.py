import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining.linking import competitive_links


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_each_row_once_and_nothing_left(pairs):
    a, b = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)
    taken = competitive_links(a, b)
    kept_a, kept_b = a[taken].tolist(), b[taken].tolist()
    assert len(set(kept_a)) == len(kept_a)
    assert len(set(kept_b)) == len(kept_b)
    for position in np.flatnonzero(~taken):
        earlier = taken[:position]
        assert a[position] in a[:position][earlier] or b[position] in b[:position][earlier]
