"""What follows a model's pooling: dense layers, norms, dropout, normalisation, and the cut to the first numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pipeline.console.errors import InputError
from pipeline.encoders.layout import Module
from pipeline.encoders.linear import Linear
from pipeline.encoders.pooling import normalise
from pipeline.ground.matmul import row_step


class HeadModule(nn.Module):
    """One module behind the pooling.

    Attributes:
        kind: sentence-transformers' name of its class.
        width: of its vectors; None: as wide as its input.
    """

    kind: str
    width: int | None = None

    def config(self) -> dict[str, Any]:
        """Its configuration, as sentence-transformers reads it; its parameters have their names there too."""
        return {}


class DenseHead(HeadModule):
    """A linear layer with an activation.

    Args:
        given: width of its input.
        width: of its output.
        bias: whether it adds one.
        activation: one of `pipeline.encoders.layout.ACTIVATIONS`.
    """

    kind = "Dense"

    def __init__(self, given: int, width: int, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = Linear(given, width, bias=bias)
        self.activation = getattr(nn, activation)()
        self.width = width

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, given] to [n, width]."""
        result: Tensor = self.activation(self.linear(vectors))
        return result

    def config(self) -> dict[str, Any]:
        """See `HeadModule.config`."""
        activation = type(self.activation)
        return {
            "in_features": self.linear.in_features,
            "out_features": self.linear.out_features,
            "bias": self.linear.bias is not None,
            "activation_function": f"{activation.__module__}.{activation.__qualname__}",
        }


class NormHead(HeadModule):
    """Layer normalisation with a scale and an offset for each dimension."""

    kind = "LayerNorm"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, d] to [n, d]."""
        result: Tensor = self.norm(vectors)
        return result

    def config(self) -> dict[str, Any]:
        """See `HeadModule.config`."""
        return {"dimension": self.norm.normalized_shape[0]}


class DropoutHead(HeadModule):
    """Dropout, in training only."""

    kind = "Dropout"

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(share)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, d] to [n, d]."""
        result: Tensor = self.dropout(vectors)
        return result

    def config(self) -> dict[str, Any]:
        """See `HeadModule.config`."""
        return {"dropout": self.dropout.p}


class UnitHead(HeadModule):
    """Vectors to length 1, where something follows them; at the end they are in any case."""

    kind = "Normalize"

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, d] to [n, d]."""
        return normalise(vectors)


class Head(nn.Module):
    """All that follows the pooling, in order; empty: nothing does.

    Args:
        width: of the vectors that come out of the modules.
        modules: in order.
        truncate_dim: the first numbers of those that are kept; None: all.
    """

    def __init__(self, width: int, modules: Sequence[HeadModule] = (), truncate_dim: int | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(modules)
        self.truncate_dim = truncate_dim
        self.dimension = min(width, truncate_dim or width)

    @property
    def parts(self) -> list[HeadModule]:
        """The modules, in order."""
        return cast("list[HeadModule]", list(self.layers))

    def forward(self, vectors: Tensor) -> Tensor:
        """Pooled vectors [n, …] to [n, dimension]; without gradients a row's bits depend on no other row."""
        if self.parts and torch.is_inference_mode_enabled() and len(vectors):
            # A product's rows come by `row_step` then: copies of the last one fill it up.
            missing = -len(vectors) % row_step(vectors)
            vectors = self._apply_parts(torch.cat([vectors, vectors[-1:].expand(missing, -1)]))[: len(vectors)]
        elif self.parts:
            vectors = self._apply_parts(vectors)
        return vectors[:, : self.dimension]

    def _apply_parts(self, vectors: Tensor) -> Tensor:
        vectors = vectors.float()
        for module in self.parts:
            vectors = module(vectors)
        return vectors


def build_head(
    width: int, modules: Sequence[Module], truncate_dim: int | None, fill: Callable[[Module, HeadModule], None]
) -> Head:
    """The head that a model's folder describes.

    Args:
        width: of the pooled vectors.
        modules: of the layout, of kinds in `pipeline.encoders.layout.HEADS`.
        truncate_dim: see `Head`.
        fill: gives a module the weights that its folder holds.

    Raises:
        InputError: if a layer's width isn't that of what it is given.
    """
    built: list[HeadModule] = []
    for module in modules:
        made = _build(module, width)
        if any(True for _ in made.parameters()):
            fill(module, made)
        width = made.width or width
        built.append(made)
    while built and isinstance(built[-1], UnitHead):
        built.pop()  # vectors are normalised at the end in any case
    return Head(width, built, truncate_dim)


def _build(module: Module, width: int) -> HeadModule:
    """A module, its weights not yet filled in; ``width`` is that of its input."""
    config = module.config
    if module.kind == "Dense":
        given, out = (_width(module, key) for key in ("in_features", "out_features"))
        if given != width:
            raise InputError(module.file, f"in_features: found {given}, but the vectors before it have {width} numbers")
        activation = str(config.get("activation_function") or "Tanh").rpartition(".")[2]
        return DenseHead(given, out, bool(config.get("bias", True)), activation)
    if module.kind == "LayerNorm":
        if (given := _width(module, "dimension")) != width:
            raise InputError(module.file, f"dimension: found {given}, but the vectors before it have {width} numbers")
        return NormHead(width)
    if module.kind == "Dropout":
        return DropoutHead(float(config.get("dropout", 0.2)))
    return UnitHead()


def _width(module: Module, key: str) -> int:
    found = module.config.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise InputError(module.file, f"{key}: found {found!r}, expected a width of at least 1")
    return found
