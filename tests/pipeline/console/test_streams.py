"""A stream that can't show a character shows an escape, and ends nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipeline.console.streams import show_what_can_be_shown
from pipeline.inspecting.view import Table, View
from softalign.interface.console import show

TEXT = "é 日 \udce9"
"""Of Latin-1, of no code page of the West, and a byte of a file's name that is no UTF-8."""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("cp1252", "é \\u65e5 \\udce9".encode("cp1252")),
        ("latin-1", "é \\u65e5 \\udce9".encode("latin-1")),
        ("ascii", b"\\xe9 \\u65e5 \\udce9"),
        ("utf-8", "é 日 \\udce9".encode()),
    ],
)
def test_tables_and_lines(monkeypatch: pytest.MonkeyPatch, encoding: str, shown: bytes):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, errors="strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    show_what_can_be_shown()
    show(View("title", (("name", TEXT),), (Table("table", ("a",), ((TEXT,),)),)))
    lines = written.getvalue().splitlines()
    assert lines[1].split(b"\t")[1] == shown
    assert lines[-1] == shown
    written.truncate(0)
    if encoding != "ascii":  # which typer takes for a mistake, and writes UTF-8
        typer.echo(TEXT)
        assert written.getvalue().strip(b"\0\n") == shown
    else:
        typer.echo("é 日")
    assert not stream.closed


def test_a_name_that_the_locale_cannot_spell_is_an_error(tmp_path: Path):
    for name in ("a.en", "日.ja"):
        (tmp_path / name).write_text("a line\nanother\n", encoding="utf-8")
    words = ["init", tmp_path / "p", "--src", tmp_path / "a.en", "--trg", tmp_path / "日.ja", "--languages", "en,ja"]
    done = subprocess.run(
        [sys.executable, "-m", "softalign", *words],
        env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"a name that this locale can't spell" in done.stderr
    assert not (tmp_path / "p").exists()


def test_no_stream_at_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", None)
    show_what_can_be_shown()


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"PYTHONIOENCODING": "ascii:strict"}, "日.ja"),
        ({"PYTHONIOENCODING": "cp1252"}, "日.ja"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "b.ja"),
    ],
)
def test_a_command_ends_as_it_should_and_writes_utf_8(tmp_path: Path, environment: dict[str, str], name: str):
    (tmp_path / "a.en").write_text("".join(f"a line {n}\n" for n in range(30)), encoding="utf-8")
    (tmp_path / name).write_text("".join(f"日本語の文 {n}\n" for n in range(30)), encoding="utf-8")
    words = ["init", str(tmp_path / "プロ"), "--src", str(tmp_path / "a.en"), "--trg", str(tmp_path / name)]
    done = subprocess.run(
        [sys.executable, "-m", "softalign", *words, "--languages", "en,ja"],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"params.yaml" in done.stdout
    assert name in (tmp_path / "プロ" / "params.yaml").read_text(encoding="utf-8")
