"""Two real processes (gloo, CPU) against one on the joined batch."""

import os
import subprocess
import sys
from pathlib import Path

import gather_worker
import pytest
import torch
from gather_worker import TERMS, Model, joined_batch, trained
from loss_batches import make_batch
from safetensors.torch import load_file

from pipeline.losses.batch import Columns
from pipeline.losses.gather import gather_columns

WORLD = 2
SECONDS = 120
ROOT = Path(__file__).parents[3]


def run(mode, folder) -> list[Path]:
    """Run the workers to their end, or kill them; returns the file of each."""
    results = [folder / f"{mode}-{rank}" for rank in range(WORLD)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'helpers'}", "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # else gloo looks up the machine's own name, which need not resolve
    worker = str(gather_worker.__file__)
    processes = [
        subprocess.Popen(
            [sys.executable, worker, mode, str(rank), str(WORLD), str(folder / f"{mode}-rendezvous"), str(result)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, result in enumerate(results)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * WORLD, "\n".join(outputs)
    return results


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return [load_file(result) for result in run("ours", tmp_path_factory.mktemp("ours"))]


@pytest.mark.parametrize("name", TERMS)
def test_two_processes_have_the_loss_and_the_gradient_of_one(name, two):
    expected = trained(Model(TERMS[name]), joined_batch())
    assert float(expected["student.weight"].abs().max()) > 1e-3
    for rank in range(WORLD):
        for key, value in expected.items():
            torch.testing.assert_close(two[rank][f"{name}/{key}"], value, atol=1e-12, rtol=1e-12)


def test_the_authors_way_loses_a_factor_of_the_world_size(tmp_path):
    expected = trained(Model(TERMS["soft"]), joined_batch())
    found = load_file(run("authors", tmp_path)[0])
    torch.testing.assert_close(found["soft/loss"], expected["loss"])
    for key in ("student.weight", "student.bias"):
        torch.testing.assert_close(found[f"soft/{key}"] * WORLD, expected[key], atol=1e-12, rtol=1e-12)


def test_unequal_numbers_of_rows_weighted_are_the_joined_batch(tmp_path):
    results = [load_file(result) for result in run("uneven", tmp_path)]
    for name in TERMS:
        for key, value in trained(Model(TERMS[name]), joined_batch()).items():
            for found in results:
                torch.testing.assert_close(found[f"{name}/{key}"], value, atol=1e-12, rtol=1e-12)


def test_points_on_one_process_alone_are_refused_on_every_process(tmp_path):
    for result in run("points", tmp_path):
        text = result.read_text()
        assert text.startswith("gather: processes have 4 rows without points, 4 rows with points; expected")


def test_alone_the_batch_stays_as_it_is():
    batch = make_batch()
    assert gather_columns(batch) is batch


def test_a_batch_with_columns_is_refused():
    batch = make_batch()
    columns = Columns(batch.x, batch.y, batch.labels)
    with pytest.raises(ValueError, match="has columns already"):
        gather_columns(make_batch(columns=columns))
