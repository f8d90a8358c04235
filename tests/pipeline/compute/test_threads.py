"""What results would depend on if workers had other numbers of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors
from small import sentence

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders import packed
from pipeline.encoders.library import LibraryModel
from pipeline.encoders.load import EncoderSettings, load_encoder
from pipeline.encoders.resolve import resolve_model


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_vectors_have_the_same_bits_with_one_thread_and_with_several(tiny_teacher: Path):
    source = resolve_model("teacher.model", str(tiny_teacher), None, tiny_teacher.parent)
    encoder = load_encoder(source, EncoderSettings(batch_tokens=512), torch.device("cpu"))
    batch = encoder.tokenize([sentence(number) for number in range(0, 900, 7)])
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(encoder.encode_tokens(batch))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_neighbors_have_the_same_bits_with_one_thread_and_with_several():
    generator = np.random.default_rng(3)
    x, y = (generator.standard_normal((rows, 384)).astype(np.float16) for rows in (700, 900))
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(mutual_neighbors(x, y, 4, 8 << 20, "cpu"))
    for other in found[1:]:
        for name in vars(other):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))


def test_each_thread_embeds_batches_of_its_own_but_not_beside_other_processes(tiny_teacher: Path, monkeypatch):
    source = resolve_model("teacher.model", str(tiny_teacher), None, tiny_teacher.parent)
    encoder = load_encoder(source, EncoderSettings(batch_tokens=2048), torch.device("cpu"))
    batch = encoder.tokenize([sentence(number) for number in range(0, 9000, 7)])
    seen: list[tuple[str, int, int]] = []
    forward, together = encoder.model.forward, threading.Barrier(2)

    def watched(part: TokenBatch) -> torch.Tensor:
        name = threading.current_thread().name
        seen.append((name, torch.get_num_threads(), len(part.tokens)))
        if name != "MainThread" and len(seen) < 3:
            together.wait(timeout=60)  # broken, if there is one thread only
        return forward(part)

    monkeypatch.setattr(encoder.model, "forward", watched)
    torch.set_num_threads(2)
    apart, counted = encoder.encode_tokens(batch), []
    assert "MainThread" not in {name for name, _, _ in seen}
    assert len({name for name, _, _ in seen}) == 2
    assert {count for _, count, _ in seen} == {1}
    assert max(tokens for _, _, tokens in seen) <= 2048 // 2
    seen.clear()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    in_turn = replace(encoder, advance=counted.append).encode_tokens(batch)
    assert {(name, count) for name, count, _ in seen} == {("MainThread", 2)}
    assert (apart == in_turn).all()
    assert sum(counted) == batch.lengths.sum()


def test_models_that_are_not_known_to_bear_it_are_called_by_one_thread(tiny_teacher: Path, monkeypatch):
    source = resolve_model("teacher.model", str(tiny_teacher), None, tiny_teacher.parent)
    assert load_encoder(source, EncoderSettings(), torch.device("cpu")).model.side_by_side
    monkeypatch.setattr(packed, "KINDS", {"another"})
    assert not load_encoder(source, EncoderSettings(), torch.device("cpu")).model.side_by_side
    assert not LibraryModel.side_by_side


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY", "OPENBLAS_THREAD_TIMEOUT")
QUIET = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}
WAYS = {
    "the library": "import pipeline",
    "a module of it": "import pipeline.ground.matmul",
    "Python": "import softalign",
    "the command line": "import softalign.cli",
    "a command": "import softalign.app",
    "stages, all of which run this first": "import stages",
    "a stage that imports torch itself": "import stages.train",
    "a worker of this machine": "import pipeline.compute.processes",
    "a worker of Ray's": "import ray, pipeline.compute.on_ray",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_waiting_threads_sleep_whichever_way_the_program_is_entered(way: str):
    assert _waiting(way, {}) == QUIET


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active", "OPENBLAS_THREAD_TIMEOUT": "4"}),
        # Choices of their own kind, which a policy would override.
        ({"GOMP_SPINCOUNT": "1000"}, {"GOMP_SPINCOUNT": "1000", "OPENBLAS_THREAD_TIMEOUT": "4"}),
        ({"KMP_BLOCKTIME": "200"}, {"KMP_BLOCKTIME": "200", "OPENBLAS_THREAD_TIMEOUT": "4"}),
        ({"KMP_LIBRARY": "turnaround"}, {"KMP_LIBRARY": "turnaround", "OPENBLAS_THREAD_TIMEOUT": "4"}),
        ({"OPENBLAS_THREAD_TIMEOUT": "26"}, {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "26"}),
    ],
)
@pytest.mark.parametrize("way", ["import stages", "import softalign"])
def test_waiting_threads_do_what_the_user_chose(way: str, chosen: dict[str, str], expected: dict[str, str]):
    assert _waiting(way, chosen) == expected


def _waiting(way: str, chosen: dict[str, str]) -> dict[str, str]:
    """The settings at the moment in which torch or NumPy is first imported, or at the end if neither is."""
    if "ray" in way:
        pytest.importorskip("ray", reason="the extra ray is not installed")
    program = (
        "import json, os, sys\n"
        "def tell():\n"
        f"    print(json.dumps({{name: os.environ[name] for name in {WAITING} if name in os.environ}}))\n"
        "    sys.stdout.flush()\n"
        "    os._exit(0)\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {('torch',) if 'ray' in way else ('torch', 'numpy')}:\n"
        "            tell()\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"{way}\n"
        "tell()\n"
    )
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    found = subprocess.run(
        [sys.executable, "-c", program], env=clean | chosen, capture_output=True, text=True, check=True
    )
    settings: dict[str, str] = json.loads(found.stdout)
    return settings
