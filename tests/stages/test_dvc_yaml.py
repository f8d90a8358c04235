"""dvc.yaml against the code: DVC does not follow imports, so what each stage depends on is held to its real imports."""

from pathlib import Path

import pytest
from imports import ROOT, import_closure
from ruamel.yaml import YAML

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
ORDER = ["prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "evaluate", "report"]

RUNNERS = ("stages/running/", "pipeline/console/", "pipeline/config/compute.py")
"""What runs a stage and speaks of it: no result depends on it, and no stage runs again for it."""
SECTIONS = {
    "prepare": "prepare",
    "teacher": "models",
    "student": "models",
    "labels": "labels",
    "neighborhoods": "labels",
    "train": "train",
    "embed": "mine",
    "mine": "mine",
    "evaluate": "evaluate",
    "report": "report",
}
"""The module of `pipeline.config` that has a section's defaults."""

RERUNS = [
    # what is edited                            the first stages that run again; those after them follow by their data
    ("pipeline/corpora/tmx.py", {"prepare", "evaluate"}),
    ("pipeline/text/rules.py", {"prepare", "mine", "evaluate", "report"}),
    ("pipeline/prepare/merging.py", {"prepare"}),
    ("pipeline/embedding/folders.py", {"tokenize", "teach", "embed"}),
    ("pipeline/embedding/tokenize.py", {"tokenize"}),
    ("pipeline/embedding/embed.py", {"teach", "embed"}),
    ("pipeline/search/tiles.py", {"neighborhoods", "mine", "evaluate", "report"}),
    ("pipeline/search/translation_retrieval.py", {"neighborhoods", "train", "mine", "evaluate", "report"}),
    ("pipeline/labels/neighborhoods.py", {"neighborhoods"}),
    ("pipeline/losses/hard.py", {"train"}),
    ("pipeline/training/dev.py", {"train"}),
    ("pipeline/training/step.py", {"train"}),
    ("pipeline/mining/linking.py", {"mine", "evaluate", "report"}),
    ("pipeline/evaluation/sts.py", {"evaluate", "report"}),
    ("pipeline/reporting/templates/report.html", {"report"}),
    ("pipeline/config/train.py", {"train", "evaluate", "report"}),
    ("pipeline/console/progress.py", set()),
    ("pipeline/console/errors.py", set()),
    ("stages/running/command.py", set()),
    ("softalign/commands/mine.py", set()),
    ("pipeline/exporting/card.py", set()),
    ("pipeline/planning/costs.py", set()),
    ("pipeline/verifying/chain.py", set()),
]


def code(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("pipeline", "stages", "softalign"))]


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


def computing(stage: str) -> list[str]:
    """The modules that a stage's results can depend on: all that it imports, but for what runs it.

    params.yaml is checked as a whole, by sections that other stages use: their modules are not followed from there.
    """
    ends = {"pipeline.config.params"}
    for folder in RUNNERS:
        ends |= {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / folder).glob("*.py")}
    found = import_closure(f"stages.{stage}", ends)
    return [file for file in found if not file.startswith(RUNNERS) and Path(file).name != "__init__.py"]


def test_the_stages_of_the_design_in_their_order():
    assert list(STAGES) == ORDER


def test_a_person_can_read_it():
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("stage", ORDER)
def test_all_code_that_a_stage_uses_is_a_dependency(stage: str):
    lacking = [file for file in computing(stage) if not any(covers(dep, file) for dep in code(stage))]
    assert not lacking, f"dvc.yaml, {stage}: add these or their folders to deps"


@pytest.mark.parametrize("stage", ORDER)
def test_every_dependency_is_used(stage: str):
    used = computing(stage)
    idle = [dep for dep in code(stage) if not any(covers(dep, file) for file in used)]
    assert not [dep for dep in idle if not dep.startswith("pipeline/config/")], (
        f"dvc.yaml, {stage}: deps that it does not use"
    )
    assert all((ROOT / dep).exists() for dep in code(stage))


@pytest.mark.parametrize("stage", ORDER)
def test_the_defaults_of_its_parameters_are_dependencies(stage: str):
    sections = {str(name).split(".")[0] for name in STAGES[stage]["params"]}
    wanted = {f"pipeline/config/{SECTIONS[name]}.py" for name in sections if name in SECTIONS}
    lacking = [file for file in sorted(wanted) if not any(covers(dep, file) for dep in code(stage))]
    assert not lacking, f"dvc.yaml, {stage}: add these to deps"


@pytest.mark.parametrize(("edited", "stages"), RERUNS, ids=[edited for edited, _ in RERUNS])
def test_what_runs_again_for_an_edit(edited: str, stages: set[str]):
    assert {stage for stage in ORDER if any(covers(dep, edited) for dep in code(stage))} == stages


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_is_one_file_of_its_own_name(stage: str):
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"python -m stages.{stage}" in STAGES[stage]["cmd"]
    assert f"stages/{stage}.py" in code(stage)


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


@pytest.mark.parametrize("stage", ORDER)
def test_no_stage_runs_again_for_other_workers(stage: str):
    named = [name for entry in STAGES[stage]["params"] for name in (entry if isinstance(entry, dict) else [entry])]
    assert named
    assert not [name for name in named if str(name).split(".")[0] == "compute" or str(name).endswith(".yaml")]
