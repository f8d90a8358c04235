"""One of the processes of tests that train on several: `rank_worker.py SCENARIOS`, its rank and world in the environment.

SCENARIOS is a JSON list, one entry a training:

- root: the project, with everything up to the stage neighborhoods.
- stop_after: if given, the steps after which the training is killed.
- fsdp: whether the student's parameters are spread over the processes.
- reads: if given, a file (``{rank}`` in its name) for the rows that each step reads, as `reads_of` has them.
"""

import json
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import nn

from pipeline.artifacts.folders import TokenFolder, VectorFolder
from pipeline.training.build import build_student
from pipeline.training.devices import make_accelerator
from pipeline.training.step import Steps
from stages import train
from stages.running.command import Project


class KilledError(Exception):
    """In place of a signal, which several processes would get at different steps."""


@contextmanager
def killed_after(steps):
    original, calls = Steps.take, 0

    def take(self, *arguments):
        nonlocal calls
        if calls == steps:
            raise KilledError
        calls += 1
        return original(self, *arguments)

    with mock.patch.object(Steps, "take", take):
        yield


@contextmanager
def reads_of(found):
    """Appends, in a training's steps, the folder's name and the rows of every read of tokens and of teacher's vectors."""
    inside, take = False, Steps.take

    def noted(kind, original):
        def select(self, rows):
            if inside:
                found.append([kind, self.folder.name, rows.tolist()])
            return original(self, rows)

        return select

    def taking(self, *arguments):
        nonlocal inside
        inside = True
        try:
            return take(self, *arguments)
        finally:
            inside = False

    with (
        mock.patch.object(Steps, "take", taking),
        mock.patch.object(TokenFolder, "select", noted("tokens", TokenFolder.select)),
        mock.patch.object(VectorFolder, "select", noted("vectors", VectorFolder.select)),
    ):
        yield


def fsdp_accelerator(precision):
    """Accelerate spreads parameters on GPUs only; torch does it on CPUs, too."""
    accelerator = make_accelerator(precision)
    AcceleratorState._shared_state["distributed_type"] = DistributedType.FSDP
    AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
    )
    assert accelerator.is_fsdp2
    return accelerator


def without_dropout(*arguments):
    """What dropout drops depends on the number of processes."""
    model = build_student(*arguments)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout_prob"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


def run(scenario):
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(train, "build_student", without_dropout))
        if scenario.get("fsdp"):
            stack.enter_context(mock.patch.object(train, "make_accelerator", fsdp_accelerator))
        found = []
        if scenario.get("reads"):
            stack.enter_context(reads_of(found))
        if scenario.get("stop_after"):
            stack.enter_context(killed_after(scenario["stop_after"]))
        try:
            train.run(Project.open(Path(scenario["root"])))
        except KilledError:
            if torch.distributed.is_initialized():
                torch.distributed.barrier()
        if scenario.get("reads"):
            rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
            Path(scenario["reads"].format(rank=rank)).write_text(json.dumps(found))
    AcceleratorState._shared_state.clear()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in json.loads(Path(sys.argv[1]).read_text()):
        run(each)
    torch.distributed.destroy_process_group()
