"""What is exported: a folder in sentence-transformers' layout, opened and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.console.errors import InputError
from pipeline.encoders.described import own_length, own_prompt, positions, refuse_unknown_modules
from pipeline.encoders.load import EncoderSettings, ModelEncoder, is_static, load_encoder
from pipeline.encoders.resolve import ModelFolder, resolve_model

COPIED = ("*.json", "*.safetensors", "*.txt", "*.model", "*/*.json", "*/*.safetensors")
"""The files of a model that are copied: configuration, weights, tokenizer; nothing else that lies beside them."""


@dataclass(frozen=True)
class Source:
    """A model to export.

    Attributes:
        folder: where it is.
        encoder: the model, in float32 on the CPU.
        static: whether it is a static one (sentence-transformers' StaticEmbedding).
    """

    folder: ModelFolder
    encoder: ModelEncoder
    static: bool

    @property
    def max_length(self) -> int:
        """Tokens kept of a sentence."""
        return self.encoder.tokenizer.max_length

    @property
    def files(self) -> list[Path]:
        """Its files, relative to the folder, sorted."""
        root = self.folder.path
        found = {path for pattern in COPIED for path in root.glob(pattern) if path.is_file()}
        return sorted(path.relative_to(root) for path in found if not path.name.startswith("."))


def open_source(path: Path) -> Source:
    """Open a model's folder for export.

    Raises:
        UserError: if there is no such folder, or it isn't an encoder in sentence-transformers' layout.
    """
    if not path.is_dir():
        raise InputError(path, "no such folder; expected a model that stage train wrote (`--model`)")
    if not (path / "modules.json").is_file():
        raise InputError(path, "no encoder's folder: it has no modules.json; expected sentence-transformers' layout")
    folder = resolve_model("--model", str(path.resolve()), None, Path())
    refuse_unknown_modules(folder)
    static = is_static(path)
    length = own_length(path, static)
    if not static:
        length = min(length, positions(path) or length)
    settings = EncoderSettings("auto", own_prompt(path), length)
    return Source(folder, load_encoder(folder, settings, torch.device("cpu")), static)
