"""Any model as its own folder describes it: length, default prompt and pooling come from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.console.errors import UserError
from pipeline.encoders.layout import read_layout
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import resolve_model


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say about a model; None leaves it to the model's own configuration."""

    model: str  # a folder, ``package:NAME/FOLDER`` or a hub name
    revision: str | None = None  # the revision of a hub name
    prefix: str | None = None  # put before every sentence; None: the prompt of ``prompt_name``
    max_length: int | None = None  # tokens kept of a sentence; None: as many as the model says
    # how token vectors become one; ``auto`` is the model's own way
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # the precision of a transformer's weights
    batch_tokens: int = 16_384  # tokens that go through the model at once
    prompt_name: str | None = None  # one of the model's own prompts; None: its default prompt, if it has one
    store: Path | None = None  # the store's folder, where a package's model is kept; None: the user's cache folder


def open_model(options: ModelOptions, root: Path) -> ModelEncoder:
    """Find and load a model; a folder's name is relative to ``root``.

    Raises:
        UserError: if it can't be found, loaded, or reproduced, or if ``max_length`` is more than it has positions for.
    """
    source = resolve_model("--model", options.model, options.revision, root, store=options.store)
    layout = read_layout(source.path)
    length = layout.length if options.max_length is None else options.max_length
    if not layout.static and (most := layout.positions) is not None and length > most:
        if options.max_length is not None:
            raise UserError(f"--max-length: found {length}, but {source.name} has positions for {most} tokens")
        length = most
    prefix = layout.prompt(options.prompt_name, "--prompt-name", options.prefix)
    settings = EncoderSettings(options.pooling, prefix, length, options.dtype, options.batch_tokens)
    return load_encoder(source, settings)
