"""Neighbourhoods in words, unknown tokens, the threshold's interval and costs, from artifacts made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from artifacts_made import EN, FR, write_artifacts, write_average_neighborhoods

from pipeline.console.errors import ArtifactError
from pipeline.ground.languages import LanguagePair
from pipeline.inspecting.neighborhoods import read_neighborhoods
from pipeline.inspecting.surroundings import Surroundings
from pipeline.mining.judging.threshold import bootstrap
from pipeline.reporting.costs import RunCost, cost_rows, read_costs
from pipeline.reporting.inputs import ReportInputs, make_histogram, threshold_interval
from pipeline.reporting.notes import unknown_languages
from pipeline.reporting.plots import score_histogram

PAIR = LanguagePair("en", "fr")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_artifacts(tmp_path_factory.mktemp("project"))
    write_average_neighborhoods(folder)
    return folder


def test_neighbourhoods_have_words_and_weights(root: Path):
    around = Surroundings((root / "data/sentences",), root / "data/pairs")
    found = read_neighborhoods(root / "data/neighborhoods/en-fr", PAIR, around, 2)
    assert len(found) == 2
    assert {one.text for one in found} < set(EN)
    for one in found:
        assert one.own == pytest.approx(1 - 0.375)
        assert [(n.similarity, n.weight) for n in one.neighbors] == [(0.75, 0.25), (0.5, 0.125)]
        assert {one.text, *(n.text for n in one.neighbors)} == set(EN)


def test_neighbourhoods_of_pairs_have_both_sides(root: Path):
    around = Surroundings((root / "data/sentences",), root / "data/pairs")
    found = read_neighborhoods(root / "data/neighborhoods/average/en-fr", PAIR, around, 9)
    assert {one.text for one in found} == {f"{a} · {b}" for a, b in zip(EN, FR, strict=True)}


def test_no_neighbourhoods_are_none(tmp_path: Path):
    assert read_neighborhoods(tmp_path / "none", PAIR, Surroundings(), 3) == []


def test_unknown_tokens_are_said():
    tokens = {"student": {"en": {"unknown_share": 0.0}, "ko": {"unknown_share": 0.25}}}
    inputs = ReportInputs("t", [PAIR], {"seed": 0}, {}, {}, {}, tokenize=tokens)
    (said,) = unknown_languages(inputs)
    assert said.startswith("The tokenizer of student does not know 25.0\u00a0% of the tokens in ko (the training text)")
    assert unknown_languages(replace(inputs, tokenize={})) == []


def test_the_threshold_s_interval_is_that_of_mining(tmp_path: Path):
    generator = np.random.default_rng(0)
    gold = np.arange(60) < 40
    scores = np.where(gold, 1.2, 0.9) + generator.normal(scale=0.15, size=60)
    pl.DataFrame(
        {"set": ["dev"] * 60 + ["test"], "score": [*scores, 9.0], "gold": [*gold.tolist(), True]}
    ).write_parquet(tmp_path / "m.parquet")
    metrics, made_by = {"dev": {"gold": 45}}, {"threshold": 1.05, "options": {"threshold": None}}
    wanted = bootstrap(scores, gold, 45, 50, 7).threshold
    found = threshold_interval(tmp_path / "m.parquet", made_by, metrics, 50, 7)
    assert found == (wanted.low, wanted.high)
    assert found[0] < found[1]
    given = {"threshold": 1.05, "options": {"threshold": 1.05}}
    assert threshold_interval(tmp_path / "m.parquet", given, metrics, 50, 7) is None
    assert threshold_interval(tmp_path / "m.parquet", {"threshold": None}, metrics, 50, 7) is None
    assert threshold_interval(tmp_path / "m.parquet", made_by, {}, 50, 7) is None


def test_costs_are_in_the_order_of_stages(tmp_path: Path):
    for name in ("report", "train", "mine-en-fr", "prepare", "other"):
        (tmp_path / f"{name}.json").write_text('{"seconds": 2.0, "peak_megabytes": 1000.4}')
    found = read_costs(tmp_path)
    assert [cost.stage for cost in found] == ["prepare", "train", "mine-en-fr"]
    assert cost_rows([RunCost("a", 1.0, 10.0), RunCost("b", 4.0, 2000.0)]) == [
        ("a", "1.0", "10", 0.25),
        ("b", "4.0", "2,000", 1.0),
    ]
    assert read_costs(tmp_path / "none") == []
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"train\.json: not a stage's cost"):
        read_costs(tmp_path)


def test_histogram_says_the_interval():
    histogram = make_histogram(np.linspace(0, 1, 20), np.arange(20) > 9, 0.5)
    assert histogram is not None
    assert "; threshold 0.450 to 0.550" in score_histogram("en-fr", histogram, 0.5, (0.45, 0.55))
