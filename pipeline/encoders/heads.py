"""What follows a model's pooling: dense layers, norms, dropout, normalisation, and the cut to the first numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pipeline.console.errors import InputError
from pipeline.encoders.layout import Module
from pipeline.encoders.linear import Linear
from pipeline.encoders.pooling import normalise
from pipeline.ground.matmul import row_step


class HeadModule(nn.Sequential):
    """One module behind the pooling: torch's layers in order, by the names that sentence-transformers gives them."""

    def __init__(self, kind: str, width: int, config: Mapping[str, Any], **layers: nn.Module) -> None:
        super().__init__(OrderedDict(layers))
        self.kind = kind  # the name of sentence-transformers' class
        self.width = width  # the numbers of each vector that comes out
        self.config = config  # the configuration, as sentence-transformers reads it


class UnitLength(nn.Module):
    """Vectors to length 1, where something follows them; at the end they are in any case."""

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, d] to [n, d]."""
        return normalise(vectors)


class Head(nn.Module):
    """The modules behind the pooling, in order; of their vectors [n, width] the first ``truncate_dim`` numbers are kept."""

    def __init__(self, width: int, modules: Sequence[HeadModule] = (), truncate_dim: int | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)
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
            vectors = self.layers(torch.cat([vectors, vectors[-1:].expand(missing, -1)]).float())[: len(vectors)]
        elif self.parts:
            vectors = self.layers(vectors.float())
        return vectors[:, : self.dimension]


def build_head(
    width: int, modules: Sequence[Module], truncate_dim: int | None, fill: Callable[[Module, HeadModule], None]
) -> Head:
    """The head that a model's folder describes, for pooled vectors [n, width].

    Its modules are of the kinds in `pipeline.encoders.layout.HEADS`; ``fill`` gives each the weights that its folder holds.

    Raises:
        InputError: if a layer's width isn't that of what it is given.
    """
    built: list[HeadModule] = []
    for module in modules:
        made = _build(module, width)
        if made.state_dict():
            fill(module, made)
        width = made.width
        built.append(made)
    while built and built[-1].kind == "Normalize":
        built.pop()  # vectors are normalised at the end in any case
    return Head(width, built, truncate_dim)


def _build(module: Module, width: int) -> HeadModule:
    """A module, its weights not yet filled in, for vectors [n, width]."""
    config = module.config
    if module.kind == "Normalize":
        return HeadModule("Normalize", width, {}, unit=UnitLength())
    if module.kind == "Dropout":
        share = float(config.get("dropout", 0.2))
        return HeadModule("Dropout", width, {"dropout": share}, dropout=nn.Dropout(share))
    key = "in_features" if module.kind == "Dense" else "dimension"
    given = _width(module, key)
    out = _width(module, "out_features") if module.kind == "Dense" else given
    if given != width:
        raise InputError(module.file, f"{key}: found {given}, but the vectors before it have {width} numbers")
    if module.kind == "LayerNorm":
        return HeadModule("LayerNorm", width, {"dimension": width}, norm=nn.LayerNorm(width))
    function = getattr(nn, str(config.get("activation_function") or "Tanh").rpartition(".")[2])
    bias, name = bool(config.get("bias", True)), f"{function.__module__}.{function.__qualname__}"
    settings = {"in_features": width, "out_features": out, "bias": bias, "activation_function": name}
    return HeadModule("Dense", out, settings, linear=Linear(width, out, bias=bias), activation=function())


def _width(module: Module, key: str) -> int:
    found = module.config.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise InputError(module.file, f"{key}: found {found!r}, expected a width of at least 1")
    return found
