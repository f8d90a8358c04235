"""Any model as its own folder describes it: length, default prompt and pooling come from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.load import (
    KNOWN_MODULES,
    EncoderSettings,
    ModelEncoder,
    is_static,
    load_encoder,
    read_config,
    unknown_modules,
)
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.encoders.tokenization import TOKENIZER_FILE

UNLIMITED = 1 << 20
"""The maximum length of a model that has none (a static one); no line that the readers accept has more tokens."""

SANE_LENGTH = 1_000_000
"""Tokenizers without a limit say 10**30."""


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say about a model; None leaves it to the model's own configuration.

    Attributes:
        model: a folder, ``package:NAME/FOLDER`` or a hub name.
        revision: of a hub name.
        prefix: put before every sentence; None: the model's default prompt, if it has one.
        max_length: tokens kept of a sentence; None: as many as the model says.
        pooling: ``auto`` is the model's own.
        dtype: of a transformer's weights.
        batch_tokens: tokens that go through the model at once.
        store: see `resolve_model`.
    """

    model: str
    revision: str | None = None
    prefix: str | None = None
    max_length: int | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_tokens: int = 16_384
    store: Path | None = None


def open_model(options: ModelOptions, root: Path) -> ModelEncoder:
    """Find and load a model.

    Args:
        options: which, and how it is used.
        root: what a folder's name is relative to.

    Raises:
        UserError: if it can't be found, loaded, or reproduced, or if ``max_length`` is more than it has positions for.
    """
    source = resolve_model("--model", options.model, options.revision, root, store=options.store)
    refuse_unknown_modules(source)
    static = is_static(source.path)
    length = own_length(source.path, static) if options.max_length is None else options.max_length
    if not static and (most := positions(source.path)) is not None and length > most:
        if options.max_length is not None:
            raise UserError(f"--max-length: found {length}, but {source.name} has positions for {most} tokens")
        length = most
    prefix = own_prompt(source.path) if options.prefix is None else options.prefix
    settings = EncoderSettings(options.pooling, prefix, length, options.dtype, options.batch_tokens)
    return load_encoder(source, settings)


def refuse_unknown_modules(source: ModelFolder) -> None:
    """Refuse a model with parts that we would leave out: its vectors would be other ones, silently.

    Raises:
        UserError: naming the part.
    """
    if unknown := unknown_modules(source.path):
        expected = ", ".join(sorted(KNOWN_MODULES))
        raise UserError(
            f"--model: {source.name} has a module {unknown[0]}, which is not supported; expected {expected}"
        )


def own_prompt(folder: Path) -> str:
    """The prompt that sentence-transformers would put before every sentence by default; empty if there is none.

    Raises:
        InputError: if the default names a prompt that isn't there.
    """
    path = folder / "config_sentence_transformers.json"
    config = read_config(path, {})
    name = config.get("default_prompt_name") if isinstance(config, dict) else None
    if name is None:
        return ""
    prompts = config.get("prompts") or {}
    if not isinstance(prompts.get(name), str):
        raise InputError(path, f"its default prompt {name!r} is not among its prompts ({', '.join(prompts) or 'none'})")
    return str(prompts[name])


def own_length(folder: Path, static: bool) -> int:
    """The tokens that a model's configuration keeps of a sentence, special tokens included."""
    if not static:
        for file, key in (
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
        ):
            found = read_config(folder / file, {}).get(key)
            if isinstance(found, int) and 0 < found < SANE_LENGTH:
                return found
        return positions(folder) or 512
    truncation = read_config(folder / TOKENIZER_FILE, {}).get("truncation") or {}
    return int(truncation.get("max_length", UNLIMITED))


def positions(folder: Path) -> int | None:
    """The most tokens that a transformer has positions for; None where its configuration sets no limit."""
    config = read_config(folder / "config.json", {})
    found = config.get("max_position_embeddings")
    if not isinstance(found, int) or found < 1:
        return None
    # RoBERTa's kind counts positions from the padding token's id on.
    offset = (config.get("pad_token_id") or 0) + 1 if "roberta" in str(config.get("model_type", "")) else 0
    return found - offset
