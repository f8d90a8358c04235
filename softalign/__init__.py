"""softalign from Python: the names that users need, imported when they are asked for.

>>> import softalign
>>> encoder = softalign.load_encoder("models/student")  # doctest: +SKIP
>>> pairs = softalign.mine(encoder.encode(english), encoder.encode(french))  # doctest: +SKIP
>>> pairs.row_a, pairs.row_b, pairs.score  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pipeline import __version__

if TYPE_CHECKING:
    from pipeline.config.params import Params, load_params
    from softalign.library import load_encoder, mine, neighborhoods, score, train

__all__ = ["Params", "__version__", "load_encoder", "load_params", "mine", "neighborhoods", "score", "train"]

_HOMES = {
    "Params": "pipeline.config.params",
    "load_params": "pipeline.config.params",
    "load_encoder": "softalign.library",
    "mine": "softalign.library",
    "neighborhoods": "softalign.library",
    "score": "softalign.library",
    "train": "softalign.library",
}
"""Where each name is defined: its module is imported when the name is first used; `softalign --help` needs no torch."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'softalign' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
