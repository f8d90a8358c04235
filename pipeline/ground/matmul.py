"""Matrix products in float32 by the fastest kernels that torch carries.

torch multiplies float32 through MKL, which uses AVX-512 on Intel's processors only. oneDNN, which torch carries as well (for
bfloat16, bytes and fused layers), uses it on AMD's too: 457 against 198 GFLOP/s at 2,048³, 475 against 202 at the shapes of a
small transformer (two cores of an AMD EPYC with AVX-512, torch 2.13.0). With AVX2 alone both are as fast as each other, but
MKL's rows have other bits in other company unless they come by eight (`row_step`), which costs copies or padding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache(maxsize=1)
def has_onednn() -> bool:
    """Whether oneDNN is there and has AVX-512 or AVX2 to use."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_f") or able.get("avx2")) and torch._C._has_mkldnn


def goes_through_onednn(x: Tensor, y: Tensor) -> bool:
    """Whether `product` of these takes oneDNN: float32 in a CPU's memory, outside of autocast and of a traced graph."""
    return (
        x.device.type == y.device.type == "cpu"
        and x.dtype == y.dtype == torch.float32
        and has_onednn()
        and x.numel() > 0
        and y.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def row_step(y: Tensor) -> int:
    """Rows come by this many, or a row's bits depend on how many there are: `product` with y.

    With oneDNN they don't; MKL's threads share odd ones out in another way.
    """
    return 1 if goes_through_onednn(y, y) else 8


def product(x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·yᵀ (+ bias): […, d] with [m, d] gives […, m]; with gradients.

    A row's bits depend on no other row, and not on how many there are if they come by `row_step` (tested).
    """
    if not goes_through_onednn(x, y):
        return torch.nn.functional.linear(x, y, bias)
    if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad or (bias is not None and bias.requires_grad)):
        result: Tensor = _Product.apply(x, y, bias)  # type: ignore[no-untyped-call]
        return result
    return _onednn(x, y, bias)


def _onednn(x: Tensor, y: Tensor, bias: Tensor | None) -> Tensor:
    # It computes a single row in another way than more, with other bits; so that one is computed twice.
    alone = x.numel() == x.shape[-1]
    rows = x.reshape(1, -1).expand(2, -1).contiguous() if alone else x
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, y, bias, "none", [], "")
    return result[0].view(*x.shape[:-1], -1) if alone else result


class _Product(torch.autograd.Function):
    """`product` and its gradients; that of y by MKL, since oneDNN would want both of its sides transposed first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, y)
        return _onednn(x, y, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        gradient = gradients[0]
        rows = gradient.reshape(-1, gradient.shape[-1])
        for_x = _onednn(gradient, y.t().contiguous(), None) if ctx.needs_input_grad[0] else None
        for_y = rows.t() @ x.reshape(-1, x.shape[-1]) if ctx.needs_input_grad[1] else None
        return for_x, for_y, rows.sum(dim=0) if ctx.needs_input_grad[2] else None
