"""What the encoder does for a GPU only, tested on a CPU: the mask that attention takes as it is, and blocks of four bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from small import make_transformer

from pipeline.encoders.load import EncoderSettings, load_transformer
from pipeline.encoders.model import attention_cells
from pipeline.encoders.q4 import narrow, widen
from pipeline.ground.transfer import on_device


def test_cells_say_what_a_mask_says(tmp_path: Path):
    model = load_transformer(make_transformer(tmp_path / "m", kind="xlm-roberta"), EncoderSettings()).eval()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
    with torch.inference_mode():
        plain, cells = (
            model.backbone(input_ids=ids, attention_mask=form).last_hidden_state
            for form in (mask, attention_cells(mask))
        )
        alone = model.backbone(input_ids=ids[1:, :2]).last_hidden_state
    torch.testing.assert_close(plain[mask.bool()], cells[mask.bool()])
    torch.testing.assert_close(cells[1, :2], alone[0])


def test_arrays_on_a_cpu_are_not_copied():
    array = np.arange(6)
    assert np.shares_memory(on_device(array, torch.device("cpu")).numpy(), array)


def test_blocks_that_were_widened_are_the_same_again():
    generator = np.random.default_rng(0)
    blocks = generator.integers(0, 256, (50, 18)).astype(np.uint8)
    scales = generator.uniform(-0.1, 0.1, 50).astype("<f2")
    blocks[:, :2] = scales[:, None].view(np.uint8)
    blocks[:, 2] &= 0xF0  # a -8 in every block
    np.testing.assert_array_equal(narrow(widen(blocks)), blocks)


def test_a_block_of_zeros_stays_one():
    assert not widen(narrow(np.zeros((1, 32), dtype=np.float32))).any()
