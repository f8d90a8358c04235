"""What results would depend on if workers had other numbers of threads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from small import sentence

from pipeline.encoders.load import EncoderSettings, load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.search.neighbors import mutual_neighbors


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
