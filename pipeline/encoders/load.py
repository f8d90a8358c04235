"""Encoders from folders in sentence-transformers' layout (or plain Hugging Face folders), and back into them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.base import ENCODER_VERSION
from pipeline.encoders.model import (
    SentenceModel,
    StaticModel,
    TransformerModel,
    embed,
)
from pipeline.encoders.pooling import Pooling
from pipeline.encoders.resolve import ModelFolder
from pipeline.encoders.tokenization import SPECIAL_ROLES, TOKENIZER_FILE, TextTokenizer, load_tokenizer
from pipeline.ground.atomic import write_text

STATIC_WEIGHT = "embedding.weight"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize", "StaticEmbedding"})
"""The parts of a sentence-transformers model that are reproduced; Normalize always is."""
LOAD_ERRORS = (
    *(OSError, ValueError, RuntimeError, LookupError, ImportError, SafetensorError),
    # what a library does when a configuration has the wrong type, or asks for 10 TB, somewhere deep inside
    *(TypeError, AttributeError, ArithmeticError, AssertionError, MemoryError, NotImplementedError),
)


@dataclass(frozen=True)
class ModelEncoder:
    """A sentence model with its tokenizer: the `Encoder` that everything uses.

    Attributes:
        model: the torch module, in evaluation mode on its device.
        tokenizer: with prefix and maximum length.
        identity: everything that a vector depends on besides the text.
        batch_tokens: tokens that go through the model at once.
        advance: called with the tokens done after every batch.
    """

    model: SentenceModel
    tokenizer: TextTokenizer
    identity: dict[str, Any]
    batch_tokens: int = 4096
    advance: Callable[[int], None] = field(default=lambda _: None)

    @property
    def dimension(self) -> int:
        """See `Encoder.dimension`."""
        return self.model.dimension

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """See `Encoder.tokenize`."""
        return self.tokenizer(texts)

    def encode_tokens(self, batch: TokenBatch) -> NDArray[np.float32]:
        """See `Encoder.encode_tokens`; holds the result and one batch of activations.

        Raises:
            UserError: if the model gives vectors that are not finite, or has no vector for a token or a position.
        """
        if len(batch.tokens) and not 0 <= batch.tokens.min() <= batch.tokens.max() < self.model.vocabulary:
            raise UserError(
                f"{self.identity['model']}: its tokenizer gives token {batch.tokens.max()}, but it has vectors for only "
                f"{self.model.vocabulary:,}; tokenizer and weights don't belong together"
            )
        longest, positions = int(batch.lengths.max(initial=0)), self.model.positions
        if positions is not None and longest > positions:
            raise UserError(
                f"{self.identity['model']}: a sentence of {longest} tokens, but it has only {positions} positions; lower "
                f"max_length to {positions}"
            )
        vectors = embed(self.model, batch, self.batch_tokens, self.advance)
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise UserError(f"{self.identity['model']}: sentence {row} of a batch got a vector that is not finite")
        return vectors


@dataclass(frozen=True)
class EncoderSettings:
    """How a model's folder is used.

    Attributes:
        pooling: ``auto`` reads the folder's own configuration, and is ``mean`` without one.
        prefix: put before every sentence.
        max_length: tokens kept of a sentence.
        dtype: precision of a transformer's weights and activations.
        batch_tokens: tokens that go through the model at once.
    """

    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str = ""
    max_length: int = 128
    dtype: str = "float32"
    batch_tokens: int = 4096


def default_device() -> torch.device:
    """A CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def is_static(folder: Path) -> bool:
    """Whether a folder holds a static encoder (sentence-transformers' StaticEmbedding)."""
    kinds = _module_kinds(folder)
    return bool(kinds) and kinds[0] == "StaticEmbedding"


def _module_kinds(folder: Path) -> list[str]:
    """The classes that modules.json names, without their packages; none without the file.

    Raises:
        InputError: if it is not a list of objects.
    """
    modules = read_config(folder / "modules.json", [])
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise InputError(folder / "modules.json", "expected a list of objects, as sentence-transformers writes it")
    return [str(module.get("type", "")).rpartition(".")[2] for module in modules]


def configured_pooling(folder: Path) -> Pooling:
    """The pooling that a folder's sentence-transformers configuration asks for; ``mean`` without one.

    Raises:
        InputError: if it asks for one that we do not have.
    """
    config = read_config(folder / "1_Pooling" / "config.json", {})
    if not isinstance(config, dict):
        raise InputError(folder / "1_Pooling" / "config.json", "expected an object, as sentence-transformers writes it")
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if "pooling_mode" in config:
        chosen = [f"pooling_mode_{config['pooling_mode']}"]
    names: dict[str, Pooling] = {
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_cls_token": "cls",
        "pooling_mode_lasttoken": "last",
        "pooling_mode_mean": "mean",
        "pooling_mode_cls": "cls",
        "pooling_mode_last": "last",
    }
    if not chosen:
        return "mean"
    if len(chosen) > 1 or chosen[0] not in names:
        expected = "one of mean, cls, last token"
        raise InputError(folder / "1_Pooling" / "config.json", f"asks for pooling {chosen}; expected {expected}")
    return names[chosen[0]]


def load_encoder(source: ModelFolder, settings: EncoderSettings, device: torch.device | None = None) -> ModelEncoder:
    """Load a teacher, student or peer for embedding.

    Args:
        source: the resolved folder.
        settings: pooling, prefix, length, precision.
        device: where to; `default_device` if None.

    Raises:
        InputError: if the folder can't be loaded; one line that says why.
    """
    device = device or default_device()
    static = is_static(source.path)
    tokenizer = load_tokenizer(source.path, settings.prefix, settings.max_length, special_tokens=not static)
    model = load_static(source.path) if static else load_transformer(source.path, settings)
    model.eval().to(device)
    # All that changes a vector by more than rounding. Of the libraries those that compute: torch (kernels) and transformers
    # (the models' code); that of tokenizers is in the tokenizer's content. Not the processor, the number of threads or the
    # batch: on another machine a vector may differ in float16's last bit, and that a store can be shared is worth more.
    identity = {
        "encoder": ENCODER_VERSION,
        "model": source.name,
        "revision": source.revision,
        "content": source.content,
        "tokenizer": tokenizer.content,
        "pooling": "static" if static else getattr(model, "pooling", "mean"),
        "prefix": settings.prefix,
        "max_length": settings.max_length,
        "dtype": "float32" if static else settings.dtype,
        "normalised": True,
        "dimension": model.dimension,
        "device": device.type,
        "torch": torch.__version__,
        "transformers": None if static else _transformers_version(),
    }
    return ModelEncoder(model, tokenizer, identity, settings.batch_tokens)


def load_static(folder: Path) -> StaticModel:
    """The token vectors of a static encoder.

    Raises:
        InputError: if they are missing or of another shape than [vocabulary, d].
    """
    file = folder / "model.safetensors"
    try:
        weight = load_file(file)[STATIC_WEIGHT].float()
    except LOAD_ERRORS as error:
        raise InputError(file, f"no static encoder's weights ({error}); expected a tensor {STATIC_WEIGHT!r}") from None
    if weight.ndim != 2:
        raise InputError(file, f"{STATIC_WEIGHT} has shape {tuple(weight.shape)}, expected [vocabulary, dimension]")
    if weight.numel() == 0 or not torch.isfinite(weight).all():
        found = "a NaN or an infinity" if weight.numel() else f"shape {tuple(weight.shape)}"
        raise InputError(file, f"{STATIC_WEIGHT} has {found}; expected finite token vectors")
    return StaticModel(weight)


def load_transformer(folder: Path, settings: EncoderSettings) -> TransformerModel:
    """A transformer encoder from a folder of safetensors.

    Raises:
        InputError: if transformers can't load it, or it has layers besides Transformer, Pooling and Normalize.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModel  # costs seconds: only where a transformer is used
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    _refuse_other_layers(folder)
    pooling = configured_pooling(folder) if settings.pooling == "auto" else settings.pooling
    try:
        backbone, info = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=DTYPES[settings.dtype],
            output_loading_info=True,
        )
    except (*LOAD_ERRORS, StrictDataclassError) as error:
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(folder, f"can't be loaded as a transformer ({why})") from None
    # The pooler is not used, and the library fills what lacks with random numbers.
    if lacking := sorted(name for name in info["missing_keys"] if "pooler" not in name.split(".")):
        problem = f"its weights lack {lacking[0]} and {len(lacking) - 1} more; expected those of its config.json"
        raise InputError(folder, problem)
    if hasattr(backbone, "get_encoder") and backbone.config.is_encoder_decoder:
        backbone = backbone.get_encoder()
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None  # never used here; where the folder has none, its weights would be random
    return TransformerModel(backbone, pooling, pad=getattr(backbone.config, "pad_token_id", None) or 0)


def _refuse_other_layers(folder: Path) -> None:
    """Layers behind the pooling that we do not compute (LaBSE's Dense) would be left out silently: wrong vectors."""
    if unknown := unknown_modules(folder):
        problem = f"has a layer {unknown[0]!r}; expected only Transformer, Pooling and Normalize"
        raise InputError(folder / "modules.json", problem)


def unknown_modules(folder: Path) -> list[str]:
    """The kinds of a sentence-transformers model's modules that `load_encoder` doesn't reproduce."""
    return [kind for kind in _module_kinds(folder) if kind not in KNOWN_MODULES]


def save_encoder(model: SentenceModel, tokenizer: TextTokenizer, folder: Path) -> None:
    """Write a model in sentence-transformers' layout, so that ``SentenceTransformer(folder)`` loads it.

    Args:
        model: the trained model.
        tokenizer: its tokenizer; its prefix becomes the default prompt, its maximum length the tokenizer's truncation.
        folder: an existing, empty folder.
    """
    tokenizer.backend.save(str(folder / TOKENIZER_FILE))
    modules = [("", "StaticEmbedding"), ("1_Normalize", "Normalize")]
    if isinstance(model, StaticModel):
        weight = model.weight.detach().float().cpu().contiguous()
        save_file({STATIC_WEIGHT: weight}, folder / "model.safetensors", metadata={"format": "pt"})
    elif isinstance(model, TransformerModel):
        model.backbone.save_pretrained(folder)
        _save_tokenizer_config(tokenizer, folder)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        _write_json(folder / "sentence_bert_config.json", {"max_seq_length": tokenizer.max_length})
        _write_json(
            folder / "1_Pooling" / "config.json",
            {
                "word_embedding_dimension": model.dimension,
                "pooling_mode_cls_token": model.pooling == "cls",
                "pooling_mode_mean_tokens": model.pooling == "mean",
                "pooling_mode_lasttoken": model.pooling == "last",
            },
        )
    layers = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(modules)
    ]
    (folder / modules[-1][0]).mkdir(exist_ok=True)
    _write_json(folder / modules[-1][0] / "config.json", {})
    _write_json(folder / "modules.json", layers)
    prompts = {"prompts": {"default": tokenizer.prefix}, "default_prompt_name": "default"} if tokenizer.prefix else {}
    _write_json(folder / "config_sentence_transformers.json", {**prompts, "similarity_fn_name": "cosine"})


def _save_tokenizer_config(tokenizer: TextTokenizer, folder: Path) -> None:
    known = {
        name: token
        for name, options in SPECIAL_ROLES.items()
        for token in options
        if tokenizer.backend.token_to_id(token) is not None
    }
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": tokenizer.max_length, **known},
    )


def read_config(path: Path, default: Any) -> Any:
    """A JSON file of a model's folder, or a default where there is none.

    Raises:
        InputError: if it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"not JSON ({error})") from None


def _write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _transformers_version() -> str:
    import transformers

    return str(transformers.__version__)
