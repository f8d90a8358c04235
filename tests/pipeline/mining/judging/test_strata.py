from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining.judging.strata import draw, shuffled

SCORES = st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=200)


@given(SCORES, st.integers(1, 250), st.integers(0, 3), st.one_of(st.none(), st.floats(0, 2)))
def test_every_pair_is_in_one_stratum_and_as_many_are_drawn_as_wanted(scores, wanted, seed, decision):
    strata = draw(np.array(scores), wanted, seed, decision)
    everything = np.concatenate([one.rows for one in strata])
    assert sorted(everything.tolist()) == list(range(len(scores)))
    drawn = np.concatenate([one.drawn for one in strata])
    assert len(drawn) == len(set(drawn.tolist())) == min(wanted, len(scores))
    for one in strata:
        assert set(one.drawn.tolist()) <= set(one.rows.tolist())
    assert sorted(shuffled(strata, seed).tolist()) == sorted(drawn.tolist())


def test_strata_are_by_score_best_first():
    scores = np.random.default_rng(0).permutation(np.linspace(0, 1, 1000))
    strata = draw(scores, 100, 0)
    for better, worse in pairwise(strata):
        assert scores[better.rows].min() > scores[worse.rows].max()


def test_more_is_drawn_where_the_decision_is():
    scores = np.linspace(1, 2, 1000)
    sizes = [len(one.drawn) for one in draw(scores, 210, 0, decision=1.55)]
    # Best first: 1.55 lies in the fifth stratum (1.5-1.6); it and both beside it get about twice as many.
    assert max(range(10), key=lambda place: sum(sizes[max(place - 1, 0) : place + 2])) == 4
    assert min(sizes[3:6]) > 1.3 * max(sizes[:3] + sizes[6:])
    rising = [len(one.drawn) for one in draw(scores, 210, 0)]
    assert rising[0] < rising[-1]


def test_the_draw_and_the_order_are_those_of_the_seed():
    scores = np.linspace(1, 2, 500)
    first, again, other = (shuffled(draw(scores, 60, seed), seed).tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert first != sorted(first)
