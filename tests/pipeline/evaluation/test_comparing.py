import json
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from benchmark_files import encode, write_bucc, write_flores, write_stsb, write_tatoeba

from pipeline.console.errors import DamagedError, InputError, UserError
from pipeline.evaluation.cleanliness import find_seen
from pipeline.evaluation.comparing import compare, sign_probability
from pipeline.evaluation.embedded import MeasuredModel
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.results import items_path, read_result
from pipeline.evaluation.run import Evaluation, summary
from pipeline.ground.file_checksum import seal


def worse(texts: list[str]) -> np.ndarray:
    """The same vectors, blurred."""
    seeds = [int.from_bytes(blake2b(text.encode(), digest_size=3).digest()) for text in texts]
    noise = np.stack([np.random.default_rng(seed).normal(size=12) for seed in seeds])
    return (encode(texts) + 1.2 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("benchmarks")
    return (
        read_benchmark("tatoeba", "tatoeba", write_tatoeba(root / "t")),
        read_benchmark("flores", "flores", write_flores(root / "f")),
        read_benchmark("stsb", "stsb", write_stsb(root / "s")),
        read_benchmark("bucc", "bucc", write_bucc(root / "b")),
        read_benchmark("top", "bucc-retrieval", root / "b"),
    )


def written(path: Path, name: str, how, benchmarks, seen=None) -> Path:
    evaluation = Evaluation(tuple(benchmarks), 50, 3, None, seen)
    model = MeasuredModel(name, how, {"made": "here"})
    evaluation.write(path, model, evaluation.scores(model))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, benchmarks):
    root = tmp_path_factory.mktemp("results")
    seen = find_seen(benchmarks[0].texts(), [pl.Series(benchmarks[0].texts()[:15])], 0)
    return (
        read_result(written(root / "good.json", "good", encode, benchmarks, seen)),
        read_result(written(root / "bad.json", "bad", worse, benchmarks)),
    )


def test_what_is_written_comes_back(results, benchmarks):
    good = results[0]
    assert good.name == "good"
    for benchmark in benchmarks:
        tasks = good.about["benchmarks"][benchmark.name]["tasks"]
        assert list(good.items[benchmark.name]) == list(tasks)
        for name, items in good.items[benchmark.name].items():
            assert len(items) == tasks[name]["items"]
            value = items.values(names=[items.main])[items.main][0]
            assert value == pytest.approx(tasks[name][items.main]["value"], abs=1e-6)
    assert good.clean["tatoeba"]["fr-en"].tolist() == [False] * 15 + [True] * 25
    assert "clean" in good.about["benchmarks"]["tatoeba"]["mean"]["accuracy"]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, benchmarks):
    paths = [written(tmp_path / f"{n}" / "x.json", "good", encode, benchmarks) for n in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert items_path(paths[0]).read_bytes() == items_path(paths[1]).read_bytes()
    assert str(tmp_path) not in paths[0].read_text()


def test_a_model_is_no_better_than_itself(results):
    for one in compare([results[0], results[0]], 100):
        assert one.values[0] == one.values[1]
        assert one.intervals[0] == (0, 0)
        assert one.p[0] == 1


def test_a_blurred_model_is_worse(results):
    found = {(one.benchmark, one.task): one for one in compare(results, 400)}
    mean = found["flores", "mean"]
    assert mean.statistic == "accuracy"
    assert mean.values[1] < mean.values[0]
    assert mean.intervals[0][1] < 0
    assert mean.p[0] == pytest.approx(2 / 401)
    assert found["stsb", "mean"].statistic == "spearman"
    assert found["bucc", "fr-en"].values[1] < found["bucc", "fr-en"].values[0]
    assert ("bucc", "mean") not in found  # one task is its own mean
    assert mean.values[0] == pytest.approx(
        results[0].about["benchmarks"]["flores"]["mean"]["accuracy"]["value"], abs=1e-6
    )


def test_exchanging_models_turns_the_sign(results):
    forth, back = compare(results, 100), compare(results[::-1], 100)
    for one, other in zip(forth, back, strict=True):
        assert one.intervals[0] == pytest.approx(tuple(-value for value in other.intervals[0][::-1]))
        assert one.p == other.p


def test_only_clean_items(results):
    tatoeba = [replace(result, items={"tatoeba": {"fr-en": result.items["tatoeba"]["fr-en"]}}) for result in results]
    whole, clean = compare(tatoeba, 50)[0], compare(tatoeba, 50, clean=True)[0]
    items = results[0].items["tatoeba"]["fr-en"]
    right = [(items.columns[name] == np.arange(40))[15:].mean() for name in ("found", "found_back")]
    assert clean.values[0] == pytest.approx(np.mean(right))
    assert whole.values[0] != clean.values[0]
    with pytest.raises(UserError, match="mined pairs differ by model"):
        compare([replace(r, items={"bucc": r.items["bucc"]}) for r in results], 50, clean=True)


def test_no_result_says_what_is_clean(tmp_path: Path, benchmarks):
    bad = read_result(written(tmp_path / "x.json", "x", encode, benchmarks[:1]))
    with pytest.raises(UserError, match="no result says which items are clean"):
        compare([bad, bad], 50, clean=True)


def test_results_that_can_not_be_compared(results, tmp_path: Path):
    with pytest.raises(UserError, match="at least two"):
        compare(results[:1])
    other = read_benchmark("other", "tatoeba", write_tatoeba(tmp_path / "o"))
    with pytest.raises(UserError, match="no benchmark and task is in all of"):
        compare([results[0], read_result(written(tmp_path / "o.json", "o", encode, [other]))])
    moved = read_benchmark("tatoeba", "tatoeba", write_tatoeba(tmp_path / "m", rows=40))
    task = replace(moved.tasks[0], texts_a=moved.tasks[0].texts_a[::-1])
    shuffled = read_result(written(tmp_path / "m.json", "m", encode, [replace(moved, tasks=(task,))]))
    with pytest.raises(InputError, match="not about the same sentences"):
        compare([results[0], shuffled], 50)


def test_files_that_are_something_else(tmp_path: Path, benchmarks):
    with pytest.raises(InputError, match="no such file"):
        read_result(tmp_path / "x.json")
    for content, message in (("{", "not JSON"), ("[]", "but not of `softalign evaluate"), ("{}", "but not of")):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(InputError, match=message):
            read_result(tmp_path / "x.json")
    path = written(tmp_path / "y.json", "y", encode, benchmarks[:1])
    table = pq.read_table(items_path(path))
    pq.write_table(table.slice(1), items_path(path))
    with pytest.raises(DamagedError, match="not the one in it"):
        read_result(path)
    seal(items_path(path))
    with pytest.raises(InputError, match=r"39 items of tatoeba fr-en; y.json says 40"):
        read_result(path)
    pq.write_table(table.drop_columns(["id"]), items_path(path))
    seal(items_path(path))
    with pytest.raises(InputError, match="has no column id"):
        read_result(path)
    items_path(path).write_bytes(b"x")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_result(path)
    items_path(path).unlink()
    with pytest.raises(InputError, match=r"y.items.parquet: no such file; it belongs to y.json"):
        read_result(path)


def test_few_and_well_named_metrics(benchmarks, results):
    found = summary(Evaluation(benchmarks, 0).scores(MeasuredModel("good", encode)))
    assert set(found) == {"tatoeba", "flores", "stsb", "bucc", "top"}
    assert set(found["tatoeba"]) == {"accuracy", "tasks"}
    assert list(found["tatoeba"]["tasks"]) == ["fr-en", "ja-en"]
    assert set(found["bucc"]) == {"f1"}
    assert json.loads(json.dumps(found)) == found


def test_the_probability_by_hand():
    assert sign_probability(np.array([1.0, 2.0, 3.0])) == 0.5
    assert sign_probability(np.array([-1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.8)
    assert sign_probability(np.zeros(5)) == 1
