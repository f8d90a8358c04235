"""The local engine: order, back-pressure, lost workers, errors, and what workers must have in common."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import compute_tasks as tasks
import pytest
from imports import ROOT

from pipeline.compute import processes, worker
from pipeline.compute.in_process import Here
from pipeline.compute.processes import Processes
from pipeline.compute.work import ComputeError, Terms
from pipeline.console.errors import InputError

ITEMS = list(range(20))


def run(engine, work, items, terms=None) -> tuple[list, int]:
    """All results, and what was counted."""
    counted = []
    with engine.crew(work, len(items), terms) as crew:
        return list(crew.map(items, counted.append)), sum(counted)


@pytest.mark.parametrize("engine", [Here(), Processes(3)], ids=["here", "processes"])
def test_results_come_in_the_order_of_their_items_and_counts_add_up(engine):
    results, counted = run(engine, tasks.work(tasks.slow_power), ITEMS)
    assert [value for value, _ in results] == [item**2 for item in ITEMS]
    assert counted == sum(ITEMS)
    assert (os.getpid() in {process for _, process in results}) == engine.alone
    assert multiprocessing.active_children() == []


def test_no_more_processes_than_items_and_none_for_a_single_one():
    with Processes(64).crew(tasks.work(tasks.power), 2) as crew:
        assert len(multiprocessing.active_children()) == 2
        assert [value for value, _ in crew.map([1, 2], lambda _: None)] == [1, 4]
    assert run(Processes(64), tasks.work(tasks.power), [5]) == ([(25, os.getpid())], 5)
    assert run(Processes(64), tasks.work(tasks.power), []) == ([], 0)


def test_one_worker_with_cpus_is_a_process_with_so_many_threads():
    results, _ = run(Processes(1, cpus=3), tasks.work(tasks.environment), list(worker.THREAD_VARIABLES))
    assert results == ["3"] * len(results)
    assert os.environ.get("RAYON_NUM_THREADS") != "3"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, dict.fromkeys(worker.THREAD_VARIABLES, "3")),
        ({"MKL_NUM_THREADS": "1"}, dict.fromkeys(worker.THREAD_VARIABLES, "3") | {"MKL_NUM_THREADS": "1"}),
        ({"RAYON_NUM_THREADS": "2,1"}, dict.fromkeys(worker.THREAD_VARIABLES, "3") | {"RAYON_NUM_THREADS": "2"}),
        # Shared among the workers, which say how many each of them has; more than that, none, and no number.
        ({"OMP_NUM_THREADS": "1"}, dict.fromkeys(worker.THREAD_VARIABLES, "3")),
        ({"MKL_NUM_THREADS": "64"}, dict.fromkeys(worker.THREAD_VARIABLES, "3")),
        ({"MKL_NUM_THREADS": "0", "POLARS_MAX_THREADS": "all"}, dict.fromkeys(worker.THREAD_VARIABLES, "3")),
    ],
)
def test_what_the_user_has_set_lower_for_a_library_stays(own: dict[str, str], expected: dict[str, str], monkeypatch):
    for name in worker.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert worker.thread_environment(3) == expected


@pytest.mark.parametrize(
    ("own", "expected"), [("", 8), ("4", 4), ("4,2", 4), (" 4 , 2", 4), ("64", 8), ("0", 8), ("x", 8)]
)
def test_the_cores_that_workers_share_are_no_more_than_the_user_allows(own: str, expected: int, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("OMP_NUM_THREADS", own)
    assert processes._cores() == expected


def test_a_worker_has_the_settings_of_waiting_threads():
    names = ["OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT"]
    results, _ = run(Processes(1, cpus=1), tasks.work(tasks.environment), names)
    assert results == [os.environ.get(name) for name in names]


def test_items_are_drawn_as_workers_come_free():
    drawn = []

    def source() -> Iterator[int]:
        for item in range(1000):
            drawn.append(item)
            yield item

    with Processes(2).crew(tasks.work(tasks.power), 1000) as crew:
        results = crew.map(source(), lambda _: None)
        next(results)
        assert len(drawn) <= 1 + 4 * 2
        results.close()
        # The next map's results are its own.
        assert [value for value, _ in crew.map([7, 8], lambda _: None)] == [49, 64]


def test_what_a_killed_worker_had_is_done_again(tmp_path: Path, caplog):
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    with caplog.at_level(logging.WARNING):
        results, counted = run(Processes(2), tasks.work(tasks.half_written_once), files)
    assert results == [file.name for file in files]
    assert counted == 3 * 10  # what was shown of the lost ones was taken back
    assert sum("was killed by SIGKILL; what it had is done again" in line for line in caplog.messages) == 3
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".tried") == results
    assert {file.read_text() for file in files} == {"whole"}


def test_an_item_that_kills_every_worker_ends_the_run_with_a_line():
    with pytest.raises(
        ComputeError, match=r"count: item 3 lost its worker 3 times, .* killed by SIGKILL; if memory ran out"
    ):
        run(Processes(2), tasks.work(tasks.always_dies), [0, 1, 2, 3])
    assert multiprocessing.active_children() == []


def test_workers_that_die_in_their_set_up_end_the_run():
    with pytest.raises(ComputeError, match=r"count: 3 workers in a row ended before they were ready, .*SIGKILL"):
        run(Processes(2), tasks.work(tasks.power, tasks.dies), ITEMS)


def test_a_task_s_error_is_raised_as_itself():
    with pytest.raises(InputError) as caught:
        run(Processes(2), tasks.work(tasks.fails), ITEMS)
    assert (str(caught.value), caught.value.line, caught.value.exit_code) == ("text.en:7: is odd", 7, 1)
    with pytest.raises(InputError, match="models/teacher: no such model"):
        run(Processes(2), tasks.work(tasks.power, tasks.nowhere), ITEMS)


def test_a_defect_shows_where_in_the_worker_it_was():
    with pytest.raises(ZeroDivisionError) as caught:
        run(Processes(2), tasks.work(tasks.breaks), [1, 0])
    assert "return 1 // item" in "".join(caught.value.__notes__)
    with pytest.raises(worker.TaskError, match="raise StrangeError"):
        run(Processes(2), tasks.work(tasks.strange), [1, 0])


def test_workers_with_another_model_are_refused():
    terms = Terms(lambda: {"content": "abc"})
    with pytest.raises(ComputeError, match=r"content is \d+, but 'abc' here; expected the same softalign"):
        run(Processes(2), tasks.work(tasks.power, tasks.own_identity), ITEMS, terms)
    with pytest.raises(ComputeError, match=r"content is \d+, but \d+ on "):  # each process its own
        run(Processes(2), tasks.work(tasks.slow_power, tasks.own_identity), ITEMS * 30)


def test_workers_with_another_softalign_are_refused(monkeypatch):
    worker.software.cache_clear()
    monkeypatch.setattr("pipeline.__version__", "9.9.9")
    try:
        with pytest.raises(ComputeError, match=r"softalign is '0.*', but '9.9.9' here"):
            run(Processes(2), tasks.work(tasks.power), ITEMS)
    finally:
        worker.software.cache_clear()


def test_folders_that_are_not_shared_are_told(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a worker goes to its folder: back at the end
    marker = tmp_path / "here"
    assert isinstance(
        worker.Worker().set_up(worker.Assignment(tasks.work(tasks.power), str(tmp_path), ())), worker.Ready
    )
    failed = worker.Worker().set_up(worker.Assignment(tasks.work(tasks.power), str(tmp_path), (str(marker),)))
    assert isinstance(failed, worker.Failed)
    assert f"{tmp_path} is not the same folder there as here" in str(failed.error)


def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; import compute_tasks as tasks\n"
        "from pipeline.compute.processes import Processes\n"
        "with Processes(2).crew(tasks.work(tasks.forever), 2) as crew:\n"
        "    list(crew.map([Path(name) for name in sys.argv[1:]], lambda _: None))\n"
    )
    files = [tmp_path / "one", tmp_path / "two"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    parent = subprocess.Popen([sys.executable, "-c", program, *map(str, files)], env=os.environ | {"PYTHONPATH": path})
    _until(lambda: all(file.exists() and file.read_text() for file in files))
    parent.kill()
    parent.wait()
    for file in files:
        _until(lambda file=file: not _alive(int(file.read_text())))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def _until(true, seconds: float = 60) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds
        time.sleep(0.05)


def test_a_single_kill_during_set_up_costs_one_worker(monkeypatch):
    from pipeline.compute import processes

    original, killed = processes._Team.start, []

    def start(team):
        started = original(team)
        if not killed:
            killed.append(started.process.pid)
            os.kill(started.process.pid, signal.SIGKILL)
        return started

    monkeypatch.setattr(processes._Team, "start", start)
    results, _ = run(Processes(2), tasks.work(tasks.slow_power), ITEMS)
    assert [value for value, _ in results] == [item**2 for item in ITEMS]
    assert killed[0] not in {process for _, process in results}
