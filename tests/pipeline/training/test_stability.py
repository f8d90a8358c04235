"""What ends a training early: broken numbers, collapse, no more gain; and the optimiser's fused form."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_batches import unit

from pipeline.config.train import Train
from pipeline.console.errors import UserError
from pipeline.training import devices
from pipeline.training.collapse import CosineSpread, looks_collapsed, mean_spread, refuse_collapse, spread
from pipeline.training.optimizer import adamw, has_fused_kernel
from pipeline.training.stopping import out_of_patience, refuse_bad_loss, refuse_bad_parameters

TRAIN = Train(steps=1000, warmup_steps=50)


# Collapse


@given(rows=st.integers(2, 12), dimension=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_spread_is_the_naive_one(rows: int, dimension: int, seed: int):
    x, y = (unit(rows, dimension, seed + side).numpy().astype(np.float32) for side in (0, 1))
    cosines = x.astype(np.float64) @ y.astype(np.float64).T
    others = cosines[~np.eye(rows, dtype=bool)]
    found = spread(x, y)
    assert found is not None
    assert found.translations == pytest.approx(np.diag(cosines).mean(), abs=1e-12)
    assert found.others == pytest.approx(others.mean(), abs=1e-12)
    assert found.deviation == pytest.approx(others.std(), abs=1e-7)


def test_one_pair_has_no_spread():
    assert spread(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)) is None
    assert mean_spread([]) is None
    assert mean_spread([CosineSpread(1.0, 0.0, 0.2), CosineSpread(0.5, 0.5, 0.0)]) == CosineSpread(0.75, 0.25, 0.1)


@pytest.mark.parametrize(
    ("step", "values", "collapsed"),
    [
        (500, CosineSpread(1.0, 0.999, 0.0005), True),  # all vectors the same
        (500, CosineSpread(0.401, 0.4, 0.002), True),  # all similarities alike, elsewhere
        (500, CosineSpread(0.9, 0.8, 0.005), False),  # narrow, but translations stand out
        (500, CosineSpread(0.41, 0.4, 0.1), False),
        (99, CosineSpread(1.0, 0.999, 0.0005), False),  # the start
    ],
)
def test_what_collapse_looks_like(step: int, values: CosineSpread, collapsed: bool):
    assert looks_collapsed({"step": step, **values.record()}, TRAIN) is collapsed
    assert not looks_collapsed({"step": step}, TRAIN)


def test_the_start_is_as_long_as_the_warm_up():
    record = {"step": 250.0, **CosineSpread(1.0, 1.0, 0.0).record()}
    assert looks_collapsed(record, TRAIN)
    assert not looks_collapsed(record, Train(steps=1000, warmup_steps=300))
    assert not looks_collapsed(record, Train(steps=5000))


def test_two_evaluations_in_a_row_stop():
    bad, good = CosineSpread(0.9992, 0.9987, 0.0004).record(), CosineSpread(0.8, 0.1, 0.1).record()
    history = [{"step": 300.0, **bad}, {"step": 400.0, **good}, {"step": 500.0, **bad}]
    refuse_collapse(history, TRAIN, "checkpoints")
    with pytest.raises(UserError) as caught:
        refuse_collapse([*history, {"step": 600.0, **bad}], TRAIN, "checkpoints")
    message = str(caught.value)
    assert message.startswith("train: the student has collapsed by step 600")
    for part in ("0.9987", "0.0004", "0.9992", "checkpoints/", "learning_rate"):
        assert part in message
    assert "\n" not in message


# Numbers


def test_bad_numbers():
    refuse_bad_loss(torch.tensor([1.0, 2.0]), 2, "checkpoints")
    refuse_bad_loss(torch.zeros(0), 0, "checkpoints")
    with pytest.raises(
        UserError, match="the loss is inf before step 2; the last good checkpoint stays in checkpoints/"
    ):
        refuse_bad_loss(torch.tensor([1.0, float("inf")]), 2, "checkpoints")
    model = torch.nn.Linear(2, 2)
    refuse_bad_parameters(model, 3, "checkpoints")
    with torch.no_grad():
        model.bias[1] = float("nan")
    with pytest.raises(UserError, match="parameter bias has values that are no numbers after step 3"):
        refuse_bad_parameters(model, 3, "checkpoints")
    refuse_bad_parameters(model.requires_grad_(False), 3, "checkpoints")  # not ours


def test_patience():
    history = [{"step": float(step)} for step in (10, 20, 30, 40)]
    assert [out_of_patience(history, 20, patience) for patience in (1, 2, 3, None)] == [True, True, False, False]


# Devices


def test_fused_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch):
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    optimizer = adamw(model, Train(learning_rate=0.5, weight_decay=0.25))
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]
    assert (optimizer.defaults["fused"], optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (
        True,
        0.5,
        0.25,
    )
    # A device without the kernel.
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["cuda"])
    assert not has_fused_kernel(torch.device("cpu"))
    plain = adamw(model, Train())
    assert not plain.defaults["fused"]
    model(torch.ones(1, 2)).sum().backward()
    plain.step()


@pytest.mark.parametrize(
    ("wanted", "cuda", "major", "precision"),
    [
        ("auto", False, 0, "no"),
        ("auto", True, 8, "bf16"),
        ("auto", True, 9, "bf16"),
        ("auto", True, 7, "no"),  # it emulates bf16, more slowly than float32
        ("fp16", True, 7, "fp16"),
        ("no", True, 9, "no"),
    ],
)
def test_precision(monkeypatch: pytest.MonkeyPatch, wanted: str, cuda: bool, major: int, precision: str):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda._check_bf16_tensor_supported", lambda device: True)
    properties = type("Properties", (), {"major": major})
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    assert devices._precision(wanted) == precision
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert devices._precision(wanted) == ("fp16" if wanted == "auto" else precision)
