"""``softalign mend``: what a killed DVC left half-written, and would refuse to run with.

DVC writes two files in place (``dvc.lock``, ``.dvc/tmp/rwlock``) and makes a folder of its run-cache before what belongs into
it. Killed in between, it ends every later run with an error. All of these can be deleted: what they said is made again from
DVC's cache. Nothing is deleted while a DVC runs in the project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from pipeline.console.errors import UserError

TEMPORARY = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
"""The name under which DVC links a file before it gets its own."""

OUTPUTS = ("data", "models", "metrics", "plots", "reports")


def mend_command(root: Path) -> None:
    """Delete what a killed DVC left half-written, a line for each."""
    mended = mend(root)
    for line in mended:
        typer.echo(line)
    if not mended:
        typer.echo("nothing to mend")


def mend(root: Path) -> list[str]:
    """See `mend_command`; returns the lines.

    Raises:
        UserError: if this is no project of DVC's, or a DVC runs in it.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo  # takes a second

    try:
        repo = Repo(str(root))
    except NotDvcRepoError:
        raise UserError(f"{root}: no DVC project; expected a folder below which `dvc init` was run") from None
    with repo:
        tmp = Path(repo.tmp_dir)
        _refuse_while_running(tmp)
        mended = list(_locks(tmp / "rwlock"))
        mended += _lock_file(Path(repo.root_dir) / "dvc.lock")
        mended += _run_cache(Path(repo.stage_cache.cache_dir))
        mended += _temporaries(root)
    return mended


def _refuse_while_running(tmp: Path) -> None:
    import psutil  # type: ignore[import-untyped]

    for number in _holders(_read(tmp / "rwlock")):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any("dvc" in part for part in psutil.Process(number).cmdline()[:3]):
                raise UserError(f"process {number} runs DVC in this project; wait for its end")


def _read(rwlock: Path) -> Any:
    """What the lock file says: None if it is not there, False if it is no JSON."""
    try:
        return json.loads(rwlock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return False


def _holders(content: Any) -> Iterator[int]:
    """The processes that a lock file names, wherever in it."""
    if isinstance(content, dict):
        if isinstance(content.get("pid"), int):
            yield content["pid"]
        content = list(content.values())
    for part in content if isinstance(content, list) else ():
        yield from _holders(part)


def _locks(rwlock: Path) -> Iterator[str]:
    content = _read(rwlock)
    if content is False or any(True for _ in _holders(content)):  # none of the processes lives, or is a DVC
        rwlock.unlink()
        yield f"{rwlock}: locks of a killed DVC; deleted"


def _lock_file(path: Path) -> Iterator[str]:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid  # DVC's own requirement

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    except (Invalid, YAMLError, UnicodeDecodeError):
        path.unlink()
        yield f"{path}: half-written; deleted: `dvc repro` takes what is done from DVC's cache"


def _run_cache(runs: Path) -> Iterator[str]:
    for folder in sorted(runs.glob("*/*")):
        with suppress(OSError):  # not empty
            folder.rmdir()
            yield f"{folder}: an empty entry of DVC's run-cache; deleted"


def _temporaries(root: Path) -> Iterator[str]:
    for top in OUTPUTS:
        for path in sorted((root / top).rglob(".*.tmp")):
            if TEMPORARY.fullmatch(path.name):
                path.unlink()
                yield f"{path}: a temporary file of DVC; deleted"
