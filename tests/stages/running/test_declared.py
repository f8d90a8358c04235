"""What a stage reads against what dvc.yaml says it reads: whatever params.yaml can name is told, with the lines to add."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from tiny_project import write_project
from typer.testing import CliRunner

from pipeline.config.base import Choice
from pipeline.config.params import Params
from pipeline.config.prepare import TextFile
from pipeline.console.errors import UserError
from softalign.app import app
from stages.running.command import Project, reported_errors
from stages.running.corpus_inputs import corpus_inputs
from stages.running.declared import check_declared, pipeline_stages, undeclared
from stages.running.named_inputs import Input, named_inputs

PAIR = {"en": "A lamp.\n", "fr": "Une lampe.\n"}
TSV = {"format": "tsv", "languages": ["en", "fr"]}
OUTS = ["data/sentences", "data/pairs"]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\tb\n", encoding="utf-8")


def corpus(**more: Any) -> dict[str, Any]:
    return {"prepare": {"corpora": [{"name": "x", **more}]}}


def prepare(**more: Any) -> dict[str, Any]:
    return {"prepare": {"corpora": [{"name": "docs", "format": "node-docs", "package": "p"}], **more}}


def evaluate(**more: Any) -> dict[str, Any]:
    more.setdefault("benchmarks", [{"name": "t", "kind": "tatoeba", "path": "../bench/tatoeba"}])
    return {"evaluate": more}


def peer(**more: Any) -> dict[str, Any]:
    return evaluate(peers=[{"name": "p", **more}])


DOCUMENTS = {"format": "documents", "files": {"en": "books/en", "fr": "books/fr"}, "align": {"model": "m"}}

# stage, sections of params.yaml, files that there are, lines that dvc.yaml lacks
NAMED: dict[str, tuple[str, dict[str, Any], list[str], list[str]]] = {
    "a file": ("prepare", corpus(path="x.tsv", **TSV), ["x.tsv"], ["x.tsv"]),
    "a file above": ("prepare", corpus(path="../x.tsv", **TSV), ["../x.tsv"], ["../x.tsv"]),
    "a file for each language": (
        "prepare",
        corpus(format="moses", files={"en": "../a/mine", "fr": "theirs"}),
        ["../a/mine", "theirs"],
        ["../a/mine", "theirs"],
    ),
    "a template, other languages beside": (
        "prepare",
        corpus(format="moses", path="../z.{lang}"),
        ["../z.en", "../z.fr", "../z.de"],
        ["../z.en", "../z.fr"],
    ),
    "a template of pairs": (
        "prepare",
        corpus(path="in/{a}-{b}.tsv", **TSV),
        ["in/fr-en.tsv", "in/en-de.tsv"],
        ["in/fr-en.tsv"],
    ),
    "a glob": ("prepare", corpus(path="texts/*.tsv", **TSV), ["texts/1.tsv", "texts/2.tsv"], ["texts"]),
    "a glob below a template": (
        "prepare",
        corpus(path="in/{a}-{b}/**/*.tsv", **TSV),
        ["in/en-fr/p/1.tsv", "in/en-de/2.tsv"],
        ["in/en-fr"],
    ),
    "a glob beside params.yaml": ("prepare", corpus(path="*.tsv", **TSV), ["1.tsv", "2.tsv"], ["1.tsv", "2.tsv"]),
    "a glob above": ("prepare", corpus(path="../*.tsv", **TSV), ["../1.tsv"], ["../1.tsv"]),
    "a glob in data": ("prepare", corpus(path="data/*.tsv", **TSV), ["data/1.tsv"], ["data/1.tsv"]),
    "a folder in data": ("prepare", corpus(path="data/raw", **TSV), ["data/raw/1.tsv"], ["data/raw"]),
    "a folder": ("prepare", corpus(path="../texts", **TSV), ["../texts/1.tsv"], ["../texts"]),
    "a dataset's folder": ("prepare", corpus(format="huggingface", path="set"), ["set/en-fr/train.tsv"], ["set"]),
    "pages": ("prepare", corpus(format="node-docs", path="docs"), ["docs/A/en.md"], ["docs"]),
    "names that YAML reads otherwise": (
        "prepare",
        corpus(format="moses", files={"en": "a: b ${c}", "fr": "- d # e"}),
        ["a: b ${c}", "- d # e"],
        ["a: b ${c}", "- d # e"],
    ),
    "documents": (
        "align",
        corpus(**DOCUMENTS),
        ["books/en/1", "books/fr/1", "m/config.json"],
        ["books/en", "books/fr", "m"],
    ),
    "aligned documents": ("prepare", corpus(**DOCUMENTS), ["books/en/1"], ["data/aligned/x.parquet"]),
    "a package": ("prepare", prepare(), [], []),
    "text": (
        "prepare",
        prepare(text=[{"name": "news", "language": "fr", "path": "../news/*.txt"}]),
        ["../news/1.txt"],
        ["../news"],
    ),
    "decontamination": (
        "prepare",
        prepare(decontaminate={"benchmarks": [{"name": "t", "path": "../bench/t.txt"}]}),
        ["../bench/t.txt"],
        ["../bench/t.txt"],
    ),
    "the teacher, tokenize": ("tokenize", {"teacher": {"model": "../m"}}, ["../m/config.json"], ["../m"]),
    "the teacher, teach": ("teach", {"teacher": {"model": "../m"}}, ["../m/config.json"], ["../m"]),
    "a teacher on the hub": ("teach", {"teacher": {"model": "hub/name"}}, [], []),
    "a teacher in a package": ("teach", {"teacher": {"model": "package:a/b"}}, [], []),
    "the student, tokenize": (
        "tokenize",
        {"teacher": {"model": "hub/name"}, "student": {"kind": "pretrained", "model": "m"}},
        ["m/config.json"],
        ["m"],
    ),
    "the student, train": ("train", {"student": {"kind": "pretrained", "model": "m"}}, ["m/config.json"], ["m"]),
    "the teacher as student, train": (
        "train",
        {"teacher": {"model": "m"}, "student": {"kind": "teacher"}},
        ["m/config.json"],
        ["m"],
    ),
    "a student from nothing": ("train", {"teacher": {"model": "m"}}, ["m/config.json"], []),
    "benchmarks": ("evaluate", evaluate(), ["../bench/tatoeba/x.en"], ["../bench/tatoeba"]),
    "a peer": ("evaluate", peer(model="m"), ["../bench/tatoeba/x.en", "m/config.json"], ["../bench/tatoeba", "m"]),
    "a peer's vectors": (
        "evaluate",
        peer(vectors="v.npy"),
        ["../bench/tatoeba/x.en", "v.npy", "v.txt"],
        ["../bench/tatoeba", "v.npy", "v.txt"],
    ),
    "a peer's table": (
        "evaluate",
        peer(vectors="v.parquet"),
        ["../bench/tatoeba/x.en", "v.parquet"],
        ["../bench/tatoeba", "v.parquet"],
    ),
    "the teacher as peer": (
        "evaluate",
        {**peer(own="teacher"), "teacher": {"model": "m"}},
        ["../bench/tatoeba/x.en", "m/config.json"],
        ["../bench/tatoeba", "m"],
    ),
    "the untrained student as peer": (
        "evaluate",
        {**peer(own="untrained"), "student": {"kind": "pretrained", "model": "m"}},
        ["../bench/tatoeba/x.en", "m/config.json"],
        ["../bench/tatoeba", "m"],
    ),
}


def project(root: Path, sections: dict[str, Any], files: list[str]) -> Project:
    root.mkdir(parents=True, exist_ok=True)
    touch(root, *files)
    params = {
        "languages": ["en", "fr"],
        "pairs": ["en-fr"],
        "prepare": {"corpora": [{"name": "x", "format": "node-docs", "package": "p"}]},
        "teacher": {"model": "hub/name"},
        **sections,
    }
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    return Project.open(root)


def inputs_of(opened: Project, stage: str) -> list[Input]:
    return corpus_inputs(opened) if stage == "prepare" else named_inputs(opened, stage)


def write_dvc_yaml(root: Path, stage: str, deps: list[str], **more: Any) -> None:
    body = {"cmd": f"softalign {stage}", "deps": deps, "outs": OUTS, **more}
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump({"stages": {stage: body}}, root / "dvc.yaml")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "above" / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("name", NAMED)
def test_what_dvc_does_not_know_is_told_and_then_known(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, relative: bool
):
    stage, sections, files, lines = NAMED[name]
    opened = project(Path() if relative else root, sections, files)
    monkeypatch.setenv("DVC_STAGE", stage)
    write_dvc_yaml(root, stage, ["data/other"])
    if not lines:
        check_declared(opened, lambda: inputs_of(opened, stage))
        return
    with pytest.raises(UserError) as error:
        check_declared(opened, lambda: inputs_of(opened, stage))
    said = str(error.value).splitlines()
    assert said[0].startswith(f"dvc.yaml: stage {stage} reads what its deps don't name (")
    told = YAML(typ="safe").load("\n".join(line for line in said if line.startswith(" ")))
    assert [line.replace(r"\${", "${") for line in told] == lines
    write_dvc_yaml(root, stage, told)  # as they were told
    check_declared(opened, lambda: inputs_of(opened, stage))
    write_dvc_yaml(root, stage, told[:-1])
    with pytest.raises(UserError):
        check_declared(opened, lambda: inputs_of(opened, stage))


def test_an_absolute_path_is_told_as_it_is(root: Path, tmp_path: Path):
    touch(tmp_path, "far/x.tsv")
    opened = project(Path(), corpus(path=str(tmp_path / "far" / "x.tsv"), **TSV), [])
    write_dvc_yaml(root, "prepare", [])
    (found,) = undeclared(opened, pipeline_stages(root)["prepare"], corpus_inputs(opened))
    assert found.lines == (str(tmp_path / "far" / "x.tsv"),)


KNOWN: dict[str, Callable[[Path], list[str | dict[str, Any]]]] = {
    "as it is": lambda root: ["texts"],
    "the folder above": lambda root: ["../../above/project/texts/."],
    "absolute": lambda root: [str(root / "texts")],
    "with options": lambda root: [{"texts": {"cache": False}}],
    "where a link leads": lambda root: ["real"],
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_dep_may_be_written_in_other_ways(root: Path, name: str):
    opened = project(root, corpus(path="texts/*.tsv", **TSV), ["real/1.tsv"])
    (root / "texts").symlink_to("real")
    write_dvc_yaml(root, "prepare", KNOWN[name](root))  # type: ignore[arg-type]
    assert not list(undeclared(opened, pipeline_stages(root)["prepare"], corpus_inputs(opened)))


def test_files_of_a_glob_one_by_one_are_enough_to_run_but_a_new_one_would_not_be_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("DVC_STAGE", "prepare")
    opened = project(root, corpus(path="texts/*.tsv", **TSV), ["texts/1.tsv", "texts/2.tsv"])
    write_dvc_yaml(root, "prepare", ["texts/1.tsv", "texts/2.tsv"])
    check_declared(opened, lambda: corpus_inputs(opened))
    (record,) = caplog.records
    assert "a new file for prepare.corpora: x would not be seen by DVC; name the folder" in record.getMessage()
    assert record.getMessage().endswith("\n      - texts")
    caplog.clear()
    opened = project(root, corpus(path="*.tsv", **TSV), ["1.tsv"])
    write_dvc_yaml(root, "prepare", ["1.tsv"])
    check_declared(opened, lambda: corpus_inputs(opened))
    (record,) = caplog.records
    assert "put the files into a folder of their own" in record.getMessage()


def test_accelerate_s_file_is_mentioned_and_stops_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("DVC_STAGE", "train")
    opened = project(root, {"compute": {"accelerate_config": "accelerate.yaml"}}, ["accelerate.yaml"])
    write_dvc_yaml(root, "train", [])
    check_declared(opened, lambda: named_inputs(opened, "train"))
    (record,) = caplog.records
    assert "(compute.accelerate_config)" in record.getMessage()
    assert record.getMessage().endswith("\n      - accelerate.yaml")
    caplog.clear()
    monkeypatch.setenv("RANK", "1")  # of processes that train together only the first one says it
    check_declared(opened, lambda: named_inputs(opened, "train"))
    opened = project(root, {"compute": {"accelerate_config": "default"}}, [])
    monkeypatch.delenv("RANK")
    check_declared(opened, lambda: named_inputs(opened, "train"))
    assert not caplog.records


def test_a_warning_if_params_yaml_says_so_and_nothing_outside_dvc(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    sections = corpus(path="x.tsv", **TSV)
    write_dvc_yaml(root, "prepare", [])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    opened = project(root, sections, ["x.tsv"])
    check_declared(opened, lambda: corpus_inputs(opened))
    assert not caplog.records
    monkeypatch.setenv("DVC_STAGE", "prepare")
    opened = project(root, {**sections, "undeclared_inputs": "warn"}, ["x.tsv"])
    check_declared(opened, lambda: corpus_inputs(opened))
    assert caplog.records[0].getMessage().endswith("add to its deps:\n      - x.tsv")
    assert caplog.records[0].levelno == logging.WARNING


# address that DVC gives, folder of dvc.yaml, its entry, folder that the stage runs in
ADDRESSES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "in its folder": ("prepare", ".", {}, "."),
    "from a folder above": ("project/dvc.yaml:prepare", ".", {}, "."),
    "a file of another name": ("other.yaml:prepare", ".", {}, "."),
    "an item of a matrix": ("prepare@1", ".", {"matrix": {"n": [1]}}, "."),
    "a command that goes into a folder": ("prepare", "..", {"cmd": "cd project && softalign prepare"}, "."),
    "paths from another folder": ("prepare", "..", {"wdir": "project"}, "."),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_stage_s_entry_is_found(root: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    address, place, more, cwd = ADDRESSES[name]
    monkeypatch.setenv("DVC_STAGE", address)
    opened = project(root, corpus(path="x.tsv", **TSV), ["x.tsv"])
    write_dvc_yaml(root / place, "prepare", [], **more)
    if "other.yaml" in address:
        (root / "dvc.yaml").rename(root / "other.yaml")
    monkeypatch.chdir(root / cwd)
    with pytest.raises(UserError) as error:
        check_declared(opened, lambda: corpus_inputs(opened))
    dep = "project/x.tsv" if place == ".." and "wdir" not in more else "x.tsv"
    assert f"      - {dep}" in str(error.value).splitlines()


def test_a_stage_in_no_dvc_yaml_is_told(root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("DVC_STAGE", "unheard-of")
    opened = project(root, corpus(path="x.tsv", **TSV), ["x.tsv"])
    check_declared(opened, lambda: corpus_inputs(opened))
    assert "stage unheard-of stands in no dvc.yaml" in caplog.text


def test_deps_with_dvc_s_own_interpolation_are_read_by_dvc(root: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("dvc")
    from dvc.repo import Repo

    Repo.init(str(root), no_scm=True)
    opened = project(root, corpus(path="x.tsv", **TSV), ["x.tsv", "y.tsv"])
    write_dvc_yaml(root, "prepare", ["${prepare.corpora[0].path}"])
    assert not list(undeclared(opened, pipeline_stages(root)["prepare"], corpus_inputs(opened)))
    write_dvc_yaml(root, "prepare", ["${item}"], foreach=["y.tsv"])
    body = YAML(typ="safe").load(root / "dvc.yaml")["stages"]["prepare"]
    (root / "dvc.yaml").write_text(json.dumps({"stages": {"prepare": {"foreach": body.pop("foreach"), "do": body}}}))
    monkeypatch.setenv("DVC_STAGE", "prepare@y.tsv")
    with pytest.raises(UserError, match="reads what its deps don't name"):
        check_declared(opened, lambda: corpus_inputs(opened))


def test_lines_fit_deps_in_brackets_too(root: Path):
    opened = project(root, corpus(format="moses", files={"en": "a, b", "fr": "c"}), ["a, b", "c"])
    (root / "dvc.yaml").write_text("stages:\n  prepare:\n    cmd: softalign prepare\n    deps: [x]\n")
    (found,) = undeclared(opened, pipeline_stages(root)["prepare"], corpus_inputs(opened))
    added = found.lines_shown()[1]
    assert added == '      "a, b", c,'
    (root / "dvc.yaml").write_text(f"stages:\n  prepare:\n    cmd: softalign prepare\n    deps: [{added} x]\n")
    assert not list(undeclared(opened, pipeline_stages(root)["prepare"], corpus_inputs(opened)))


def test_the_lines_to_add_can_be_copied(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit), reported_errors(debug=False):
        raise UserError("dvc.yaml: add:\n      - x.tsv\nor not")
    assert capsys.readouterr().err.splitlines() == [
        "softalign: error: dvc.yaml: add:",
        "      - x.tsv",
        "softalign: error: or not",
    ]


def test_verify_finds_it_and_removes_nothing_of_the_users(root: Path):
    project(root, corpus(path="../z.tsv", **TSV), ["../z.tsv"])
    write_dvc_yaml(root, "prepare", [], cmd="cd . && python -m stages.prepare")
    for options in ([], ["--repair"]):
        done = CliRunner().invoke(app, ["verify", str(root), *options])
        assert done.exit_code == 1
        assert "      - ../z.tsv" in done.stdout.splitlines()
    assert (root / "../z.tsv").is_file()
    write_dvc_yaml(root, "prepare", ["../z.tsv"])
    assert CliRunner().invoke(app, ["verify", str(root)]).exit_code == 0


def test_init_names_what_its_project_reads(tmp_path: Path):
    for language, text in PAIR.items():
        (tmp_path / f"mine.{language}").write_text(text)
    texts = [str(tmp_path / f"mine.{language}") for language in PAIR]
    done = CliRunner().invoke(
        app, ["init", str(tmp_path / "p"), "--src", texts[0], "--trg", texts[1], "--languages", "en,fr"]
    )
    assert done.exit_code == 0
    opened = Project.open(tmp_path / "p")
    stages = pipeline_stages(tmp_path / "p")
    assert len(stages) == 9
    for name, entry in stages.items():
        assert not list(undeclared(opened, entry, inputs_of(opened, name)))


FILES = {
    *("prepare.corpora.path", "prepare.corpora.files", "prepare.text.path", "prepare.decontaminate.benchmarks.path"),
    *("teacher.model", "student.model", "evaluate.benchmarks.path", "evaluate.peers.model", "evaluate.peers.vectors"),
    *("compute.accelerate_config", "report.judgements", "prepare.corpora.align.model"),
}
KEYS = ("name", "encoding", "rename", "delimiter", "dataset", "revision", "score")
NO_FILES = {
    *(
        "softalign",
        "languages",
        "pairs",
        "prepare.text.language",
        "prepare.text.column",
        "prepare.decontaminate.benchmarks.format",
        "prepare.clean.placeholders",
        *("teacher.prompt_name", "student.prompt_name", "evaluate.peers.prompt_name"),
        "report.title",
        "student.lora.targets",
    ),
    *(f"prepare.corpora.{key}" for key in ("package", "languages", "columns", "encoding", "licence")),
    *(f"prepare.{kind}.{key}" for kind in ("corpora", "text") for key in KEYS),
    *(f"prepare.corpora.align.{key}" for key in ("revision", "prefix", "prompt_name")),
    *(f"prepare.decontaminate.benchmarks.{key}" for key in ("name", "columns", "encoding")),
    *("prepare.heldout.near", "prepare.clean.length_ratios", "teacher.revision", "teacher.prefix", "teacher.sha256"),
    *("student.revision", "student.prefix", "neighborhoods.index", "mine.index", "compute.ray_address"),
    *("neighborhoods.search", "mine.search"),
    *(f"evaluate.{kind}.{key}" for kind in ("benchmarks", "peers") for key in ("name", "languages")),
    *("evaluate.peers.revision", "evaluate.peers.prefix"),
}


def texts(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The parameters that may hold text of the user's, by their dotted names; those of lists without their places."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        waiting: list[Any] = [field.annotation]
        while waiting:
            kind = waiting.pop()
            if kind is str:
                found.add(f"{prefix}{name}")
            elif isinstance(kind, type) and issubclass(kind, Choice):
                for thing in kind.things.names():
                    if kind is TextFile and not kind.things.find(thing).one_sided:
                        continue
                    found |= texts(kind.for_value({kind.things.key: thing}), f"{prefix}{name}.")
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= texts(kind, f"{prefix}{name}.")
            elif get_origin(kind) is not Literal:
                waiting.extend(get_args(kind))
    return found


def test_every_parameter_that_is_text_is_a_file_here_or_none():
    """A new one that names files belongs into stages/running/named_inputs.py or corpus_inputs.py, and into NAMED above."""
    assert texts(Params) == FILES | NO_FILES


def test_what_prepare_opens_is_what_it_names(tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch):
    """Real opens of a run, by Python's audit events, against what is compared with dvc.yaml."""
    from stages import prepare as stage

    root = write_project(tmp_path / "project", tiny_teacher, pairs=50)
    touch(root, "../news/1.txt", "../bench.txt", "../beside.txt")
    opened = Project.open(root)
    text = opened.params.prepare.model_dump(mode="json", exclude_defaults=True)
    text |= {"text": [{"name": "n", "language": "fr", "path": "../news/*.txt"}]}
    text |= {"decontaminate": {"benchmarks": [{"name": "b", "path": "../bench.txt"}]}}
    params = YAML(typ="safe").load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(json.dumps(params | {"prepare": text}))
    opened = Project.open(root)
    seen: set[Path] = set()
    listening = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if listening and event == "open" and isinstance(args[0], str | os.PathLike):
            seen.add(Path(args[0]).resolve())

    sys.addaudithook(hook)
    stage.run(opened)
    listening = False
    inside = {path for path in seen if path.is_relative_to(tmp_path) and not path.is_relative_to(root / "data")}
    named = {file.resolve() for one in corpus_inputs(opened) for file in one.files}
    assert {path for path in inside if path.is_file()} - {
        root / "params.yaml",
        root / "metrics" / "prepare.json",
    } == named
