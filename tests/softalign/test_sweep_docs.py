"""docs/sweeps.md against DVC: each option that it gives is understood and makes parameters that are allowed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from hydra.errors import OverrideParseException
from imports import ROOT

from pipeline.config.params import Params, load_params

DOCS = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
ROWS = [line for line in DOCS.splitlines() if re.match(r"\| .* \| `-S", line)]


def options(text: str) -> list[str]:
    """What follows each ``-S`` of a command line."""
    words = shlex.split(text)
    return [words[place + 1] for place, word in enumerate(words) if word == "-S"]


def sweep(folder: Path, wanted: list[str]) -> list[Params]:
    """The parameters of each experiment, from the repository's own params.yaml."""
    found = []
    path = folder / "params.yaml"
    for overrides in get_hydra_sweeps({"params.yaml": wanted}):
        path.write_bytes((ROOT / "params.yaml").read_bytes())
        apply_overrides(path, overrides["params.yaml"])
        found.append(load_params(path))
    return found


@pytest.mark.parametrize("row", ROWS)
def test_every_option_of_the_table_makes_different_allowed_parameters(row: str, tmp_path: Path):
    for code in re.findall(r"`(-S[^`]+)`", row):
        params = sweep(tmp_path, options(code))
        assert len(params) >= 2
        assert len({found.model_dump_json() for found in params}) == len(params)


def test_the_commands_of_the_docs(tmp_path: Path):
    commands = [line for line in DOCS.splitlines() if line.startswith("dvc exp run --queue")]
    assert [len(sweep(tmp_path, options(command))) for command in commands] == [9, 18]


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("train.loss[0].name=hard", OverrideParseException),
        ("+train.loss.2={name:mse,weight:2}", InvalidArgumentError),
        ("train.neighbors_per_pair=3", InvalidArgumentError),  # not spelt out in params.yaml: wants ++
    ],
)
def test_what_the_docs_say_is_not_understood(option: str, error: type[Exception], tmp_path: Path):
    with pytest.raises(error):
        sweep(tmp_path, [option])
