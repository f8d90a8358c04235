"""``softalign plan``: measuring with tiny models, showing, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_project import write_project
from typer.testing import CliRunner
from unit_costs import UNITS

from pipeline.planning import measure
from pipeline.planning.units import load_units, save_units
from softalign.app import app


@pytest.fixture
def root(tmp_path: Path, tiny_teacher: Path) -> Path:
    return write_project(tmp_path, tiny_teacher, pairs=60)


def run(root: Path, *options: str):
    return CliRunner().invoke(app, ["plan", "--project", str(root), *options])


def test_a_plan_is_shown(root: Path):
    save_units(root / "data" / "cost" / "units.json", UNITS)
    done = run(root, "--pairs", "100M", "--mine", "1B", "--device", "h200", "--devices", "8")
    assert done.exit_code == 0, done.output
    assert "training pairs\t100M" in done.output
    assert "8 × NVIDIA H200: 989 TFLOP/s" in done.output
    rows = {line.split("\t")[0]: line.split("\t") for line in done.output.splitlines()}
    assert rows["teach"][2] == "157 GB"  # twice 100M × (16 + 2·384) bytes
    assert set(rows) >= {"prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "all"}


def test_the_project_s_own_size_beside_its_last_run(root: Path):
    save_units(root / "data" / "cost" / "units.json", UNITS)
    missing = run(root)
    assert missing.exit_code == 1
    assert "prepare.json: stage prepare has not run here; say how much there is with --pairs" in missing.output
    (root / "metrics").mkdir()
    found = {
        "corpora": {"made-up": {"read": 90}},
        "pairs": {"en-fr": 60},
        "sentences": {"en": 50, "fr": 55},
        "monolingual": {"en": 20, "fr": 20},
    }
    (root / "metrics" / "prepare.json").write_text(json.dumps(found))
    (root / "data" / "cost" / "mine-en-fr.json").write_text('{"seconds": 7.2}')
    done = run(root)
    assert done.exit_code == 0, done.output
    mine = next(line for line in done.output.splitlines() if line.startswith("mine\t"))
    assert mine.split("\t")[2] == "7.2 s"
    more = run(root, "--mine", "1B").output.splitlines()  # the project's own pairs, and other text to be mined
    assert {"training pairs\t60", "sentences to mine\t1B"} <= set(more)
    (root / "metrics" / "prepare.json").write_text("[]")
    assert "not readable (TypeError" in run(root).output


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--pairs", "many"], "--pairs: found 'many'; expected a number such as 250000, 100M or 1.5B"),
        (["--pairs", "1M", "--device", "abacus"], "--device: found 'abacus'; expected this, t4"),
        (
            ["--pairs", "1M"],
            "units.json: no unit costs of this machine yet; softalign plan --measure takes them (minutes)",
        ),
    ],
)
def test_what_is_refused_is_said_in_one_line(root: Path, options: list[str], line: str):
    done = run(root, *options)
    assert done.exit_code == 1
    assert line in done.output
    assert done.output.count("\n") == 1


def test_measuring_with_tiny_models(root: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "SECONDS": 0.01,
        "MATRIX": 64,
        "DISK_BYTES": 1 << 16,
        "PREPARE_LINES": 300,
        "SEARCH_ROWS": 200,
        "INDEX_ROWS": 600,
        "INDEX_LISTS": 4,
    }.items():
        monkeypatch.setattr(measure, name, value)
    done = run(root, "--measure", "--pairs", "1M", "--mine", "2M")
    assert done.exit_code == 0, done.output
    units = load_units(root / "data" / "cost" / "units.json")
    rates = (
        "matrix_flops",
        "disk_bytes",
        "prepare_lines",
        "teacher_encode",
        "student_encode",
        "train_pairs",
        "scan_codes",
    )
    assert all(getattr(units, name) > 0 for name in rates)
    assert (units.teacher_dimension, units.student_dimension, units.student_layers) == (32, 16, 0)
    # a layer of the tiny BERT: 4 × (32·32 + 32) of attention, 2·32·48 + 80 of the rest, 4·32 of two norms
    assert units.teacher_layers == 2 * (4 * (32 * 32 + 32) + 2 * 32 * 48 + 48 + 32 + 4 * 32) + 2 * 32
    assert not list((root / "data" / "cost").glob(".plan-*"))
