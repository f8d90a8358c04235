"""Mined pairs pass prepare's rules: held to brute force over a whole matrix, with every pair's texts looked at."""

from __future__ import annotations

from pathlib import Path

import mining_reference as reference
import numpy as np
import polars as pl
import pytest
from exact_search import mutual_neighbors

from pipeline.config.mine import Mine
from pipeline.config.prepare import Clean
from pipeline.mining.documents import same_document
from pipeline.mining.judging.control import partner_control, restricted_control, shuffled_control
from pipeline.mining.mine import mine, mine_neighbors, search_job
from pipeline.mining.pair_rules import MinedRules, find_copies
from pipeline.mining.row_texts import RowTexts
from pipeline.search.scratch import ScratchArrays
from pipeline.text.rules import OFF, without_rules

EN_FR = ("en", "fr")


def texts_of(numbers: np.ndarray, word: str) -> list[str]:
    """A third of the sentences stand in both languages as they are; the others have two numbers of a few."""
    return [
        f"the same sentence {n}." if n % 3 == 0 else f"{word} {n % 4}5 of {n % 5}7 times {'x' * (n % 7)}"
        for n in numbers.tolist()
    ]


def two_sides(seed: int, n: int = 60, m: int = 50):
    generator = np.random.default_rng(seed)
    numbers = [generator.choice(90, rows, replace=False) for rows in (n, m)]
    meaning = generator.standard_normal((90, 6))
    x, y = ((meaning[of] + 0.3 * generator.standard_normal((len(of), 6))).astype(np.float32) for of in numbers)
    a, b = (
        texts_of(numbers[0], "sentence"),
        [
            text.upper() if n % 2 else text
            for n, text in zip(numbers[1].tolist(), texts_of(numbers[1], "phrase"), strict=True)
        ],
    )
    return x, y, a, b


def numbers_in(text: str) -> set[str]:
    return {word for word in text.lower().replace(".", "").split() if word.isdigit()}


def breaks_numbers(a: str, b: str) -> bool:
    one, other = numbers_in(a), numbers_in(b)
    total = len(one) + len(other)
    return total >= 2 and 2 * len(one & other) / total < 0.5


@pytest.mark.parametrize("retrieval", ["union", "intersection", "forward", "backward"])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_brute_force(tmp_path: Path, retrieval: str, seed: int):
    x, y, a, b = two_sides(seed)
    rules = MinedRules.of(Clean(max_length_ratio=0), (), EN_FR).between(
        RowTexts.of(pl.Series(a)), RowTexts.of(pl.Series(b))
    )
    options = Mine(k=4, retrieval=retrieval)  # type: ignore[arg-type]
    cosines = reference.cosines(x, y)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            if one.lower() == other.lower():
                cosines[i, j] = -np.inf
    forbidden = {(i, j) for i, one in enumerate(a) for j, other in enumerate(b) if breaks_numbers(one, other)}
    expected = reference.candidates(cosines, 4, "ratio", retrieval, forbidden)
    job = search_job(options, scratch=ScratchArrays(tmp_path / "arrays"))
    in_files = mine(x, y, options.model_copy(update={"memory_bytes": 1 << 10}), job, rules)
    for found in (mine(x, y, options, rules=rules), in_files):
        pairs = list(zip(found.row_a.tolist(), found.row_b.tolist(), strict=True))
        assert pairs == reference.greedy(expected)
        np.testing.assert_allclose(found.score, [expected[pair] for pair in pairs], rtol=1e-4)
    assert expected.keys() != reference.candidates(reference.cosines(x, y), 4, "ratio", retrieval).keys()


def test_what_is_left_out_is_counted():
    x = np.eye(3, dtype=np.float32)
    y = x + 0.1
    a = ["page 12 of 13", "see www.a.b now", "an ordinary sentence"]
    b = ["page 14 de 15", "voyez maintenant", "une phrase ordinaire"]
    texts = RowTexts.of(pl.Series(a)), RowTexts.of(pl.Series(b))
    neighbors = mutual_neighbors(x, y, 1, 1 << 20)
    mined = mine_neighbors(neighbors, Mine(k=1), None, MinedRules.of(Clean(), (), EN_FR).between(*texts))
    assert (mined.pairs.row_a.tolist(), mined.broken) == ([2], {"numbers": 2, "urls": 2})  # of either side's proposals
    kept = mine_neighbors(neighbors, Mine(k=1), None, MinedRules.of(Clean(), ("numbers",), EN_FR).between(*texts))
    assert (sorted(kept.pairs.row_a.tolist()), kept.broken) == ([0, 2], {"urls": 2})


def test_copies_are_found_by_their_normal_form():
    a = RowTexts.of(pl.Series(["Hello, World!", "one", "hello world", "...", "ＦＵＬＬ", "two"]))
    b = RowTexts.of(pl.Series(["zwei", "HELLO WORLD", "full", "---", "...", "Hello\u200bWorld"]))
    found = find_copies(a, b, Clean())
    assert found is not None
    assert (found.rows_a.tolist(), found.rows_b.tolist()) == ([0, 2, 3, 4], [1, 2, 4, 5])
    assert found.group_a[0] == found.group_a[1] == found.group_b[0] == found.group_b[3]
    assert find_copies(a.picked(np.array([1, 5])), b, Clean()) is None
    assert find_copies(a, b.picked(np.array([], np.int64)), Clean()) is None


@pytest.mark.parametrize("rule", OFF)
def test_each_rule_can_be_spared(rule: str):
    spared = without_rules(Clean(), [rule])
    assert spared != Clean()
    assert {name for name in OFF if without_rules(spared, [name]) == spared} == {rule}


def test_controls_and_documents_hold_the_same_rules():
    x, y, a, b = two_sides(9)
    of_pair = MinedRules.of(Clean(max_length_ratio=0), (), EN_FR)
    rules = of_pair.between(RowTexts.of(pl.Series(a)), RowTexts.of(pl.Series(b)))
    documents = np.array([f"d{row % 4}" for row in range(60)]), np.array([f"d{row % 4}" for row in range(50)])
    # Vectors as like as can be: without rules every sentence gets a pair, with them only those whose numbers agree.
    near = np.ones((60, 6), np.float32) + 1e-2 * x, np.ones((50, 6), np.float32) + 1e-2 * y
    free, held = (shuffled_control(*near, *documents, Mine(), rules=given) for given in (None, rules))
    assert len(held.scores) < len(free.scores)
    assert held.searched == free.searched
    pairs = same_document(*documents)
    free, held = (restricted_control(*near, pairs, Mine(), given) for given in (None, rules))
    assert len(held.scores) < len(free.scores)
    mined = mine_neighbors(mutual_neighbors(x, y, 4, 1 << 20, copies=rules.copies), Mine(), None, rules)
    free, held = (partner_control(mined, Mine(), None, None, given) for given in (None, rules))
    assert free is not None
    assert held is not None
    assert len(held.scores) < len(free.scores)
