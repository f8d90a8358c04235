"""A transformer's linear layers, multiplied by the fastest kernels (`pipeline.ground.matmul`)."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.ground.matmul import product


class Linear(nn.Linear):
    """`torch.nn.Linear` whose product is ours; parameters and their names are the same."""

    def forward(self, input: Tensor) -> Tensor:
        """[…, in] to […, out]."""
        return product(input, self.weight, self.bias)


def use_fast_products(model: nn.Module) -> None:
    """Make every plain linear layer of a model a `Linear`, in place; what derives from it (adapters) is left alone."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
