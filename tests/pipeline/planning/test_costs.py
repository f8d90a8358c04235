"""A plan's formulas, against figures computed by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from unit_costs import UNITS

from pipeline.config.params import Params, check_params
from pipeline.console.errors import InputError
from pipeline.planning.costs import START_SECONDS, Machines, Workload, index_memory, index_seconds, plan
from pipeline.planning.devices import DEVICES
from pipeline.planning.units import UnitCosts, load_units, save_units


def params(**sections: object) -> Params:
    raw = {
        "languages": ["en", "fr", "de"],
        "pairs": ["en-fr", "en-de"],
        "prepare": {"corpora": [{"name": "c", "format": "moses", "path": "x.{lang}"}]},
        "teacher": {"model": "a"},
        "train": {"steps": 1_000, "batch_size": 500},
    }
    return check_params(raw | sections)


def costs(
    pairs: int, mine: int, units: UnitCosts = UNITS, machines: Machines | None = None, **sections: object
) -> dict:
    own = params(**sections)
    found = plan(Workload.of_size(pairs, mine, own), units, own, machines or Machines())
    return {cost.stage: cost for cost in found}


@pytest.mark.parametrize(
    ("section", "exact"),
    [
        ({}, False),
        ({"index": "auto"}, False),
        ({"search": "faiss"}, False),
        ({"search": "exact"}, True),
        ({"index": "Flat"}, True),
    ],
)
def test_past_a_size_neighbours_come_from_an_index_or_as_is_asked_for(section: dict[str, str], exact: bool):
    # two language pairs of a million points
    near = 2 * 1_000_000 * (16 + 32 * 24)
    found = costs(2_000_000, 0, neighborhoods=section)["neighborhoods"]
    one = 1e12 * 384 / 5e10 if exact else index_seconds(1_000_000, 1_000_000, 384, 4 << 30, UNITS, 1)
    assert found.seconds == pytest.approx(START_SECONDS + 2 * one + near / 1e9)
    assert found.note.startswith("exact" if exact else "through an index")


def test_a_plan_by_hand():
    found = costs(40_000, 30_000)
    assert list(found) == ["prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine"]
    text = 80_000 * 120 + 40_000 * 88 + 30_000 * 180
    assert found["prepare"].disk == text
    assert found["prepare"].seconds == pytest.approx(START_SECONDS + 70_000 / 40_000 + text / 1e9)
    vectors = 40_000 * (16 + 768)
    assert (found["teach"].disk, found["teach"].network) == (2 * vectors, vectors)
    assert found["teach"].seconds == pytest.approx(START_SECONDS + 40_000 / 200 + 2 * vectors / 1e9)
    # two language pairs of 20,000 points: half a product each
    near = 2 * 20_000 * (16 + 32 * 24)
    product = 20_000 * 20_000 * 384
    assert found["neighborhoods"].seconds == pytest.approx(START_SECONDS + 2 * product / 5e10 + near / 1e9)
    assert found["train"].seconds == pytest.approx(START_SECONDS + 50)
    assert found["train"].network == 0
    # 10,000 sentences a language, two language pairs
    written = 2 * 10_000 * 0.5 * 350
    mined = 2 * (START_SECONDS + 2 * 10_000 * 10_000 * 384 / 5e10) + written / 1e9
    assert found["mine"].seconds == pytest.approx(mined)


def test_a_device_takes_over_what_has_layers():
    units = dataclasses.replace(UNITS, student_layers=80_000_000, student_parameters=100_000_000)
    machines = Machines(DEVICES["h200"], devices=8, workers=3)
    found = costs(10**8, 10**9, units, machines)
    assert found["teach"].seconds == pytest.approx(
        START_SECONDS + 1e8 * 2 * 1e7 * 25 / (989e12 * 0.3 * 8) + found["teach"].disk / 1e9
    )
    assert found["train"].seconds == pytest.approx(START_SECONDS + 500_000 * 12 * 80_000_000 * 20 / (989e12 * 0.3 * 8))
    # every process sends and receives 8 bytes a parameter a step, and the vectors of the batch
    assert found["train"].network == pytest.approx(1_000 * (8 * 1e8 + 8 * 500 * 384) * 7 / 8)
    alone = costs(10**8, 10**9, units, Machines(DEVICES["h200"], workers=1))
    assert (alone["tokenize"].seconds - found["tokenize"].seconds) > 0
    assert alone["train"].network == 0


def test_more_of_anything_never_costs_less():
    small, large = costs(10**6, 10**7), costs(10**8, 10**9)
    for stage, cost in small.items():
        if stage != "train":  # its steps are given
            assert large[stage].seconds > 9 * cost.seconds, stage
            assert large[stage].disk >= 90 * cost.disk, stage
    assert costs(10**6, 0, train={"epochs": 2, "batch_size": 500})["train"].seconds == pytest.approx(
        START_SECONDS + 200
    )


def test_an_index_by_hand():
    # 1M rows: IVF2048,PQ192x4fsr
    assert index_seconds(10**6, 1_000, 384, 4 << 30, UNITS, 1) == pytest.approx(
        2 * 384 * 2048 * (2048 * 64 * 10 + 10**6 + 1_000) / 1e11 + 1_000 * 10**6 * 64 / 2048 / 1e8
    )
    assert index_memory(10**6, 384, 4 << 30, 4) == 10**6 * (96 + 8) + 2048 * 64 * 384 * 4
    assert index_memory(10**6, 384, 4 << 30, 64) == 10**6 * (192 + 8) + 2048 * 64 * 384 * 4
    assert index_seconds(10**9, 1, 384, 1 << 40, UNITS, 1) > 0  # 65,536 lists, found by a graph
    assert index_memory(5_000, 384, 4 << 30, 4) == 5_000 * 384 * 4


def test_approximate_mining_by_hand():
    """Three languages of 1M sentences: an index each, and two pairs that ask two of them; four machines."""
    own = params(mine={"search": "approximate", "index": "auto"})
    work, machines = Workload.of_size(1_000, 3 * 10**6, own), Machines(workers=4)
    (found,) = (cost for cost in plan(work, UNITS, own, machines) if cost.stage == "mine")
    train, fill = 2 * 384 * 2048 * 2048 * 64 * 10 / 1e11, 2 * 384 * 2048 * 10**6 / 1e11
    ask = 2 * 384 * 2048 * 10**6 / 1e11 + 10**6 * 10**6 * 64 / 2048 / 1e8
    samples = 2 * 12 * 512 * 10**6 * 384 / 5e10
    written = 2 * 10**6 * 0.5 * 350 / 1e9
    assert found.seconds == pytest.approx(
        3 * (train + fill / 4) + 2 * (START_SECONDS + (2 * ask + samples) / 4) + written
    )
    assert found.memory == 3 * (512 << 20) + 50 * 10**6 + 2 * index_memory(10**6, 384, 4 << 30, 4)
    assert "through indexes" in found.note


def test_what_keys_can_t_name_is_said():
    own = params(mine={"search": "exact"})
    found = plan(Workload.of_size(1_000, 69 * 10**9, own), UNITS, own, Machines())
    assert "at most 4,294,967,295 can be searched at once" in found[-1].note


def test_unit_costs_are_kept(tmp_path: Path):
    path = tmp_path / "cost" / "units.json"
    save_units(path, UNITS)
    assert load_units(path) == UNITS


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no unit costs of this machine yet; softalign plan --measure takes them"),
        ("{", "not readable as JSON"),
        ("[]", "not the unit costs of this version"),
        ('{"cores": 2}', "not the unit costs of this version"),
        (json.dumps(dataclasses.asdict(UNITS) | {"disk_bytes": "fast"}), "disk_bytes: found 'fast'"),
    ],
)
def test_unit_costs_that_are_none(tmp_path: Path, content: str | None, problem: str):
    path = tmp_path / "units.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=problem) as caught:
        load_units(path)
    assert "\n" not in str(caught.value)
