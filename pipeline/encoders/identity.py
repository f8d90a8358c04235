"""What a model's vectors depend on besides the text, as far as it can be told without loading the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pipeline.encoders.base import ENCODER_VERSION
from pipeline.encoders.layout import ModelLayout, read_layout
from pipeline.encoders.resolve import ModelFolder
from pipeline.encoders.tokenization import load_tokenizer

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Files of which Linux has at least one where torch can find a GPU: NVIDIA's driver, AMD's, and Windows' beneath it."""


@dataclass(frozen=True)
class EncoderSettings:
    """How a model's folder is used."""

    # ``auto`` reads the folder's own configuration, and is ``mean`` without one
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str = ""  # put before every sentence
    max_length: int = 128  # tokens kept of a sentence
    dtype: str = "float32"  # precision of a transformer's weights and activations
    batch_tokens: int = 4096  # tokens that go through the model at once


def told_identity(
    source: ModelFolder, settings: EncoderSettings, tokenizer: str, device: str, versions: Mapping[str, str | None]
) -> dict[str, Any]:
    """All of an encoder's identity but its dimension.

    All that changes a vector by more than rounding. Of the libraries those that compute: torch (kernels) and transformers
    (the models' code); that of tokenizers is in the tokenizer's content. Not the processor, the number of threads or the
    batch: on another machine a vector may differ in float16's last bit, and that a store can be shared is worth more.

    Args:
        source: the model's folder.
        settings: how it is used.
        tokenizer: the tokenizer's content hash.
        device: the kind of device that computes (``cpu``).
        versions: the version of each package of `computing`.
    """
    layout = read_layout(source.path)
    pooling = layout.pooling if settings.pooling == "auto" else settings.pooling
    return {
        "encoder": ENCODER_VERSION,
        "model": source.name,
        "revision": source.revision,
        "content": source.content,
        "tokenizer": tokenizer,
        "pooling": "static" if layout.static else "sentence-transformers" if layout.library else pooling,
        "modules": [module.kind for module in layout.modules],
        "include_prompt": layout.include_prompt,
        "truncate_dim": layout.truncate_dim,
        "prefix": settings.prefix,
        "max_length": settings.max_length,
        "dtype": "float32" if layout.static else settings.dtype,
        "normalised": True,
        "device": device,
        **versions,
        **({"transformers": None} if layout.static else {}),
    }


def computing(layout: ModelLayout) -> tuple[str, ...]:
    """The packages that compute a model, as they are imported."""
    if layout.static:
        return ("torch",)
    return ("torch", "transformers", *(("sentence_transformers",) if layout.library else ()))


def identity_without_loading(source: ModelFolder, settings: EncoderSettings) -> dict[str, Any] | None:
    """`told_identity` of a model as `pipeline.encoders.load.load_encoder` would load it here; None if that can't be told.

    Importing torch takes seconds, and transformers as much again. It can't be told where there may be a GPU, which only
    torch knows.
    """
    if not sys.platform.startswith("linux") or any(Path(driver).exists() for driver in GPU_DRIVERS):
        return None
    try:
        versions = {name: version(name) for name in computing(read_layout(source.path))}
    except PackageNotFoundError:
        return None
    tokenizer = load_tokenizer(source.path, settings.prefix, settings.max_length)
    return told_identity(source, settings, tokenizer.content, "cpu", versions)
