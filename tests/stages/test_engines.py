"""The stages on other engines: the bytes of one process, also when workers and nodes are killed meanwhile."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from imports import ROOT
from ruamel.yaml import YAML
from small import sentence
from tiny_project import translation, write_project

from pipeline.compute import processes
from pipeline.compute.dispatch import Dispatcher
from pipeline.compute.worker import Ready
from pipeline.corpora import base
from pipeline.ground.hashing import file_hash
from pipeline.prepare import prepare as preparing
from pipeline.search import scratch as room
from stages import embed, mine, neighborhoods, prepare, teach, tokenize, train
from stages.running.command import Project

pytestmark = pytest.mark.slow

FANNED_OUT = {
    "prepare": prepare.run,
    "tokenize": tokenize.run,
    "teach": teach.run,
    "embed": embed.run,
    "mine": lambda project: mine.run(project, "en-fr"),
}
OUTPUTS = (
    "sentences",
    "pairs",
    "monolingual",
    "heldout",
    "rejects",
    "tokens",
    "tokenizer",
    "teacher",
    "embeddings",
    "mined",
)


def hashes(root: Path) -> dict[str, str]:
    """The bytes of all that the stages write."""
    files = [*(root / "metrics").rglob("*"), *(path for name in OUTPUTS for path in (root / "data" / name).rglob("*"))]
    return {path.relative_to(root).as_posix(): file_hash(path) for path in sorted(files) if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def signals_as_before() -> Iterator[None]:
    """Ray handles SIGTERM in the process that starts a cluster, and goes on doing so; later tests want it as it was."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    """Several chunks of a small corpus, so that there is something to share."""
    monkeypatch.setattr(base, "CHUNK_ROWS", 128)
    monkeypatch.setattr(preparing, "CHUNK_GUESS", 1 << 12)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A project that one process has run."""
    root = tmp_path_factory.mktemp("alone") / "project"
    own = [{"name": f"own-{language}", "language": language, "path": f"own.{language}"} for language in ("en", "fr")]
    write_project(
        root,
        tiny_teacher,
        prepare={"text": own},
        train={"steps": 10, "eval_every": 10},
        # A pretrained student goes through the store; small tiles, searched by our kernel: several ranges of rows to mine.
        student={"kind": "pretrained", "model": str(tiny_teacher), "max_length": 16},
        mine={"memory_bytes": 1 << 20, "search": "exact"},
    )
    texts = [sentence(number * 11 + 3) for number in range(500)]
    (root / "own.en").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (root / "own.fr").write_text("\n".join(map(translation, texts)) + "\n", encoding="utf-8")
    params = YAML(typ="safe").load((root / "params.yaml").read_text())
    for name in ("dimension", "vocabulary"):
        params["student"].pop(name)
    with (root / "params.yaml").open("w") as opened:
        YAML().dump(params, opened)
    project = Project.open(root)
    for stage in (prepare, tokenize, teach, neighborhoods, train, embed):
        stage.run(project)
    mine.run(project, "en-fr")
    return root


def again(alone: Path, to: Path, **compute) -> Project:
    """The same project without what the stages in question wrote, with another engine; nothing is in its store."""
    shutil.copytree(alone, to, ignore=lambda folder, names: [name for name in names if name in (*OUTPUTS, "store")])
    yaml = YAML()
    params = yaml.load((to / "params.yaml").read_text())
    params["compute"] = compute
    with (to / "params.yaml").open("w") as opened:
        yaml.dump(params, opened)
    return Project.open(to)


def run(project: Project, *names: str) -> None:
    for name in names or FANNED_OUT:
        if name in ("embed", "mine") and not project.layout.student.exists():
            raise AssertionError("the student is copied")
        FANNED_OUT[name](project)


def test_local_workers_that_are_killed_in_each_stage_change_no_byte(alone: Path, tmp_path: Path, monkeypatch, caplog):
    project = again(alone, tmp_path / "two", engine="local", workers=2)
    original, teams = processes._Team.send, set()

    def send(team, worker, item):
        if id(team) not in teams:
            teams.add(id(team))
            os.kill(worker.process.pid, signal.SIGKILL)
        original(team, worker, item)

    monkeypatch.setattr(processes._Team, "send", send)
    for name, stage in FANNED_OUT.items():
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            teams.clear()
            stage(project)
            assert "was killed by SIGKILL; what it had is done again" in caplog.text, name
    assert hashes(project.layout.root) == hashes(alone)


SEARCHES = {
    "auto": {"search": "auto"},
    "exact": {"search": "exact"},
    "index": {"search": "approximate", "index": "IVF16,Flat", "recall": 0.9},
}
"""Ways to mine, by many workers too."""


def to_mine(alone: Path, to: Path, search: str, **compute: Any) -> Project:
    """The same project up to its vectors, mined in another way, with another engine."""
    shutil.copytree(alone, to, ignore=lambda folder, names: [name for name in names if name in ("mined", "store")])
    yaml = YAML()
    params = yaml.load((to / "params.yaml").read_text())
    params["compute"] = compute
    params["mine"].update(SEARCHES[search])
    with (to / "params.yaml").open("w") as opened:
        yaml.dump(params, opened)
    return Project.open(to)


def mined(project: Project) -> dict[str, str]:
    """The bytes of what the stage mine writes, and of the indexes that it keeps."""
    root = project.layout.root
    files = [path for path in (root / "data" / "store").rglob("*") if path.is_file()]
    kept = {path.relative_to(root).as_posix(): file_hash(path) for path in sorted(files)}
    return {name: content for name, content in hashes(root).items() if "mine" in name} | kept


@pytest.fixture(params=SEARCHES)
def mined_alone(request: pytest.FixtureRequest, alone: Path, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A way to mine, and what one process gives."""
    project = to_mine(alone, tmp_path / "one", request.param)
    run(project, "mine")
    return request.param, mined(project)


@pytest.mark.parametrize("in_files", [False, True])
def test_every_way_to_mine_gives_the_same_bytes_by_local_workers_of_which_one_is_killed(
    mined_alone: tuple[str, dict[str, str]], alone: Path, tmp_path: Path, monkeypatch, caplog, in_files: bool
):
    search, expected = mined_alone
    project = to_mine(alone, tmp_path / "two", search, engine="local", workers=2)
    original, killed = processes._Team.send, []

    def send(team, worker, item):
        if not killed:
            killed.append(worker)
            os.kill(worker.process.pid, signal.SIGKILL)
        original(team, worker, item)

    monkeypatch.setattr(processes._Team, "send", send)
    if in_files:
        monkeypatch.setattr(room, "COPIES", 10**9)
    with caplog.at_level(logging.WARNING):
        run(project, "mine")
    assert "was killed by SIGKILL; what it had is done again" in caplog.text
    assert mined(project) == expected
    names = {path.name for path in (project.layout.root / "data" / "mined").iterdir()}
    assert names == {"en-fr.parquet"}


# Ray.


def command(project: Project, stage: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **variables}
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=project.layout.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:9", "compute.ray_address: nothing answers at 127.0.0.1:9; start one with `ray start --head`"),
        (None, "compute: no Ray cluster is running on this machine, or this machine is no node of it; start one with"),
    ],
)
def test_a_cluster_that_can_t_be_reached_is_one_line(alone: Path, tmp_path: Path, address, line: str):
    services = pytest.importorskip("ray._private.services", reason="the extra ray is not installed")
    if address is None and services.find_gcs_addresses():
        pytest.skip("a Ray cluster is running on this machine")
    project = again(alone, tmp_path / "unreached", engine="ray", ray_address=address)
    done = command(project, "prepare", RAY_ADDRESS="")
    assert done.returncode == 1
    assert f"softalign: error: {line}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head and one more node on this machine, each with one CPU for workers."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    made = start_cluster()
    patiently(lambda: made.add_node(**NODE))
    assert isinstance(made, Cluster)
    yield made
    import ray

    ray.shutdown()
    made.shutdown()


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


NODE = {
    "num_cpus": 1,
    "object_store_memory": 80 << 20,
    "env_vars": {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
}


def start_cluster():
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    return patiently(lambda: Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False}))


def patiently(start: Callable[[], Any]) -> Any:
    """Ray gives a node thirty seconds to start, which a busy machine may take."""
    for _ in range(2):
        with suppress(Exception):
            return start()
    return start()


def test_on_two_ray_nodes_of_which_one_is_killed_in_teach_and_in_mine(
    cluster, alone: Path, tmp_path: Path, monkeypatch, caplog
):
    from pipeline.compute import on_ray

    project = again(alone, tmp_path / "ray", engine="ray", workers=2, ray_address=cluster.address)
    killing = False
    processes: list[int] = []
    fetch, send, to_all = on_ray._Team._fetch, on_ray._Team.send, Dispatcher.map

    def when_all_are_ready(crew, items, advance):
        """Both workers are ready before either gets an item: the node is not killed before it has work."""
        processes.clear()
        crew.ready()
        return to_all(crew, items, advance)

    def noted(team, reference):
        message = fetch(team, reference)
        if isinstance(message, Ready):
            processes.append(message.process)
        return message

    def kill_a_node_in_the_middle(team, worker, item):
        """When both have work; go on when the node's worker is dead, which it is not at once."""
        nonlocal killing
        send(team, worker, item)
        if killing and len(team._said) == 2:
            killing = False
            cluster.remove_node(next(node for node in cluster.list_all_nodes() if not node.head), allow_graceful=False)
            start = time.monotonic()
            while all(alive(process) for process in processes):
                assert time.monotonic() - start < 60
                time.sleep(0.1)

    monkeypatch.setattr(Dispatcher, "map", when_all_are_ready)
    monkeypatch.setattr(on_ray._Team, "_fetch", noted)
    monkeypatch.setattr(on_ray._Team, "send", kill_a_node_in_the_middle)
    with caplog.at_level(logging.WARNING):
        run(project, "prepare", "tokenize")
        assert "lost" not in caplog.text
        killing = True
        run(project, "teach")
        assert "a worker was lost because its Ray actor died" in caplog.text
        patiently(lambda: cluster.add_node(**NODE))
        run(project, "embed")
        caplog.clear()
        killing = True
        run(project, "mine")
        assert "a worker was lost because its Ray actor died" in caplog.text
    ours, theirs = hashes(project.layout.root), hashes(alone)
    # What the killed worker had embedded is in the store if it came so far: a hit for the worker that does its shard again.
    of_teach = "metrics/teach.json"
    assert ours.pop(of_teach) and theirs.pop(of_teach)
    assert ours == theirs
    one, other = (json.loads((root / of_teach).read_text()) for root in (project.layout.root, alone))
    assert {name: counts["sentences"] for name, counts in one.items()} == {
        name: counts["hits"] + counts["misses"] for name, counts in other.items()
    }
    assert all(counts["hits"] + counts["misses"] == counts["sentences"] for counts in one.values())
    patiently(lambda: cluster.add_node(**NODE))


def test_every_way_to_mine_gives_the_same_bytes_on_two_ray_nodes(
    mined_alone: tuple[str, dict[str, str]], cluster, alone: Path, tmp_path: Path
):
    search, expected = mined_alone
    project = to_mine(alone, tmp_path / "ray", search, engine="ray", workers=2, ray_address=cluster.address)
    run(project, "mine")
    assert mined(project) == expected


@contextmanager
def odd_node(cluster, *path: Path) -> Iterator[None]:
    """Another node, the only one with four CPUs, whose Python finds modules elsewhere first."""
    found = os.pathsep.join(map(str, [*path, ROOT]))
    options = {**NODE, "num_cpus": 4, "env_vars": {**NODE["env_vars"], "PYTHONPATH": found}}
    node = patiently(lambda: cluster.add_node(**options))
    try:
        yield
    finally:
        cluster.remove_node(node)


def refused(done: subprocess.CompletedProcess[str], *lines: str) -> None:
    assert done.returncode == 1, done.stderr
    for line in (*lines, "expected the same softalign, packages and model files on every node"):
        assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_with_another_softalign_is_refused(cluster, alone: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(ROOT / "pipeline", other / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "pipeline" / "ground" / "hashing.py").open("a") as opened:
        opened.write("\n# changed\n")
    project = again(alone, tmp_path / "refused", engine="ray", workers=1, cpus=4, ray_address=cluster.address)
    with odd_node(cluster, other):
        refused(command(project, "prepare"), "softalign: error: prepare: on ", "softalign's code is ")


def test_a_node_with_another_model_is_refused(cluster, alone: Path, tiny_teacher: Path, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        shutil.copytree(tiny_teacher, place / "a_models_package" / "model")
    with (there / "a_models_package" / "model" / "config.json").open("a") as opened:
        opened.write(" ")
    project = again(alone, tmp_path / "model", engine="ray", workers=1, cpus=4, ray_address=cluster.address)
    shutil.copytree(alone / "data" / "tokens", project.layout.root / "data" / "tokens")
    yaml = YAML()
    params = yaml.load(project.layout.params.read_text())
    params["teacher"]["model"] = "package:a_models_package/model"
    with project.layout.params.open("w") as opened:
        yaml.dump(params, opened)
    with odd_node(cluster, there):
        done = command(project, "teach", PYTHONPATH=f"{here}{os.pathsep}{ROOT}")
        refused(done, "softalign: error: teach: on ", ": content is '")


def test_a_worker_that_no_node_has_room_for_is_one_line(cluster, alone: Path, tmp_path: Path):
    project = again(alone, tmp_path / "room", engine="ray", cpus=64, ray_address=cluster.address)
    done = command(project, "prepare")
    assert done.returncode == 1
    assert (
        "softalign: error: compute: no node of the Ray cluster has 64 CPUs and 0 GPUs for a worker; it has 1 CPUs"
        in (done.stderr)
    )


def test_without_its_head_a_run_ends_with_a_line_and_the_next_goes_on(alone: Path, tmp_path: Path):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    made = start_cluster()
    project = again(alone, tmp_path / "headless", engine="ray", workers=1, ray_address=made.address)
    for name in ("sentences", "pairs", "monolingual", "heldout", "rejects", "tokens", "tokenizer"):
        shutil.copytree(alone / "data" / name, project.layout.root / "data" / name)
    # It waits after its second shard: long enough for the head to be gone.
    program = (
        "import time; from stages import teach; from stages.running.command import stage_main\n"
        "import pipeline.compute.on_ray as r\n"
        "send, sent = r._Team.send, []\n"
        "def slow(team, worker, item):\n"
        "    sent.append(item)\n"
        "    while len(sent) == 3: team._check(); time.sleep(0.2)\n"
        "    send(team, worker, item)\n"
        "r._Team.send = slow\n"
        "stage_main('teach', teach.run)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        [sys.executable, "-c", program], cwd=project.layout.root, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        start = time.monotonic()
        while len(list((project.layout.root / "data" / "store").rglob("*.arrow"))) < 2:
            assert running.poll() is None and time.monotonic() - start < 120
            time.sleep(0.1)
        made.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        gone = time.monotonic()
        _, printed = running.communicate(timeout=50)
        assert time.monotonic() - gone < 40, "before Ray itself ends the process"
        assert running.returncode == 1, printed
        assert f"softalign: error: compute: the head of the Ray cluster at {made.address} is gone; start it" in printed
        assert "Traceback" not in printed
    finally:
        running.kill()
        made.shutdown()
    local = again(alone, tmp_path / "local", engine="local")
    shutil.rmtree(local.layout.root / "data")
    shutil.copytree(project.layout.root / "data", local.layout.root / "data")
    run(local, "teach")
    (counts,) = YAML(typ="safe").load((local.layout.root / "metrics" / "teach.json").read_text()).values()
    assert counts["hits"] > 0
    assert counts["misses"] > 0
    ours, theirs = hashes(local.layout.root), hashes(alone)
    vectors = [name for name in theirs if name.startswith("data/teacher")]
    assert {name: ours.get(name) for name in vectors} == {name: theirs[name] for name in vectors}
