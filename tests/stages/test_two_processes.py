"""Training with two processes on a CPU (gloo): the student of one process on the joined batches, whatever the settings."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from imports import ROOT
from rank_worker import run
from safetensors.torch import load_file
from tiny_project import run_to_neighborhoods, write_project

from stages import tokenize
from stages.running.command import Project

pytestmark = pytest.mark.slow

SECONDS = 400
SHORT = {"steps": 12, "eval_every": 6}
BERT = {"kind": "teacher"}
LEXICON = {"steps": 8, "batch_size": 33, "frequency": 1}

SETTINGS = {
    "soft": {"train": {"loss": [{"name": "soft"}]}},
    "hard, 33 pairs": {"train": {"loss": [{"name": "hard"}], "batch_size": 33}},
    # Each process reads its part of the anchors, and sees all of them.
    "corpus": {"train": {"loss": [{"name": "soft"}, {"name": "corpus", "anchors": 41, "neighbors": 1}]}},
    "neighbors": {"train": {"batches": "neighbors", "neighbors_per_pair": 3}},
    # The teacher's dimension is not the student's: the loss learns a projection.
    "mse in chunks, accumulated": {
        "train": {
            "loss": [{"name": "soft"}, {"name": "mse"}],
            "chunk": 5,
            "gradient_accumulation": 2,
            "patience": 9,
            "max_grad_norm": 1.0,
        }
    },
    "transformer, 21 pairs in chunks": {
        "student": BERT,
        "train": {"batch_size": 21, "chunk": 5, "learning_rate": 0.002, "lexicon": LEXICON},
    },
    "spread": {
        "student": BERT,
        "train": {"loss": [{"name": "soft"}], "max_grad_norm": 1.0, "learning_rate": 0.002, "lexicon": LEXICON},
    },
    "spread, 21 pairs in chunks": {
        "student": {"kind": "static", "dimension": 16, "vocabulary": 300},
        "train": {"loss": [{"name": "mse"}], "batch_size": 21, "chunk": 5},
    },
}
STOPPED = {
    "stopped": {"train": {"steps": 40, "checkpoint_every": 10, "loss": [{"name": "soft"}, {"name": "mse"}]}},
    "spread, stopped": {
        "student": BERT,
        "train": {"steps": 12, "checkpoint_every": 4, "learning_rate": 0.002, "lexicon": None},
    },
}
SPREAD = {name for name in (*SETTINGS, *STOPPED) if name.startswith("spread")}
READ = "corpus"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """Projects up to the stage neighborhoods, by settings: in ``one`` and in ``two``."""
    folder = tmp_path_factory.mktemp("projects")
    taught = write_project(folder / "taught", tiny_teacher)
    run_to_neighborhoods(taught)
    bert = folder / "bert"
    shutil.copytree(taught, bert)
    tokenize.run(Project.open(write_project(bert, tiny_teacher, student=BERT)))
    for name, settings in (SETTINGS | STOPPED).items():
        start = bert if settings.get("student") == BERT else taught
        for where in ("one", "two"):
            shutil.copytree(start, folder / where / name)
            sections = settings | {"train": {**SHORT, **settings["train"]}}
            write_project(folder / where / name, tiny_teacher, **sections)
    return folder


def on_two(folder: Path, scenarios: list[dict]) -> None:
    """Run trainings on two processes, one after the other."""
    plan = folder / "scenarios.json"
    plan.write_text(json.dumps(scenarios))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = _environment() | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    worker = str(ROOT / "tests" / "helpers" / "rank_worker.py")
    running = [
        subprocess.Popen(
            [sys.executable, worker, str(plan)],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert [process.returncode for process in running] == [0, 0], "\n".join(outputs)


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # else gloo looks up the machine's own name, which need not resolve
    return environment


def scenario(folder: Path, name: str, **options: object) -> dict:
    return {"root": str(folder / "two" / name), "fsdp": name in SPREAD, **options}


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The same folder, with a student of every setting from one process, and one that two processes have worked on.

    Those that are stopped have gone from two processes to one, and back to two.
    """
    for name in SETTINGS | STOPPED:
        run({"root": str(folder / "one" / name), "reads": str(folder / "one.json") if name == READ else None})
    first = [scenario(folder, name) for name in SETTINGS]
    first[list(SETTINGS).index(READ)]["reads"] = str(folder / "two-{rank}.json")
    stops = {"stopped": (17, 15), "spread, stopped": (5, 5)}
    on_two(folder, first + [scenario(folder, name, stop_after=stops[name][0]) for name in STOPPED])
    for name in STOPPED:  # on one process from steps 10 and 4 to 25 and 9: the last checkpoints are those of 20 and 8
        run({"root": str(folder / "two" / name), "stop_after": stops[name][1]})
        assert not Project.open(folder / "two" / name).layout.student.exists()
    on_two(folder, [scenario(folder, name) for name in STOPPED])
    return folder


@pytest.mark.parametrize("name", SETTINGS | STOPPED)
def test_two_processes_train_the_student_of_one(trained: Path, name: str):
    one, two = (Project.open(trained / where / name).layout for where in ("one", "two"))
    expected, found = (load_file(layout.student / "model.safetensors") for layout in (one, two))
    assert expected.keys() == found.keys()
    # A lexicon is a training of its own: what rounding it has, Adam makes larger twice.
    within = 1e-4 if (SETTINGS | STOPPED)[name]["train"].get("lexicon") else 1e-5
    for key, value in expected.items():
        if key.endswith("key.bias"):  # no vector depends on it: its gradient is rounding, which Adam makes steps of
            continue
        torch.testing.assert_close(
            found[key], value, atol=within, rtol=1e-4, msg=lambda text, key=key: f"{key}: {text}"
        )
    assert (two.metrics / "train.json").exists()


def test_each_process_reads_its_own_rows_only(trained: Path):
    """Put together in order of rank, what they read in the steps is what one process reads: nothing twice."""
    one = json.loads((trained / "one.json").read_text())
    ranks = [json.loads((trained / f"two-{rank}.json").read_text()) for rank in range(2)]
    assert len(one) == len(ranks[0]) == len(ranks[1]) > 40
    for (kind, name, rows), (_, _, first), (_, _, second) in zip(one, *ranks, strict=True):
        assert first + second == rows, (kind, name)
        assert abs(len(first) - len(second)) <= 1


def test_the_stage_launches_itself_under_the_user_s_accelerate_configuration(trained: Path, tiny_teacher: Path):
    shutil.copytree(trained / "taught", trained / "launched")
    settings = SETTINGS["soft"]["train"] | SHORT
    root = write_project(
        trained / "launched", tiny_teacher, train=settings, compute={"accelerate_config": "accelerate.yaml"}
    )
    lines = ["compute_environment: LOCAL_MACHINE", "distributed_type: MULTI_GPU", "use_cpu: true", "num_machines: 1"]
    lines += ["num_processes: 2", "mixed_precision: 'no'", "main_process_port: 0", "machine_rank: 0"]
    (root / "accelerate.yaml").write_text("\n".join(lines) + "\n")
    noting = root / "sitecustomize.py"
    noting.write_text("import os\nif 'RANK' in os.environ: open(f'rank-{os.environ[\"RANK\"]}', 'w').close()\n")
    environment = {name: value for name, value in _environment().items() if not name.startswith("ACCELERATE_")}
    environment["PYTHONPATH"] += os.pathsep + str(root)
    done = subprocess.run(
        [sys.executable, "-m", "stages.train"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "rank-0").exists()
    assert (root / "rank-1").exists()
    students = [
        load_file(where / "models" / "student" / "model.safetensors") for where in (root, trained / "one" / "soft")
    ]
    for key, value in students[1].items():
        torch.testing.assert_close(students[0][key], value, atol=1e-5, rtol=1e-4)
