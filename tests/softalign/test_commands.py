"""The commands that look at and manage a project, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from artifacts_made import write_artifacts
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.ground.hashing import as_keys, text_key
from pipeline.store.local import VectorStore
from softalign.app import app
from softalign.interface.listing import OPTIONS, command_help, command_names, overview

run = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    return write_artifacts(tmp_path)


def test_inspect_finds_the_words_of_the_project_that_an_artifact_lies_in(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    done = run.invoke(app, ["inspect", str(project / "data/pairs/en-fr"), "--query", "river"])
    assert done.exit_code == 0
    assert "A river.\tUne rivière.\tmine\ttext.en\t" in done.stdout
    monkeypatch.chdir(project / "data" / "pairs")
    assert "A river.\tUne rivière." in run.invoke(app, ["inspect", "en-fr"]).stdout


def test_inspect_neutralises_control_characters(project: Path):
    done = run.invoke(app, ["inspect", str(project / "data/sentences/en")])
    assert "The evil\\x1b[2Jline." in done.stdout
    assert "\x1b" not in done.stdout


def test_inspect_says_what_is_wrong_in_one_line(project: Path):
    done = run.invoke(app, ["inspect", str(project / "nothing")])
    assert done.exit_code == 1
    assert done.stderr == f"softalign: error: {project / 'nothing'}: no such file or folder\n"


def test_results(project: Path):
    done = run.invoke(app, ["results", "--project", str(project)])
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert "report\tnot written yet" in lines
    assert "en-fr\t95.0\t15\t80.0\t90.0\t85.0\t1.0000" in lines
    assert "mean\t95.0\t\t\t\t85.0\t" in lines
    assert "en-fr\tthe test set\t8\t6" in lines
    costs = lines[lines.index("stage\tseconds\tpeak MB") + 1 :]
    assert costs == ["prepare\t1.5\t100", "train\t12.2\t457", "mine-en-fr\t0.5\t90"]


def test_results_of_nothing_says_so(tmp_path: Path):
    done = run.invoke(app, ["results", "--project", str(tmp_path)])
    assert done.stdout.splitlines() == [
        "# results",
        "scores\tnone yet; `dvc repro` runs all stages",
        "report\tnot written yet",
    ]


def test_results_without_heldout_documents(project: Path):
    for name in ("evaluate", "heldout"):
        (project / "metrics" / f"{name}.json").write_text('{"retrieval": {"pairs": {}}, "mining": {"pairs": {}}}')
    (project / "reports").mkdir()
    (project / "reports" / "index.html").write_text("")
    lines = run.invoke(app, ["results", "--project", str(project)]).stdout.splitlines()
    assert lines[1].startswith("scores\tnone: nothing is held out")
    assert lines[2] == f"report\t{project / 'reports' / 'index.html'}"


def test_damaged_metrics_are_one_line(project: Path):
    (project / "metrics" / "evaluate.json").write_text("{")
    done = run.invoke(app, ["results", "--project", str(project)])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"softalign: error: {project / 'metrics' / 'evaluate.json'}: not JSON")


@pytest.fixture
def stored(project: Path) -> Path:
    """A store with an encoder of a hundred days ago and one of today."""
    for name, days in (("old", 100), ("new", 0)):
        store = VectorStore(project / "data" / "store", {"model": name}, 4)
        store.add(as_keys([text_key(name)]), np.ones((1, 4), dtype=np.float16))
        for path in store.folder.iterdir():
            os.utime(path, (time.time() - 86_400 * days,) * 2)
    return project


def test_store_list(stored: Path):
    lines = run.invoke(app, ["store", "list", "--project", str(stored)]).stdout.splitlines()
    assert lines[1].startswith("holds\t2 vectors of 2 encoders, ")
    assert sorted(line.rpartition("\t")[2] for line in lines[5:]) == ["model=new", "model=old"]


def test_store_list_of_an_empty_store(project: Path):
    assert "holds\tnothing yet" in run.invoke(app, ["store", "list", "--project", str(project)]).stdout


def prune(project: Path, *options: str, answer: str | None = None) -> tuple[str, int]:
    done = run.invoke(app, ["store", "prune", "--project", str(project), *options], input=answer)
    assert done.exit_code == 0
    return done.stdout, len(list((project / "data" / "store").iterdir()))


def test_store_prune_asks_and_deletes_only_what_is_unused(stored: Path):
    said, left = prune(stored, "--unused-days", "30", answer="n\n")
    assert (left, said.splitlines()[-1]) == (2, "nothing deleted")
    assert "model=old" in said
    assert "model=new" not in said
    said, left = prune(stored, "--unused-days", "30", answer="y\n")
    assert left == 1
    assert "deleted 1 vectors of 1 encoders" in said
    said, left = prune(stored, "--unused-days", "30", "--yes")
    assert (left, "nothing was unused for 30 days" in said) == (1, True)


def test_store_prune_without_asking(stored: Path):
    assert prune(stored, "--unused-days", "0", "--yes")[1] == 0


def test_store_lists_and_prunes_kept_mining_indexes(stored: Path):
    index = stored / "data" / "store" / "indexes" / "abc"
    index.mkdir(parents=True)
    (index / "about.json").write_text('{"version": 2, "factory": "IVF16,Flat", "vectors": "0123456789abcdef"}')
    (index / "index.faiss").write_bytes(b"x" * 2048)
    lines = run.invoke(app, ["store", "list", "--project", str(stored)]).stdout.splitlines()
    assert lines[1].startswith("holds\t2 vectors of 2 encoders, 1 mining indexes, ")
    assert lines[-1].split("\t")[0] == "abc"
    assert lines[-1].split("\t")[-2:] == ["IVF16,Flat", "0123456789ab"]
    said, left = prune(stored, "--unused-days", "30", "--yes")
    assert (left, index.exists(), "index" in said) == (2, True, False)
    for path in index.iterdir():
        os.utime(path, (time.time() - 86_400 * 50,) * 2)
    said, _ = prune(stored, "--unused-days", "30", "--yes")
    assert said.splitlines()[-1].startswith("deleted 1 mining indexes, 2.")
    assert not index.exists()


def test_store_lists_and_prunes_converted_models(stored: Path):
    model = stored / "data" / "store" / "models" / "small4-abc"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"x" * 2046)
    lines = run.invoke(app, ["store", "list", "--project", str(stored)]).stdout.splitlines()
    assert lines[1].startswith("holds\t2 vectors of 2 encoders, 1 converted models, ")
    assert lines[-1].split("\t")[:2] == ["small4-abc", "2.0 KiB"]
    assert prune(stored, "--unused-days", "30", "--yes")[1] == 2
    os.utime(model / "config.json", (time.time() - 86_400 * 50,) * 2)
    said, left = prune(stored, "--unused-days", "30", "--yes")
    assert said.splitlines()[-1].startswith("deleted 1 converted models, 2.")
    assert (left, model.exists()) == (2, False)


def test_store_prune_says_who_uses_what_it_keeps(stored: Path):
    store = VectorStore(stored / "data" / "store", {"model": "new"}, 4)
    said, left = prune(stored, "--unused-days", "0", "--yes")
    assert left == 1
    assert f"{store.folder}: in use by process {os.getpid()} on " in said


def names() -> list[str]:
    """Every command, and each of the groups' with its group's name before it."""
    found = []
    for name, one in get_command(app).commands.items():
        found += [name, *(f"{name} {inner}" for inner in getattr(one, "commands", ()))]
    return found


HEAVY = {
    *("accelerate", "dvc", "faiss", "jinja2", "lxml", "matplotlib", "numpy", "pipeline.config", "polars", "pyarrow"),
    *(
        "pydantic",
        "requests",
        "rich",
        "ruamel",
        "stages.running.command",
        "tokenizers",
        "torch",
        "transformers",
        "yaml",
    ),
}
HELP = """
import contextlib, io, json, sys
from softalign.cli import main
heavy, found = set(json.loads(sys.argv[1])), {}
for words in json.loads(sys.argv[2]):
    sys.argv, before = ["softalign", *words.split(), "--help"], set(sys.modules)
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main()
    explained = said.getvalue().startswith(f"Usage: softalign {words}".rstrip())
    found[words] = [explained, sorted(heavy & set(sys.modules) - before)]
print(json.dumps(found))
"""


def explained(heavy: set[str], commands: list[str]) -> dict[str, list[object]]:
    """Of each command whether its ``--help`` explains it, and which modules that was the first to import."""
    done = subprocess.run(
        [sys.executable, "-c", HELP, json.dumps(sorted(heavy)), json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def test_no_help_imports_anything_heavy():
    commands = names()
    assert {"prepare", "report", "mine", "judge make", "bucc evaluate", "store prune", "verify"} <= set(commands)
    assert explained(HEAVY, commands) == {name: [True, []] for name in commands}


def test_the_overview_does_without_typer_and_says_what_typer_s_group_says():
    assert explained({*HEAVY, "click", "typer", "softalign.app"}, [""]) == {"": [True, []]}
    assert run.invoke(app, ["--help"]).stdout == overview()
    assert {option.opts[0] for option in get_command(app).params} | {"-h, --help"} == set(OPTIONS)


def test_the_overview_names_every_command_with_the_first_line_of_its_help():
    listed = command_help()
    assert list(listed) == command_names() == list(get_command(app).commands)
    for name, one in get_command(app).commands.items():
        assert listed[name]
        assert one.help.splitlines()[0] == listed[name]
        assert name in overview()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mien"], "No such command 'mien'. Did you mean 'mine', 'mend'?"),
        (["../app"], "No such command '../app'."),
        (["__init__"], "No such command '__init__'. Did you mean 'init'?"),
        (["--hulp"], "No such option: --hulp"),
        (["judge", "mkae"], "No such command 'mkae'. Did you mean 'make'?"),
        (["judge", "--hulp"], "No such option: --hulp"),
    ],
)
def test_an_unknown_command_or_option_is_one_line_with_what_may_have_been_meant(words: list[str], said: str):
    done = run.invoke(app, words)
    assert done.exit_code == 2
    assert f"Error: {said}" in done.stderr


def test_completion_knows_the_commands():
    words = {"COMP_WORDS": "softalign ver", "COMP_CWORD": "1", "_SOFTALIGN_COMPLETE": "complete_bash"}
    assert run.invoke(app, [], prog_name="softalign", env=words).stdout.split() == ["verify"]
