"""Experiments side by side: grouping, spread, what varies, the best, and every kind of output."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.errors import UserError
from pipeline.reporting.experiment_outputs import csv_text, markdown, page, view
from pipeline.reporting.experiment_plots import metric_svg, numeric_setting, standalone_svg
from pipeline.reporting.experiments import Comparison, ExperimentRun, choose_metrics, compare, metric_label, scale
from pipeline.reporting.settings import flat_settings, order_key, varying, with_defaults

BASE: dict[str, Any] = {
    "languages": ["en", "fr"],
    "pairs": ["en-fr"],
    "prepare": {"corpora": [{"name": "made-up", "format": "moses", "path": "text.{lang}"}]},
    "teacher": {"model": "tiny"},
}
DEV, TEST = "train.dev_accuracy", "evaluate.retrieval.mean"


def run(
    name: str, accuracy: float, seed: int = 1, train: dict[str, Any] | None = None, **changes: Any
) -> ExperimentRun:
    params = {**BASE, "seed": seed, "train": train or {}}
    metrics = {DEV: accuracy, TEST: accuracy / 2, "train.last_loss": 1 - accuracy, "teach.en.misses": 0}
    return replace(ExperimentRun(name, "success", params, metrics, "abc", f"2026-01-{seed:02d}"), **changes)


def tau(value: float) -> dict[str, Any]:
    return {"temperature": {"student": value}}


@pytest.fixture
def runs() -> list[ExperimentRun]:
    """Two τ, two seeds each."""
    return [
        run("d", 0.75, 2, tau(0.2)),
        run("a", 0.5, 1, tau(0.05)),
        run("c", 0.25, 1, tau(0.2)),
        run("b", 0.7, 2, tau(0.05)),
    ]


@pytest.fixture
def table(runs: list[ExperimentRun]) -> Comparison:
    return compare(runs)


def test_runs_that_differ_only_in_seed_are_a_row(table: Comparison):
    assert table.settings == ("train.temperature.student",)
    assert table.metrics == (DEV, TEST)
    assert [(row.settings, row.runs, row.repeats) for row in table.rows] == [
        ((0.05,), ("a", "b"), ((1,), (2,))),
        ((0.2,), ("c", "d"), ((1,), (2,))),
    ]


def test_mean_and_sample_deviation_by_hand(table: Comparison):
    cell = table.rows[0].cells[0]
    assert cell.values == (0.5, 0.7)
    assert cell.mean == pytest.approx(0.6)
    assert cell.spread == pytest.approx(0.02**0.5)  # (0.1² + 0.1²) / (2 - 1)
    assert [row.cells[0].best for row in table.rows] == [True, False]


def test_one_run_has_no_spread(runs: list[ExperimentRun]):
    assert compare(runs[:1]).rows[0].cells[0].spread is None


def test_of_a_loss_the_smallest_is_the_best(runs: list[ExperimentRun]):
    table = compare(runs, ["last_loss"])
    assert [row.cells[0].best for row in table.rows] == [True, False]


@given(st.permutations(range(4)))
def test_the_order_of_experiments_is_no_matter(order: list[int]):
    runs = [run("a", 0.5, 1, tau(0.05)), run("b", 0.7, 2, tau(0.05)), run("c", 0.2, 1), run("d", 0.1, 2)]
    assert compare([runs[place] for place in order]) == compare(runs)


def test_a_default_that_is_named_is_no_difference():
    table = compare([run("a", 0.5), run("b", 0.6, train={**tau(0.1), "batches": "random"}, seed=2)])
    assert (table.settings, len(table.rows)) == ((), 1)


def test_parameters_that_this_version_can_t_read_stay_as_they_are():
    strange = {"train": {"warp": 9}}
    assert with_defaults([BASE, strange]) == [BASE, strange]


def test_losses_are_one_setting_unless_only_their_numbers_differ():
    hard, soft = [{"name": "hard"}], [{"name": "soft", "tcm": 0.5}]
    both = [{"name": "soft", "tcm": 0.5, "weight": 1.0}, {"name": "mse", "weight": 2.0}]
    terms = [{"train": {"loss": loss}} for loss in (hard, soft, both)]
    assert [run["train.loss"] for run in flat_settings(terms)] == [
        "hard",
        "soft (λ 0.5)",
        "soft (λ 0.5) + mse (weight 2)",
    ]
    by_lambda = flat_settings([{"train": {"loss": [{"name": "soft", "tcm": value}]}} for value in (None, 0.5)])
    assert varying(by_lambda) == ["train.loss.0.tcm"]


def test_settings_of_mixed_types_are_ordered():
    assert sorted([("b",), (2,), (None,), (0.5,), ("a",)], key=order_key) == [(None,), (0.5,), (2,), ("a",), ("b",)]


def test_the_later_of_two_equal_runs_counts_and_the_other_is_named(runs: list[ExperimentRun]):
    again = replace(runs[1], name="again", time="2027", metrics={DEV: 0.9, TEST: 0.8})
    table = compare([again, *runs])
    assert table.doubles == ("a",)
    assert table.rows[0].runs == ("again", "b")
    assert "Replaced by later ones of the same settings: a." in markdown(table)


def test_experiments_of_two_commits_are_told_apart(runs: list[ExperimentRun]):
    table = compare([*runs[:2], replace(runs[2], commit="def")])
    assert table.settings[-1] == "commit"


def test_unfinished_ones_are_listed_with_their_reason_and_count_nowhere(runs: list[ExperimentRun]):
    failed = run("f", 1.0, 3, {**tau(0.05), "steps": "many"}, state="failed", reason="steps: found 'many'", metrics={})
    queued = run("q", 1.0, 4, state="queued", metrics={})
    table = compare([queued, failed, *runs])
    assert table.rows == compare(runs).rows
    shown = view(table).tables[1].rows
    assert [row[:2] for row in shown] == [("f", "failed"), ("q", "queued")]
    assert "train.steps=many" in shown[0][2]
    assert shown[0][3] == "steps: found 'many'"


def test_nothing_finished_is_said(runs: list[ExperimentRun]):
    table = compare([replace(runs[0], state="running", metrics={})])
    assert "No experiment has finished." in markdown(table)
    assert "No experiment has finished." in page(table, "t")
    assert [found.title for found in view(table).tables] == ["without results"]


def test_benchmarks_are_shown_by_their_own_number():
    names = ["evaluate.benchmarks.tatoeba.accuracy", "evaluate.benchmarks.sts.b.mean_spearman"]
    others = ["tatoeba.tasks.fr-en", "tatoeba.tasks.fr-en.accuracy", "tatoeba.clean", "tatoeba.seen", "sts.b.mean_low"]
    measured = [*names, *(f"evaluate.benchmarks.{name}" for name in others), "evaluate.peers.use.tatoeba.accuracy", DEV]
    chosen = choose_metrics([ExperimentRun("a", "success", {}, dict.fromkeys(measured, 0.5))], ())
    assert sorted(chosen) == sorted([DEV, *names])
    assert [metric_label(name) for name in names] == ["tatoeba accuracy", "sts.b mean spearman"]


def test_metrics_by_pattern_and_by_last_part(runs: list[ExperimentRun]):
    assert choose_metrics(runs, ["train.*", "dev_accuracy"]) == (DEV, "train.last_loss")
    assert choose_metrics(runs, ["retrieval.mean"]) == (TEST,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda runs: compare([]), r"found no experiments; expected some"),
        (
            lambda runs: compare(runs, ["dev_acuracy"]),
            r"--metric: no experiment has 'dev_acuracy'; .*train\.dev_accuracy",
        ),
        (lambda runs: compare(runs, ["none.*"]), r"--metric: no experiment has 'none\.\*'; expected one such as"),
        (
            lambda runs: compare([run("z", 0.1, metrics={"a.x": 1, "b.x": 1})], ["x"]),
            r"--metric: 'x' fits a\.x, b\.x; name one",
        ),
        (lambda runs: compare(runs, repeated_over=["sed"]), r"--group-by: 'sed' is no parameter .*did you mean seed"),
        (
            lambda runs: compare([*runs, run("old", 0.1, 3, metrics={DEV: 0.1})]),
            r"experiment old has no evaluate\.retrieval\.mean, .*\(1 of 5 lack it\).*exp remove old.*: train\.dev_acc",
        ),
        (
            lambda runs: compare([run("x", 0.1, metrics={"teach.en.hits": 3})]),
            r"none of the metrics train.dev_accuracy.*; expected one such as teach\.en\.hits",
        ),
        (lambda runs: compare([run("x", 0.1, metrics={})]), r"they have no numbers at all"),
    ],
)
def test_what_is_wrong_is_one_line(runs: list[ExperimentRun], call: Callable[[list[ExperimentRun]], Any], message: str):
    with pytest.raises(UserError, match=message) as caught:
        call(runs)
    assert "\n" not in str(caught.value)


def test_markdown(table: Comparison):
    assert markdown(table, "plot.svg").splitlines()[:6] == [
        "| τ student | n | dev accuracy, % | retrieval, % |",
        "| --- | ---: | ---: | ---: |",
        "| 0.05 | 2 | **60.00 ± 14.14** | **30.00 ± 7.07** |",
        "| 0.2 | 2 | 50.00 ± 35.36 | 25.00 ± 17.68 |",
        "",
        "![dev accuracy, %, retrieval, %](plot.svg)",
    ]


def test_csv_has_every_run_in_full(table: Comparison):
    lines = csv_text(table).splitlines()
    assert lines[0] == f"experiment,train.temperature.student,seed,{DEV},{TEST}"
    assert lines[1:3] == ["a,0.05,1,0.5,0.25", "b,0.05,2,0.7,0.35"]


def test_terminal_marks_the_best(table: Comparison):
    assert view(table).tables[0].rows == (
        ("0.05", "2", "60.00 ± 14.14 *", "30.00 ± 7.07 *"),
        ("0.2", "2", "50.00 ± 35.36", "25.00 ± 17.68"),
    )


def test_counts_are_not_shares(runs: list[ExperimentRun]):
    assert scale(compare(runs, ["teach.en.misses"]), 0) == (1.0, "")
    assert scale(compare(runs), 0) == (100.0, ", %")


def test_page_stands_alone_and_escapes(runs: list[ExperimentRun]):
    evil = "<script>alert(1)</script>$x$"
    table = compare([*runs, run(evil, 0.5, 1, {"loss": [{"name": evil}]}), run("q", 0, 9, state="queued", metrics={})])
    text = page(table, evil)
    assert page(table, evil) == text
    assert "<script" not in text
    assert text.count("<figure>") == 2
    assert not re.search(r"(src|href)=\"(?!#)", text)

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"link", "script", "img"}

    Links().feed(text)


def test_one_number_is_drawn_along_the_axis_and_other_settings_are_lines(runs: list[ExperimentRun]):
    assert numeric_setting(compare(runs)) == 0
    losses = [
        run(f"{x.name}-hard", 0.1, x.params["seed"], {**x.params["train"], "loss": [{"name": "hard"}]}) for x in runs
    ]
    both = compare([*runs, *losses])
    assert both.settings[numeric_setting(both) or 0] == "train.temperature.student"
    assert numeric_setting(compare([*runs, losses[0]])) is None  # a line of one point says less than its name
    assert numeric_setting(compare([runs[0], losses[0]])) is None


def test_plots_are_xml_of_the_same_bytes(runs: list[ExperimentRun]):
    wide = [run("w", 0.3, 1, tau(5.0)), run("v", 0.2, 2, tau(5.0))]  # a hundred times: a logarithmic axis
    for table in (compare(runs), compare([*runs, *wide]), compare(runs[:1]), compare([run("$a$", 0.5)])):
        for draw in (lambda table: metric_svg(table, 1), standalone_svg):
            text = draw(table)
            assert text == draw(table)
            ElementTree.fromstring(text)  # noqa: S314  (drawn here)
    assert "--series-1:" in standalone_svg(compare(runs))
