"""What is exported: a folder in sentence-transformers' layout, opened and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.console.errors import InputError
from pipeline.encoders.layout import ModelLayout, read_layout
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import WANTED_FILES, ModelFolder, resolve_model
from pipeline.encoders.tokenization import TOKENIZER_FILE


@dataclass(frozen=True)
class ExportSource:
    """A model to export."""

    folder: ModelFolder  # where it is
    encoder: ModelEncoder  # the model, in float32 on the CPU
    layout: ModelLayout  # what its folder says of it

    @property
    def static(self) -> bool:
        """Whether it is a static one (sentence-transformers' StaticEmbedding)."""
        return self.layout.static

    @property
    def plain_tokenizer(self) -> bool:
        """Whether the tokenizer of its root is all that makes tokens of text, and not some other file or key."""
        root = self.layout.inputs.folder.resolve() == self.folder.path.resolve()
        return root and (self.folder.path / TOKENIZER_FILE).is_file() and not self.layout.lower_case

    @property
    def max_length(self) -> int:
        """Tokens kept of a sentence."""
        return self.encoder.tokenizer.max_length

    @property
    def files(self) -> list[Path]:
        """Its configuration, weights and tokenizer, relative to the folder, sorted; nothing else that lies beside them."""
        root = self.folder.path
        found = {path for pattern in WANTED_FILES for path in root.glob(pattern) if path.is_file()}
        return sorted(path.relative_to(root) for path in found if not path.name.startswith("."))


def open_source(path: Path) -> ExportSource:
    """Open a model's folder for export.

    Raises:
        UserError: if there is no such folder, or it isn't an encoder in sentence-transformers' layout.
    """
    if not path.is_dir():
        raise InputError(path, "no such folder; expected a model that stage train wrote (`--model`)")
    if not (path / "modules.json").is_file():
        raise InputError(path, "no encoder's folder: it has no modules.json; expected sentence-transformers' layout")
    folder = resolve_model("--model", str(path.resolve()), None, Path())
    layout = read_layout(path)
    length = layout.length if layout.static else min(layout.length, layout.positions or layout.length)
    settings = EncoderSettings("auto", layout.prompt(None, "--model"), length)
    return ExportSource(folder, load_encoder(folder, settings, torch.device("cpu")), layout)
