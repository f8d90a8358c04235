"""The recipes of docs/architecture.md: whatever is one file, added from outside and used as a user would."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from imports import ROOT
from tiny_project import run_to_neighborhoods, write_project
from toy_packages import install
from typer.testing import CliRunner

from pipeline.artifacts.shards import iterate_shards
from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError, UserError
from pipeline.mining.outputs import PAIR_FORMATS, OutputSide, PairsToWrite, format_of
from pipeline.mining.retrieval import Candidates
from softalign import commands
from softalign.app import app
from stages import prepare, train
from stages.inputs.benchmarks import run_benchmarks
from stages.running.command import Project
from stages.running.corpus_inputs import corpus_inputs
from stages.running.named_inputs import named_inputs

LOSS = '''
from typing import Annotated, Literal
from pydantic import Field
from pipeline.losses.base import Contrastive

class Cubed(Contrastive):
    """The mean of the cubed differences' sizes."""

    name: Literal["cubed"] = "cubed"
    scale: Annotated[float, Field(gt=0)] = 1.0

    def against(self, batch):
        target = batch.label_similarities
        return lambda cosines: self.scale * ((cosines - target).abs() ** 3).mean()
'''

CORPUS = '''
from typing import ClassVar, Literal
from pipeline.corpora.base import Reader, Unit, chunked_groups, require_languages
from pipeline.corpora.lines import read_lines
from pipeline.corpora.places import find_files

class Turns(Reader):
    """Lines by turns: a sentence, its translation, the next sentence."""

    format: Literal["turns"] = "turns"
    one_sided: ClassVar[bool] = False
    upper: bool = False

    def units(self, request):
        units = [Unit((found.source,), request.groups) for found in find_files(request)]
        return require_languages(request, units, str(request.path))

    def read(self, unit, request):
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit, request):
        source, lines = unit.sources[0], []
        for frame in read_lines(source, request.encoding):
            lines += frame["text"].to_list()
        for place in range(0, len(lines), 2):
            a, b = lines[place : place + 2]
            yield unit.groups[0], (a.upper() if self.upper else a, b, source.name, place + 1, "", None, None)
'''

BENCHMARK = '''
import re
from typing import ClassVar, Literal
from pipeline.evaluation.benchmark import Bitext, PublishedBenchmark
from pipeline.evaluation.lines import read_lines
from pipeline.evaluation.published import BenchmarkSource

class Halves(PublishedBenchmark):
    """The first half of a file, and its translations in the second."""

    kind: Literal["halves"] = "halves"
    file: str = "halves.txt"
    published: ClassVar = (
        BenchmarkSource("halves", "halves", "a toy", "https://example.org", "CC0-1.0", by_hand="make it"),
    )

    def tasks(self, folder, languages):
        lines = read_lines(folder / self.file)
        middle = len(lines) // 2
        return [Bitext("en-fr", "en", "fr", "en-fr", lines[:middle], lines[middle:])]
'''

CODE = {
    "toy-loss": ("softalign.losses", "cubed = toy_loss:Cubed", LOSS),
    "toy-corpus": ("softalign.corpora", "turns = toy_corpus:Turns", CORPUS),
    "toy-benchmark": ("softalign.benchmarks", "halves = toy_benchmark:Halves", BENCHMARK),
}


def add(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    group, entry, code = CODE[name]
    return install(folder, monkeypatch, name, {group: entry}, code)


def params(**sections: object) -> dict:
    corpora = [{"name": "c", "format": "moses", "path": "c.{lang}"}]
    minimal = {
        "languages": ["en", "fr"],
        "pairs": ["en-fr"],
        "teacher": {"model": "m"},
        "prepare": {"corpora": corpora},
    }
    return minimal | sections


def test_a_loss_and_a_benchmark_of_a_users_own_packages(
    tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch
):
    module = add(tmp_path / "site", monkeypatch, "toy-loss")
    add(tmp_path / "site", monkeypatch, "toy-benchmark")
    entry = {"name": "mine", "kind": "halves", "path": "b", "file": "other.txt"}
    term = {"name": "cubed", "scale": 2.0, "tcm": 0.5}
    more = {"steps": 4, "eval_every": 2, "batch_size": 16, "loss": [term, {"name": "soft"}]}
    root = write_project(tmp_path / "p", tiny_teacher, pairs=120, train=more, evaluate={"benchmarks": [entry]})
    run_to_neighborhoods(root)
    train.run(Project.open(root))
    brought = json.loads((root / "metrics" / "train.json").read_text())["plugins"]
    assert brought["cubed"]["package"] == "toy-loss 1.2"
    (root / "b").mkdir()
    (root / "b" / "other.txt").write_text("one\ntwo\nun\ndeux\n", encoding="utf-8")
    scores = run_benchmarks(Project.open(root), tmp_path / "scores")
    assert list(scores["benchmarks"]) == ["mine"]
    # Its code is part of what a checkpoint depends on, and an input that dvc.yaml has to name if it lies in the project.
    before = train._identity(Project.open(root), None)
    module.write_text(module.read_text() + "OTHER = 1\n")
    assert train._identity(Project.open(root), None) != before
    (found,) = [one for one in named_inputs(Project.open(root), "train") if "cubed" in one.key]
    assert (found.key, found.files, found.decides) == ("train.loss: cubed of toy-loss 1.2", (module,), False)


def test_a_loss_in_the_projects_own_folder_is_an_input_like_a_file(tmp_path, tiny_teacher, monkeypatch):
    root = write_project(tmp_path / "p", tiny_teacher, pairs=10, train={"loss": [{"name": "cubed"}]})
    module = add(root / "own", monkeypatch, "toy-loss")
    (found,) = named_inputs(Project.open(root), "train")[-1:]
    assert (found.files, found.decides) == ((module,), True)


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ({"name": "cubed", "scale": 0}, r"train\.loss\.0\.scale: found 0; input should be greater than 0"),
        (
            {"name": "cubed", "margin": 1.0},
            r"train\.loss\.0\.margin: unknown key \(it is one of hard\); allowed here: name, weight, tcm, scale",
        ),
        ({"name": "cubd"}, r"train\.loss\.0\.name: .*did you mean 'cubed'\? known: corpus, cubed, hard"),
    ],
)
def test_its_options_are_checked_like_our_own(tmp_path, monkeypatch, term, said):
    add(tmp_path, monkeypatch, "toy-loss")
    with pytest.raises(ParamsError, match=said):
        check_params(params(train={"loss": [term]}))


def test_a_package_that_does_not_import_is_one_line_at_its_key(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "toy-bad", {"softalign.losses": "bad = toy_bad:Bad"}, "import lacking_module\n")
    with pytest.raises(
        ParamsError, match=r"train\.loss\.0\.name: .*toy-bad 1\.2, toy_bad:Bad: can't be imported: Mod"
    ) as said:
        check_params(params(train={"loss": [{"name": "bad"}]}))
    assert "\n" not in str(said.value)


def test_a_corpus_format_of_a_users_own_package(tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch):
    module = add(tmp_path / "site", monkeypatch, "toy-corpus")
    corpora = [{"name": "mine", "format": "turns", "path": "mine.txt", "upper": True, "heldout": False}]
    root = write_project(tmp_path / "p", tiny_teacher, prepare={"corpora": corpora})
    (root / "mine.txt").write_text("one small lamp\nune petite lampe\ntwo green doors\ndeux portes vertes\n")
    prepare.run(Project.open(root))
    metrics = json.loads((root / "metrics" / "prepare.json").read_text())
    assert metrics["corpora"]["mine"]["kept"] == 2
    assert metrics["plugins"]["turns"]["package"] == "toy-corpus 1.2"
    texts = {
        text for shard in iterate_shards(root / "data" / "sentences" / "en") for text in shard.table["text"].to_pylist()
    }
    assert texts == {"ONE SMALL LAMP", "TWO GREEN DOORS"}
    assert {module, root / "mine.txt"} <= {file for one in corpus_inputs(Project.open(root)) for file in one.files}
    with pytest.raises(ParamsError, match=r"prepare\.text\.0: format 'turns' is for parallel text"):
        text = [{"name": "t", "language": "fr", "path": "x", "format": "turns"}]
        check_params(params(prepare={"corpora": corpora, "text": text}))


def test_a_benchmark_of_a_users_own_package(tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch):
    add(tmp_path / "site", monkeypatch, "toy-benchmark")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "other.txt").write_text("a cat\na dog\na cow\nun chat\nun chien\nune vache\n")
    (tmp_path / "b" / "halves.txt").write_text("a cat\nun chat\n")
    entry = {"name": "mine", "kind": "halves", "path": str(tmp_path / "b"), "file": "other.txt"}
    from pipeline.evaluation.reading import read_files

    (made,) = check_params(params(evaluate={"benchmarks": [entry]})).evaluate.benchmarks
    (task,) = read_files(made, tmp_path / "b", ["en", "fr"]).tasks
    assert task.texts_b == ["un chat", "un chien", "une vache"]
    run = CliRunner()
    listed = run.invoke(app, ["benchmarks", "list"])
    assert "https://example.org" in listed.stdout
    done = run.invoke(
        app, ["benchmarks", "texts", "--benchmark", f"halves={tmp_path / 'b'}", "--out", str(tmp_path / "t")]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "t").read_text() == "a cat\nun chat\n"
    with pytest.raises(UserError, match=r"expected KIND=DIR with KIND one of .*halves"):
        from softalign.interface.benchmark_options import BenchmarkOptions

        BenchmarkOptions(benchmark=["halfes=x"]).read()


OUTPUT = '''
"""JSON lines."""

import json

from pipeline.mining.outputs import PairFormat, open_text, text_parts
from contextlib import ExitStack


class JsonPairs(PairFormat):
    """An object a pair."""

    name = "toyjson"
    needs_languages = True

    def write(self, path, found):
        with ExitStack() as stack:
            opened = open_text(stack, path)
            for _, a, b in text_parts(found.pairs, found.a, found.b):
                opened.writelines(json.dumps([one, other]) + "\\n" for one, other in zip(a, b, strict=True))
'''


@pytest.fixture
def output(tmp_path: Path) -> Iterator[None]:
    """A file in the folder of output formats, as the recipe says; the package looks into a second folder as well."""
    package = importlib.import_module(PAIR_FORMATS.package)
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "toyjson.py").write_text(OUTPUT)
    package.__path__.append(str(tmp_path / "formats"))
    yield
    package.__path__.remove(str(tmp_path / "formats"))
    sys.modules.pop(f"{PAIR_FORMATS.package}.toyjson", None)


@pytest.mark.usefixtures("output")
def test_an_output_format_is_a_file(tmp_path: Path):
    one = np.ones(1)
    zero = np.zeros(1, np.int64)
    pairs = Candidates(zero, zero, one, one, one, one, zero.astype(np.int32), zero.astype(np.int32))
    sides = OutputSide("en", pa.table({"text": ["a"]})), OutputSide("fr", pa.table({"text": ["b"]}))
    format_of(tmp_path / "x.toyjson").write(tmp_path / "x.toyjson", PairsToWrite(pairs, *sides))
    assert (tmp_path / "x.toyjson").read_text() == '["a", "b"]\n'
    with pytest.raises(
        UserError, match=r"found suffix '.txt', expected one of \.ids, \.parquet, \.tmx, \.toyjson, \.tsv"
    ):
        format_of(tmp_path / "x.txt")


STAGE = '''"""Count the training sentences: metrics/count.json."""

from stages.running.command import Project, stage_main, write_metrics


def run(project: Project) -> None:
    """Run the stage in a project."""
    folders = sorted(path.name for path in project.layout.sentences.iterdir())
    write_metrics(project.layout.metrics / "count.json", {"languages": folders})


if __name__ == "__main__":
    stage_main("count", run)
'''

ENTRY = """  count:
    desc: sentences → their number
    cmd: python -m stages.count
    deps: [data/sentences, stages/count.py, pipeline/config/base.py, pipeline/config/params.py]
    params: [languages]
    outs: [metrics/count.json]

  tokenize:
"""


def test_a_stage_is_a_file_and_its_entry_in_dvc_yaml(tmp_path: Path, tiny_teacher: Path):
    """In a copy of the code, as the recipe says: the command line, init and the stage itself."""
    for name in ("pipeline", "stages", "softalign", "dvc.yaml"):
        subprocess.run(["cp", "-a", str(ROOT / name), str(tmp_path / name)], check=True)
    (tmp_path / "stages" / "count.py").write_text(STAGE)
    text = (tmp_path / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text(text.replace("  tokenize:\n", ENTRY))
    root = write_project(tmp_path / "p", tiny_teacher, pairs=60)

    def softalign(*words: str) -> str:
        command = [sys.executable, "-m", "softalign", *words]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert "count" in softalign("--help")
    assert "Count the training sentences: metrics/count.json." in softalign("count", "--help")
    softalign("prepare", "--project", str(root))
    softalign("count", "--project", str(root))
    assert json.loads((root / "metrics" / "count.json").read_text()) == {"languages": ["en", "fr"]}
    softalign("init", "new", "--src", str(root / "text.en"), "--trg", str(root / "text.fr"), "--languages", "en,fr")
    made = (tmp_path / "new" / "dvc.yaml").read_text()
    assert "cmd: softalign count\n" in made
    assert "stages/count.py" not in made


COMMAND = '''
from pathlib import Path
from typing import Annotated
from typer import Argument, Option, Typer
from softalign.interface.options import command

@command
def lines(text: Annotated[Path, Argument()], more: Annotated[int, Option()] = 0) -> None:
    """Count the sentences of a text.

    All of them.
    """
    import typer
    typer.echo(len(text.read_text().splitlines()) + more)
'''

COMMANDS = '''
import typer
from softalign.interface.options import command

app = typer.Typer()

@app.callback()
def toys() -> None:
    """Toys."""

@app.command("one")
@command
def first() -> None:
    """Say one."""
    typer.echo("one")
'''


def test_a_command_is_a_file_and_several_are_one_with_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "lines.py").write_text(COMMAND)
    (tmp_path / "toys.py").write_text(COMMANDS)
    (tmp_path / "text").write_text("a\nb\n")
    monkeypatch.setattr(commands, "__path__", [str(tmp_path)])
    for words, said in (
        (["lines", str(tmp_path / "text"), "--more", "3"], "5\n"),
        (["toys", "one"], "one\n"),
    ):
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, done.stdout) == (0, said)
        assert "--debug" in CliRunner().invoke(app, [*words, "--help"]).stdout
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert "  lines  Count the sentences of a text.\n  toys   Toys.\n" in listed
    assert "  one  Say one." in CliRunner().invoke(app, ["toys", "--help"]).stdout
    for name in ("lines", "toys"):
        sys.modules.pop(f"{commands.__name__}.{name}")


def test_the_page_of_choices_is_what_the_code_says():
    from softalign.commands.choices import page

    found = (ROOT / "docs" / "choices.md").read_text(encoding="utf-8")
    assert found == page(), "run: softalign choices --out docs/choices.md"
