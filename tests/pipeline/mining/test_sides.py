"""Two sides of vectors made by hand: what the miner gives of them, and what there is to judge it by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.config.mine import Mine
from pipeline.config.prepare import Clean
from pipeline.mining.mine import mine
from pipeline.mining.pair_rules import MinedRules
from pipeline.mining.row_texts import RowTexts
from pipeline.mining.sides import MiningRun, MiningSide, mine_sides, restriction

COUNT = 40
RUN = MiningRun(Mine(k=2))


def sides(noise: float = 0.1, rows: int = COUNT) -> tuple[MiningSide, MiningSide]:
    """Sentence n of either side has (nearly) the n-th of ``COUNT`` fixed directions; side b says it in capitals."""
    directions = np.random.default_rng(0).normal(size=(COUNT, 24))
    found = []
    for seed in (1, 2):
        vectors = directions[:rows] + noise * np.random.default_rng(seed).normal(size=(rows, 24))
        texts = pl.Series([f"{'xX'[seed - 1]} {number}" for number in range(rows)])
        found.append(MiningSide(vectors.astype(np.float32), RowTexts.of(texts)))
    return found[0], found[1]


def with_documents(side: MiningSide, name: str = "d") -> MiningSide:
    return replace(side, documents=np.array([f"{name}{row % 4}" for row in range(len(side))]))


def test_the_pairs_are_those_of_the_arrays():
    a, b = sides()
    found = mine_sides(a, b, RUN)
    expected = mine(a.vectors, b.vectors, Mine(k=2))
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found.pairs, name), values)
    assert found.about["exact"]
    assert found.cost(1.0) is None
    left = found.left_out()
    assert (left.copies_a, left.copies_b, left.broken, left.gold) == (0, 0, {}, {})


@pytest.mark.parametrize(
    ("names", "options", "kind"),
    [
        (None, {}, "partners"),
        (("d", "e"), {}, "partners"),  # no document stands on both sides
        (("d", "d"), {}, "documents"),
        (("d", "d"), {"within": "document"}, "documents"),
    ],
)
def test_the_control_is_what_the_documents_allow(names: tuple[str, str] | None, options: dict[str, str], kind: str):
    a, b = sides()
    if names is not None:
        a, b = with_documents(a, names[0]), with_documents(b, names[1])
    found = mine_sides(a, b, MiningRun(Mine(k=2, **options)))
    control = found.control(1.0)
    assert control is not None
    assert control.kind == kind
    if options:
        assert (found.pairs.row_a % 4 == found.pairs.row_b % 4).all()
        assert found.about["within"] == "document"


def test_two_documents_are_too_few_to_be_exchanged():
    a, b = (replace(side, documents=np.array(["d1", "d2"] * (COUNT // 2))) for side in sides())
    assert mine_sides(a, b, MiningRun(Mine(k=2, within="document"))).control(1.0) is None


def test_days_are_asked_for_by_a_window_alone():
    a, b = sides()
    days = replace(a, days=np.arange(COUNT)), replace(b, days=np.arange(COUNT) + 3)
    found = mine_sides(*days, MiningRun(Mine(k=2, within="window", window=1)))
    assert (np.abs(found.pairs.row_a - found.pairs.row_b - 3) <= 1).all()
    assert restriction(*days, Mine()) is None
    for options in (Mine(within="window"), Mine(within="document")):
        with pytest.raises(ValueError, match=f"without documents can't be mined within a {options.within}"):
            mine_sides(a, b, MiningRun(options))


def test_copies_are_no_pairs_and_are_counted_with_the_gold_that_they_cost():
    a, b = sides()
    rules = MinedRules.of(Clean(), ["letters", "script", "numbers", "too-short"], ("en", "fr"))
    found = mine_sides(a, b, replace(RUN, rules=rules))
    left = found.left_out(np.array([[3, 3], [4, 4], [5, 6]]))
    assert (left.copies_a, left.copies_b) == (COUNT, COUNT)  # case is no difference in the normal form
    assert left.gold == {"copy": 2}
    assert (found.pairs.row_a != found.pairs.row_b).all()


@pytest.mark.parametrize("index", ["HNSW16", "IVF2,Flat"])
def test_an_approximate_search_says_what_it_lost(index: str):
    found = mine_sides(*sides(), MiningRun(Mine(k=2, search="faiss", index=index, sample=COUNT), seed=3))
    lost = found.cost(1.0)
    assert lost is not None
    assert lost.sample == COUNT
    assert lost.recall_pairs >= 0.9
