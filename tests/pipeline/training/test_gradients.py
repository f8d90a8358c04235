"""Chunks (GradCache) give the gradient of the whole batch: alone, accumulated, with dropout, on two processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from gradient_worker import step, tiny_bert, tokens
from imports import ROOT
from loss_batches import unit
from safetensors.torch import load_file
from torch import nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.model import StaticModel
from pipeline.training.gradients import backward, piece_count, random_state, set_random_state

WORKER = ROOT / "tests" / "helpers" / "gradient_worker.py"


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_chunks_have_the_gradient_of_the_whole_batch(accelerator: Accelerator, chunk: int):
    whole, chunked = step(accelerator, tiny_bert(), None), step(accelerator, tiny_bert(), chunk)
    assert whole.keys() == chunked.keys()
    assert "loss.losses.mse.space.projection.weight" in whole
    for name, value in whole.items():
        torch.testing.assert_close(chunked[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_chunks_of_a_static_student(accelerator: Accelerator):
    found = []
    for chunk in (None, 3):
        model = StaticModel(unit(50, 16, 1, torch.float32))
        sides, pieces = (tokens(8, 1), tokens(8, 2)), piece_count(8, 1, chunk)
        backward(accelerator, model, sides, lambda v: (v[:8] @ v[8:].T).exp().mean(), pieces)
        found.append(model.weight.grad)
    torch.testing.assert_close(found[1], found[0], atol=1e-7, rtol=1e-5)


def test_chunks_of_one_side_alone(accelerator: Accelerator):
    other, found = unit(8, 16, 3, torch.float32), []
    for chunk in (None, 3):
        model = StaticModel(unit(50, 16, 1, torch.float32))
        pieces = piece_count(8, 1, chunk)
        _, vectors = backward(accelerator, model, (tokens(8, 1),), lambda v: (other @ v.T).exp().mean(), pieces)
        assert vectors.shape == (8, 16)
        found.append(model.weight.grad)
    torch.testing.assert_close(found[1], found[0], atol=1e-7, rtol=1e-5)


def _loss(vectors: torch.Tensor) -> torch.Tensor:
    half = len(vectors) // 2
    logits = vectors[:half] @ vectors[half:].T / 0.1
    return nn.functional.cross_entropy(logits, torch.arange(half))


def test_dropout_drops_the_same_in_both_passes(accelerator: Accelerator):
    """The reference keeps the graph of every chunk, with the random states that chunking has."""
    sides = tokens(6, 1), tokens(6, 2)
    reference, model = tiny_bert(dropout=0.3), tiny_bert(dropout=0.3)
    torch.manual_seed(11)
    firsts, seconds = [], []
    for start in (0, 2, 4):
        rows = torch.arange(start, start + 2).numpy()
        vectors = reference(TokenBatch.joined([side.select(rows) for side in sides]))
        firsts.append(vectors[:2])
        seconds.append(vectors[2:])
    expected = _loss(torch.cat(firsts + seconds))
    expected.backward()
    after = torch.get_rng_state()

    torch.manual_seed(11)
    loss, _ = backward(accelerator, model, sides, _loss, piece_count(6, 1, 2))
    assert torch.equal(torch.get_rng_state(), after)  # what follows draws as if there had been one pass
    torch.testing.assert_close(loss, expected.detach())
    for (name, value), other in zip(reference.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(other.grad, value.grad, atol=1e-6, rtol=1e-5, msg=name)


def test_the_vectors_come_back_in_the_order_of_the_sides(accelerator: Accelerator):
    model, sides = tiny_bert(), (tokens(5, 1), tokens(5, 2))
    _, vectors = backward(accelerator, model, sides, lambda v: v.sum(), piece_count(5, 1, 2))
    torch.testing.assert_close(vectors, model(TokenBatch.joined(list(sides))).detach(), atol=1e-6, rtol=1e-5)
    assert not vectors.requires_grad


def test_random_states_come_back():
    device = torch.device("cpu")
    state = random_state(device)
    first = torch.rand(5)
    set_random_state(state, device)
    assert torch.equal(torch.rand(5), first)


@pytest.mark.parametrize("chunk", [0, 3])
def test_two_processes_have_the_gradient_of_one(accelerator: Accelerator, tmp_path: Path, chunk: int):
    """Student (averaged by DistributedDataParallel) and the loss's projection (averaged by us), accumulated, in chunks."""
    expected = step(accelerator, tiny_bert(), None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "ACCELERATE_USE_CPU": "true",
    }
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    results = [tmp_path / f"{rank}.safetensors" for rank in range(2)]
    running = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(chunk), str(result)],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, result in enumerate(results)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    for result in results:
        found = load_file(result)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4, msg=f"{name} of {result.name}")
