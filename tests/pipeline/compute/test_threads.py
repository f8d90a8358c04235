"""What results would depend on if workers had other numbers of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors
from small import sentence

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


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "passive None"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "1000"}, "None 1000"),  # a choice of its own kind, which a policy would override
    ],
)
@pytest.mark.parametrize("module", ["pipeline.ground.matmul", "stages.teach", "softalign.cli"])
def test_waiting_threads_sleep_unless_the_user_chose(module: str, chosen: dict[str, str], expected: str):
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    # What a child process is started with, whichever way the code comes in; and it is set before torch is loaded.
    program = (
        "import sys, os\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('GOMP_SPINCOUNT'))\n"
        "            sys.exit()\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"import {module}\n"
        "import pipeline.ground.matmul\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=clean | chosen, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == expected
