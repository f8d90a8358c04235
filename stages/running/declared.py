"""What DVC knows of a stage's inputs: the deps in dvc.yaml against the files that params.yaml makes the stage read.

DVC runs a stage again when its params or deps have changed. A file that no dep names may change unseen: `dvc repro` then says
that everything is up to date, which is wrong. So a stage that DVC runs stops before its work, with the lines to add.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.console.errors import InputError, UserError
from pipeline.ground.yaml_file import read_yaml
from stages.running.command import Project
from stages.running.named_inputs import Input

log = logging.getLogger(__name__)

PIPELINE_FILE = "dvc.yaml"

PLAIN = re.compile(r"[\w./+~][\w./+~@-]*")
"""Paths that YAML takes as they are."""

SHOWN = 3
"""Entries of params.yaml that are named in a message."""


@dataclass(frozen=True)
class StageEntry:
    """One stage of a dvc.yaml.

    Attributes:
        file: the dvc.yaml.
        name: DVC's name of the stage, without what a matrix adds.
        folder: that its paths are relative to.
        deps: the deps as they stand there.
        full_name: with what a matrix adds.
    """

    file: Path
    name: str
    folder: Path
    deps: tuple[str, ...]
    full_name: str

    def known(self) -> list[Path]:
        """The files and folders that its deps name, absolute; DVC is asked only where they hold its ``${…}``."""
        if any(re.search(r"(?<!\\)\$\{", dep) for dep in self.deps):
            return _as_dvc_reads(self)
        return [_absolute(self.folder / dep.replace(r"\${", "${")) for dep in self.deps]


@dataclass(frozen=True)
class Undeclared:
    """What a stage reads and its deps don't name.

    Attributes:
        entry: the stage.
        inputs: the entries of params.yaml that name it.
        lines: the paths that its deps lack.
        new_files: whether it is only that new files in a folder would not be seen: all that are there now are named.
    """

    entry: StageEntry
    inputs: tuple[Input, ...]
    lines: tuple[str, ...]
    new_files: bool = False

    def __str__(self) -> str:
        keys = [one.key for one in self.inputs]
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        named = f"{', '.join(keys[:SHOWN])}{more}"
        here, file = Path.cwd(), self.entry.file
        place = f"{file.relative_to(here) if file.is_relative_to(here) else file}: stage {self.entry.name}"
        if self.new_files and not self.lines:
            return (
                f"{place}: a new file for {named} would not be seen by DVC, and its folder can't be a dep (what stages write "
                "lies in it): put the files into a folder of their own"
            )
        if self.new_files:
            return f"{place}: a new file for {named} would not be seen by DVC; name the folder in its deps:"
        return (
            f"{place} reads what its deps don't name ({named}), so DVC would not see a change there; add to its deps:"
        )

    @property
    def stops(self) -> bool:
        """Whether a stage that DVC runs stops for it, unless params.yaml says otherwise."""
        return not self.new_files and all(one.decides for one in self.inputs)

    def lines_shown(self) -> list[str]:
        """It in words, and the lines to add as they stand in a dvc.yaml: each with a dash, or in one line for ``[…]``."""
        texts = [_yaml_text(line) for line in self.lines]
        if texts and _in_brackets(self.entry):
            return [str(self), f"      {', '.join(texts)},"]
        return [str(self), *(f"      - {text}" for text in texts)]


def check_declared(project: Project, inputs: Callable[[], Sequence[Input]]) -> None:
    """Under DVC, compare what a stage reads with its entry in dvc.yaml; outside DVC nothing is done.

    Args:
        project: whose ``undeclared_inputs`` says whether a difference is an error or a line.
        inputs: finds what params.yaml makes the stage read.

    Raises:
        UserError: if something is read that DVC doesn't know.
    """
    address = os.environ.get("DVC_STAGE")
    if address is None or not (named := inputs()):
        return
    entry = _running_entry(address)
    if entry is None:
        log.warning("stage %s stands in no %s from here up; its deps are not compared", address, PIPELINE_FILE)
        return
    wrong = []
    for found in undeclared(project, entry, named):
        text = "\n".join(found.lines_shown())
        if not found.stops or project.params.undeclared_inputs == "warn":
            if os.environ.get("RANK", "0") == "0":  # of the processes that train together, one says it
                log.warning("%s", text)
        else:
            wrong.append(text)
    if wrong:
        raise UserError("\n".join([*wrong, "or let it be a warning: undeclared_inputs: warn in params.yaml"]))


def undeclared(project: Project, entry: StageEntry, inputs: Sequence[Input]) -> Iterator[Undeclared]:
    """What a stage reads and DVC doesn't know: at most one finding for what decides, what doesn't, and new files."""
    if not inputs:
        return
    known = entry.known()
    for decides in (True, False):
        lacking = [one for one in inputs if one.decides == decides and not _covered(one.files, known)]
        if lacking:
            paths = [path for one in lacking for path in _to_name(project, one, known)]
            yield Undeclared(entry, tuple(lacking), _lines(project, entry, paths))
    open_ended = [one for one in inputs if _covered(one.files, known) and not _covered(one.folders, known)]
    if open_ended:
        folders = [folder for one in open_ended for folder in one.folders if not _covered((folder,), known)]
        possible = [folder for folder in folders if _can_be_dep(project, folder)]
        yield Undeclared(entry, tuple(open_ended), _lines(project, entry, possible), new_files=True)


def pipeline_stages(folder: Path) -> dict[str, StageEntry]:
    """The stages of a folder's dvc.yaml that run one of ours, by our name; empty without one.

    Raises:
        InputError: if it isn't YAML.
    """
    file = folder / PIPELINE_FILE
    found: dict[str, StageEntry] = {}
    for name, stage in _stages(file).items():
        command = stage.get("cmd", "")
        text = "\n".join(map(str, command)) if isinstance(command, list) else str(command)
        if match := re.search(r"(?:\bsoftalign\s+|\bstages\.)(\w+)", text):
            found.setdefault(match.group(1), _entry(file, name, name, stage))
    return found


def _running_entry(address: str) -> StageEntry | None:
    """The stage that DVC runs: DVC starts it in its folder, or its command goes on below that."""
    place, _, full_name = address.rpartition(":")
    name = full_name.partition("@")[0]
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / (Path(place).name if place else PIPELINE_FILE)
        if name in (stages := _stages(file)):
            return _entry(file, name, full_name, stages[name])
    return None


def _stages(file: Path) -> dict[str, dict[str, Any]]:
    if not file.is_file():
        return {}
    content = read_yaml(file)
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        return {}
    bodies = {str(name): stage.get("do", stage) for name, stage in stages.items() if isinstance(stage, dict)}
    return {name: body for name, body in bodies.items() if isinstance(body, dict)}


def _entry(file: Path, name: str, full_name: str, stage: dict[str, Any]) -> StageEntry:
    deps = [next(iter(dep)) if isinstance(dep, dict) else dep for dep in stage.get("deps") or []]
    return StageEntry(file, name, file.parent / str(stage.get("wdir", ".")), tuple(map(str, deps)), full_name)


def _as_dvc_reads(entry: StageEntry) -> list[Path]:
    from dvc.exceptions import DvcException  # imported here: it costs half a second
    from dvc.repo import Repo

    try:
        with Repo(str(entry.file.parent)) as repo:
            stages = repo.stage.load_all(str(entry.file), entry.full_name)
            return [Path(dep.fs_path) for stage in stages for dep in stage.deps if dep.protocol == "local"]
    except DvcException as error:
        raise InputError(entry.file, f"stage {entry.name} can't be read ({str(error).splitlines()[0]})") from None


def _in_brackets(entry: StageEntry) -> bool:
    """Whether a stage's deps are written as ``[a, b]``, where a line with a dash would be wrong."""
    stage = YAML().load(entry.file.read_text(encoding="utf-8"))["stages"][entry.name]
    deps = stage.get("do", stage).get("deps")
    return bool(deps) and deps.fa.flow_style() is True


def _covered(paths: Sequence[Path], known: Sequence[Path]) -> bool:
    """Whether each path is a dep or lies in one, as it is written or as links lead."""
    places = {*known, *(dep.resolve() for dep in known)}
    return all(
        any(not places.isdisjoint({form, *form.parents}) for form in (_absolute(path), path.resolve()))
        for path in paths
    )


def _to_name(project: Project, one: Input, known: Sequence[Path]) -> list[Path]:
    """What deps should hold for an entry: the folders that it looks through, where they can be deps, else its files."""
    if one.folders and all(_can_be_dep(project, folder) for folder in one.folders):
        return list(one.folders)
    return [file for file in one.files if not _covered((file,), known)]


def _can_be_dep(project: Project, folder: Path) -> bool:
    """Whether nothing that stages write lies in a folder: to DVC that would be a circle."""
    return all(_absolute(folder) not in (out, *out.parents) for out in map(_absolute, project.layout.written))


def _lines(project: Project, entry: StageEntry, paths: Sequence[Path]) -> tuple[str, ...]:
    """Paths as deps, each once: relative to the stage's folder, unless params.yaml has them absolute."""
    root = project.layout.root
    return tuple(
        dict.fromkeys(
            path.as_posix()
            if path.is_absolute() and not path.is_relative_to(root)
            else Path(os.path.relpath(path, entry.folder)).as_posix()
            for path in paths
        )
    )


def _yaml_text(path: str) -> str:
    # A dollar sign before a brace starts an interpolation in dvc.yaml.
    return path if PLAIN.fullmatch(path) else json.dumps(path.replace("${", r"\${"), ensure_ascii=False)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (keeps links)
