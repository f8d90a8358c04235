import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics import f1_score

from pipeline.evaluation.statistics import (
    STATISTICS,
    Items,
    bootstrap,
    weighted_f1,
    weighted_pearson,
    weighted_ranks,
)

SMALL = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=25)


def retrieval(found: list[int], back: list[int], units: str = "u") -> Items:
    columns = {"target": np.arange(len(found)), "found": np.array(found), "found_back": np.array(back)}
    return Items("retrieval", columns, units)


def similarity(cosine, gold) -> Items:
    return Items("similarity", {"cosine": np.asarray(cosine, float), "gold": np.asarray(gold, float)}, "pairs")


def test_retrieval_by_hand():
    items = retrieval([0, 1, 1, 3], [0, 0, 2, 3])
    values = {name: value[0] for name, value in items.values().items()}
    # f1: targets 0, 1, 2, 3; found 0, 1, 1, 3: F1 is 1, 2/3, 0 and 1.
    assert values == pytest.approx({"accuracy": 0.75, "forward": 0.75, "backward": 0.75, "f1": (1 + 2 / 3 + 0 + 1) / 4})


def test_xsim_is_there_only_where_it_was_computed():
    plain = retrieval([0, 1], [0, 1])
    assert "xsim" not in plain.names
    rows = np.arange(2)
    full = Items("retrieval", {**plain.columns, "margin": rows[::-1], "margin_back": rows}, "u")
    assert full.values(names=["xsim", "xsim_forward", "xsim_backward"])["xsim"][0] == 0.5
    assert full.uncertain == ["accuracy", "xsim"]


def test_mining_by_hand():
    columns = {"row": [0, 1, 2], "extracted": [1, 1, 0], "correct": [1, 0, 0], "wanted": [1, 0, 2]}
    items = Items("mining", {name: np.array(value) for name, value in columns.items()}, "u")
    values = {name: value[0] for name, value in items.values().items()}
    assert values == pytest.approx({"f1": 2 * 1 / (2 + 3), "precision": 0.5, "recall": 1 / 3})


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_weighted_f1_is_that_of_items_repeated(rows):
    target, found, weight = (np.array(column) for column in zip(*rows, strict=True))
    if weight.sum() == 0:
        return
    ours = weighted_f1(target, found, weight[None, :].astype(float))[0]
    theirs = f1_score(np.repeat(target, weight), np.repeat(found, weight), average="weighted", zero_division=0)
    assert ours == pytest.approx(theirs)


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_weighted_correlations_are_those_of_items_repeated(rows):
    x, y, weight = (np.array(column, float) for column in zip(*rows, strict=True))
    repeated = [np.repeat(column, weight.astype(int)) for column in (x, y)]
    if any(len(np.unique(column)) < 2 for column in repeated):
        return
    items = similarity(x, y)
    values = items.values(weight[None, :])
    assert values["spearman"][0] == pytest.approx(spearmanr(*repeated)[0])
    assert values["pearson"][0] == pytest.approx(pearsonr(*repeated)[0])
    ranks = weighted_ranks(x, weight[None, :])[0]
    assert np.repeat(ranks, weight.astype(int)) == pytest.approx(rankdata(repeated[0]))


def test_monotone_changes_leave_spearman_alone():
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 50))
    before = similarity(x, y).values()["spearman"]
    assert similarity(np.exp(x), 3 * y - 1).values()["spearman"] == pytest.approx(before)


def test_a_constant_correlates_with_nothing():
    assert np.isnan(weighted_pearson(np.ones(4), np.arange(4.0), np.ones((1, 4)))[0])


def test_resamples_are_the_same_every_time_and_differ_by_seed():
    items = {"t": retrieval([0, 1, 1, 3, 9], [0, 0, 2, 3, 4])}
    once, again, other = (bootstrap(items, 50, seed)["t"]["accuracy"] for seed in (1, 1, 2))
    assert once.tolist() == again.tolist() != other.tolist()


def test_tasks_about_the_same_sentences_are_drawn_together():
    right = [row if row % 2 else -1 for row in range(20)]
    items = {"a": retrieval(right, right, "lines"), "b": retrieval(right, right, "lines")}
    together = bootstrap(items, 40, 0)
    assert together["a"]["accuracy"].tolist() == together["b"]["accuracy"].tolist()
    apart = bootstrap({"a": items["a"], "b": retrieval(right, right, "others")}, 40, 0)
    assert apart["a"]["accuracy"].tolist() == together["a"]["accuracy"].tolist() != apart["b"]["accuracy"].tolist()


def test_chunks_of_resamples_make_no_difference_to_their_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.evaluation.statistics.CELLS", 12)
    found = bootstrap({"t": retrieval([0, 1, 9, 3, 9], [0, 1, 2, 3, 4])}, 11, 5)
    assert found["t"]["accuracy"].shape == (11,)


def test_the_interval_is_about_as_wide_as_it_must_be():
    right = [row if row % 10 else -1 for row in range(400)]
    drawn = bootstrap({"t": retrieval(right, right)}, 1000, 0)["t"]["accuracy"]
    assert drawn.std() == pytest.approx(np.sqrt(0.9 * 0.1 / 400), rel=0.1)


def test_the_first_statistic_is_the_main_one():
    assert {measure: next(iter(of)) for measure, of in STATISTICS.items()} == {
        "retrieval": "accuracy",
        "top-one": "f1",
        "similarity": "spearman",
        "mining": "f1",
    }


def test_accuracy_and_xsim_are_means_of_both_directions():
    everything, nothing = [0, 1, 2, 3], [1, 2, 3, 0]
    for found, back, forward in ((everything, nothing, 1.0), (nothing, everything, 0.0)):
        columns = {**retrieval(found, back).columns, "margin": np.array(found), "margin_back": np.array(back)}
        values = Items("retrieval", columns, "u").values()
        scores = {name: float(value[0]) for name, value in values.items() if name != "f1"}
        assert scores == {
            **{"accuracy": 0.5, "forward": forward, "backward": 1 - forward},
            **{"xsim": 0.5, "xsim_forward": 1 - forward, "xsim_backward": forward},
        }
