"""dvc.yaml against the code: DVC does not follow imports, so the list of each stage's code is held to the real one."""

from pathlib import Path

import pytest
from imports import ROOT, import_closure
from ruamel.yaml import YAML

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
ORDER = ["prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "evaluate", "report"]


def test_the_stages_of_the_design_in_their_order():
    assert list(STAGES) == ORDER


@pytest.mark.parametrize("stage", ORDER)
def test_code_dependencies_are_the_real_import_closure(stage: str):
    wanted = import_closure(f"stages.{stage}")
    listed = sorted(dep for dep in STAGES[stage]["deps"] if dep.endswith(".py"))
    assert listed == wanted, "run `python tests/helpers/sync_deps.py`"


@pytest.mark.parametrize("stage", ORDER)
def test_templates_are_dependencies_where_they_are_used(stage: str):
    uses = any("reporting" in path for path in import_closure(f"stages.{stage}"))
    assert uses == any(dep.startswith("pipeline/reporting/templates") for dep in STAGES[stage]["deps"])


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_is_one_file_of_its_own_name(stage: str):
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"python -m stages.{stage}" in STAGES[stage]["cmd"]


def test_everything_read_was_written_by_an_earlier_stage():
    written: list[str] = []
    for stage in ORDER:
        entry = STAGES[stage]
        data = [dep for dep in entry["deps"] if dep.split("/")[0] in ("data", "models", "metrics", "plots")]
        for dep in data:
            plain = dep.replace("/${item.pair}", "")
            assert any(
                plain == out or plain in Path(out).parents or out in str(plain) or str(Path(plain)) in out
                for out in written
            ), f"{stage} reads {dep}"
        for kind in ("outs", "metrics", "plots"):
            written.extend(next(iter(out)) if isinstance(out, dict) else out for out in entry.get(kind, []))


def test_library_modules_know_nothing_of_stages_or_dvc():
    for path in (ROOT / "pipeline").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in ("stages", "softalign", "dvc", "dvclive"), f"{path}: {line}"


@pytest.mark.parametrize("stage", ORDER)
def test_no_stage_runs_again_for_other_workers(stage: str):
    named = [name for entry in STAGES[stage]["params"] for name in (entry if isinstance(entry, dict) else [entry])]
    assert named
    assert not [name for name in named if str(name).split(".")[0] == "compute" or str(name).endswith(".yaml")]
