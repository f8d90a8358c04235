"""Any model as its own folder describes it: length, default prompt and pooling come from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.console.errors import UserError
from pipeline.encoders.layout import ModelLayout, read_config, read_layout
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import resolve_model

UNLIMITED = 1 << 20
"""The maximum length of a model that has none (a static one); no line that the readers accept has more tokens."""

DEFAULT_LENGTH = 512
"""The maximum length of a transformer that has none and doesn't count positions."""


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say about a model; None leaves it to the model's own configuration.

    Attributes:
        model: a folder, ``package:NAME/FOLDER`` or a hub name.
        revision: of a hub name.
        prefix: put before every sentence; None: the prompt of ``prompt_name``.
        prompt_name: one of the model's own prompts; None: its default prompt, if it has one.
        max_length: tokens kept of a sentence; None: as many as the model says.
        pooling: ``auto`` is the model's own.
        dtype: of a transformer's weights.
        batch_tokens: tokens that go through the model at once.
        store: see `resolve_model`.
        key: what names the model, for messages.
    """

    model: str
    revision: str | None = None
    prefix: str | None = None
    max_length: int | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_tokens: int = 16_384
    prompt_name: str | None = None
    store: Path | None = None
    key: str = "--model"


def open_model(options: ModelOptions, root: Path) -> ModelEncoder:
    """Find and load a model.

    Args:
        options: which, and how it is used.
        root: what a folder's name is relative to.

    Raises:
        UserError: if it can't be found, loaded, or reproduced, or if ``max_length`` is more than it has positions for.
    """
    source = resolve_model(options.key, options.model, options.revision, root, store=options.store)
    layout = read_layout(source.path)
    length = own_length(source.path, layout.static) if options.max_length is None else options.max_length
    if not layout.static and (most := positions(source.path)) is not None and length > most:
        if options.max_length is not None:
            raise UserError(f"--max-length: found {length}, but {source.name} has positions for {most} tokens")
        length = most
    prefix = own_prefix(layout, options.prefix, options.prompt_name, "--prompt-name")
    settings = EncoderSettings(options.pooling, prefix, length, options.dtype, options.batch_tokens)
    return load_encoder(source, settings)


def own_prefix(layout: ModelLayout, prefix: str | None, prompt_name: str | None, key: str) -> str:
    """What is put before every sentence: what was said, else the prompt of a name, else the model's default one.

    Args:
        layout: the model's.
        prefix: as said; None: nothing was.
        prompt_name: as said; None: nothing was.
        key: what said the name, for messages.

    Raises:
        UserError: if both are said, or the model has no such prompt.
    """
    if prefix is not None and prompt_name is not None:
        raise UserError(f"{key}: found {prompt_name!r} and the prefix {prefix!r}; expected one of the two")
    return layout.prompt(prompt_name, key) if prefix is None else prefix


def own_prompt(folder: Path) -> str:
    """The prompt that sentence-transformers would put before every sentence by default; empty if there is none.

    Raises:
        InputError: if the default names a prompt that isn't there.
    """
    return read_layout(folder).prompt(None, "")


def own_length(folder: Path, static: bool) -> int:
    """The tokens that a model's configuration keeps of a sentence, special tokens included."""
    found = read_layout(folder).max_length
    if found is not None:
        return found
    return UNLIMITED if static else positions(folder) or DEFAULT_LENGTH


def positions(folder: Path) -> int | None:
    """The most tokens that a transformer has positions for; None where its configuration sets no limit."""
    inputs = read_layout(folder).inputs
    config = read_config(inputs.folder / "config.json", {}) if inputs.kind == "Transformer" else {}
    config = config.get("text_config") or config
    found = config.get("max_position_embeddings")
    if not isinstance(found, int) or found < 1:
        return None
    # RoBERTa's kind counts positions from the padding token's id on.
    offset = (config.get("pad_token_id") or 0) + 1 if "roberta" in str(config.get("model_type", "")) else 0
    return found - offset
