"""The experiments of a repository, as DVC tells of them (`dvc exp show --json`, its documented interface for programs)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.console.errors import InputError, UserError
from pipeline.inspecting.view import flatten
from pipeline.reporting.experiments import ExperimentRun

STATES: dict[str, Literal["success", "running", "queued", "failed"]] = {
    "success": "success",
    "running": "running",
    "queued": "queued",
    "failed": "failed",
}


def read_experiments(project: Path, all_commits: bool = False) -> list[ExperimentRun]:
    """All experiments that started from the current commit, or from any.

    Args:
        project: the folder that holds params.yaml.
        all_commits: whether experiments of other commits count too.

    Raises:
        InputError: if the folder is not there, or in no DVC repository.
        UserError: if there are no experiments, or DVC can't tell of them.
    """
    if not project.is_dir():
        raise InputError(project, "no such folder; expected one that holds params.yaml")
    shown = _show(project, all_commits)
    folder = _place(project)
    runs = [run for baseline in shown for run in _runs(baseline, folder)]
    if not runs:
        where = "of any commit" if all_commits else "that started from this commit (--all-commits looks at all)"
        raise UserError(f"{project}: found no experiments {where}; `dvc exp run --queue -S seed=1,2` queues some")
    return runs


def _show(project: Path, all_commits: bool) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", *(["--all-commits"] if all_commits else [])]
    # Whatever the locale is, DVC writes names in UTF-8, and they are read so.
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, cwd=project, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
    )
    if done.returncode == 0:
        try:
            loaded = json.loads(done.stdout)
        except ValueError:
            loaded = None
        if isinstance(loaded, list):
            return loaded
        raise UserError(f"{project}: `dvc exp show --json` gave no list of JSON; expected DVC 3.67 or one like it")
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    problem = (said[0] if said else done.stderr.strip().rpartition("\n")[2]).removeprefix("ERROR: ")
    if "not inside of a DVC repository" in problem:
        raise InputError(
            project, "not in a DVC repository; expected a folder in which `git init` and `dvc init` were run"
        )
    if "Only supported for Git" in problem:
        raise InputError(project, "a DVC repository without git; expected one with it: experiments are kept in git")
    raise UserError(f"{project}: dvc exp show failed: {problem}")


def _place(project: Path) -> str:
    """The project's folder below DVC's root, with a slash at its end; empty if it is the root."""
    absolute = project.resolve()
    root = next((folder for folder in (absolute, *absolute.parents) if (folder / ".dvc").is_dir()), absolute)
    return "" if root == absolute else f"{absolute.relative_to(root).as_posix()}/"


def _runs(baseline: Mapping[str, Any], folder: str) -> Iterator[ExperimentRun]:
    for experiment in baseline.get("experiments") or []:
        head = experiment["revs"][0]
        data = head.get("data") or {}
        executor = experiment.get("executor") or {}
        # One without an executor was made by `dvc exp run` in the workspace, or came from elsewhere: it is done.
        state = STATES.get(executor.get("state") or "success", "failed")
        yield ExperimentRun(
            name=experiment.get("name") or head["rev"][:7],
            state=state,
            params=((data.get("params") or {}).get(f"{folder}params.yaml") or {}).get("data") or {},
            # What has not ended shows the metrics of the commit that it started from.
            metrics=_metrics(data.get("metrics") or {}, folder) if state == "success" else {},
            commit=str(baseline.get("rev", ""))[:7],
            time=str(data.get("timestamp") or ""),
            reason=_reason(executor) if state == "failed" else "",
        )


def _metrics(files: Mapping[str, Any], folder: str) -> dict[str, float]:
    """Numbers of all metrics files: ``metrics/mine/en-fr.json`` with ``{"test": {"f1": …}}`` is ``mine.en-fr.test.f1``."""
    numbers = {}
    for path, file in files.items():
        name = path.removeprefix(folder).removeprefix("metrics/").removesuffix(".json").replace("/", ".")
        for key, value in flatten(file.get("data") or {}):
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers[f"{name}.{key}"] = value
    return numbers


def _reason(executor: Mapping[str, Any]) -> str:
    """What a failed run said last of its error, from its log."""
    log = (executor.get("local") or {}).get("log")
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    except OSError:
        lines = []
    for mark in ("softalign: error: ", "ERROR: "):
        if said := [line for line in lines if line.startswith(mark)]:
            return said[-1].removeprefix(mark)
    return "no reason in its log; see `dvc queue logs`"
