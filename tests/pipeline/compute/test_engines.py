"""From params.yaml to an engine, and the lines where there can be none."""

from __future__ import annotations

import sys

import pytest

from pipeline.compute.engines import open_engine
from pipeline.compute.in_process import Here
from pipeline.compute.processes import Processes
from pipeline.compute.work import ComputeError
from pipeline.config.compute import Compute
from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError

RAW = {
    "languages": ["en", "fr"],
    "pairs": ["en-fr"],
    "prepare": {"corpora": [{"name": "one", "format": "moses", "path": "text.{lang}"}]},
    "teacher": {"model": "model"},
}


def test_the_default_is_this_process():
    assert check_params(RAW).compute == Compute()
    assert isinstance(open_engine(Compute()), Here)


def test_more_workers_or_a_limit_of_threads_are_processes():
    engine = open_engine(Compute(workers=3, cpus=2))
    assert isinstance(engine, Processes)
    assert (engine.workers, engine.cpus, engine.alone) == (3, 2, False)
    assert isinstance(open_engine(Compute(cpus=1)), Processes)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"engine": "slurm"}, "compute.engine: found 'slurm'; input should be 'local' or 'ray'"),
        ({"workers": 0}, "compute.workers: found 0; input should be greater than or equal to 1"),
        ({"ray_address": "ray://head:10001"}, "compute.ray_address: found 'ray://head:10001'; .* expected host:port"),
        ({"ray_address": "head"}, "compute.ray_address: found 'head'; .* expected host:port, like 10.0.0.1:6379"),
        ({"gpus": 0.5}, "compute: gpus is 0.5; a part of a GPU is only for engine 'ray'"),
        ({"nodes": 2}, "compute.nodes: unknown key; allowed here: engine, workers, ray_address, cpus, gpus"),
    ],
)
def test_bad_parameters_are_one_line(section: dict, line: str):
    with pytest.raises(ParamsError, match=rf"^params.yaml: {line}"):
        check_params({**RAW, "compute": section})


def test_ray_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "pipeline.compute.on_ray", raising=False)
    with pytest.raises(ComputeError, match=r"the package ray is not installed; `pip install 'softalign\[ray\]'`"):
        open_engine(Compute(engine="ray"))


def test_gpus_that_are_not_there_are_one_line():
    with pytest.raises(ComputeError, match=r"workers times gpus is 128, but this machine has [0-9]+ GPUs"):
        open_engine(Compute(workers=2, gpus=64))
