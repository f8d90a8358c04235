import pytest
import torch
from torch import nn

from pipeline.encoders.linear import Linear, use_fast_products
from pipeline.ground import matmul as products
from pipeline.ground.matmul import goes_through_onednn, has_onednn, product


@pytest.mark.parametrize("shape", [(1, 5), (7, 5), (3, 4, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_and_gradients_are_those_of_a_linear_layer(monkeypatch, shape: tuple[int, ...], bias: bool):
    monkeypatch.setattr(products, "has_onednn", lambda: torch._C._has_mkldnn)  # on any processor
    torch.manual_seed(0)
    x, y, b = torch.randn(shape, requires_grad=True), torch.randn(6, 5, requires_grad=True), torch.randn(6)
    b = b.requires_grad_() if bias else None
    wanted = [one for one in (x, y, b) if one is not None]
    found, expected = product(x, y, b), nn.functional.linear(x, y, b)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(expected.shape)
    ours = torch.autograd.grad((found * weights).sum(), wanted)
    theirs = torch.autograd.grad((expected * weights).sum(), wanted)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    with torch.inference_mode():
        torch.testing.assert_close(product(x, y, b), expected)


@pytest.mark.skipif(not has_onednn(), reason="this processor has neither AVX-512 nor AVX2")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_has_the_same_bits_among_any_number_of_others(threads: int):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(1)
        for inner, outer in ((384, 1536), (1536, 384), (64, 48)):
            x, y, b = torch.randn(520, inner), torch.randn(outer, inner), torch.randn(outer)
            whole = product(x, y, b)
            for rows in (*range(1, 65), 100, 257, 519):
                assert torch.equal(product(x[:rows].contiguous(), y, b), whole[:rows])
            assert torch.equal(product(x[7], y, b), whole[7])
    finally:
        torch.set_num_threads(before)


def test_what_is_not_float32_on_a_cpu_goes_the_usual_way():
    x = torch.randn(3, 4)
    assert goes_through_onednn(x, x) == has_onednn()
    assert not goes_through_onednn(x.double(), x.double())
    assert not goes_through_onednn(x.to("meta"), x.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not goes_through_onednn(x, x)
        assert product(x, x).dtype == torch.bfloat16


def test_plain_linear_layers_change_and_nothing_else():
    class Adapted(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(4, 3), nn.ModuleList([nn.Linear(3, 3)]), Adapted(3, 3), nn.LayerNorm(3))
    names = list(model.state_dict())
    use_fast_products(model)
    assert [type(module) for module in (model[0], model[1][0], model[2], model[3])] == [
        Linear,
        Linear,
        Adapted,
        nn.LayerNorm,
    ]
    assert list(model.state_dict()) == names
