"""Models as folders in sentence-transformers' layout, with all their modules: ``SentenceTransformer(folder)`` loads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from pipeline.encoders.heads import Head
from pipeline.encoders.layout import FLAGS, POOLINGS
from pipeline.encoders.library import LibraryModel, save_library
from pipeline.encoders.model import SentenceModel, StaticModel, TransformerModel, pooled_width
from pipeline.encoders.pooling import modes
from pipeline.encoders.tokenization import SPECIAL_ROLES, TOKENIZER_FILE, TextTokenizer
from pipeline.ground.atomic import write_text

STATIC_WEIGHT = "embedding.weight"


def save_encoder(
    model: SentenceModel, tokenizer: TextTokenizer, folder: Path, prompts: Mapping[str, str] | None = None
) -> None:
    """Write a model in sentence-transformers' layout.

    Args:
        model: the trained model.
        tokenizer: the model's tokenizer; its prefix becomes the default prompt, its maximum length the truncation.
        folder: an existing, empty folder.
        prompts: other prompts of the model, by name; the prefix keeps its name if it is one of them.
    """
    named, default = _prompts(tokenizer.prefix, dict(prompts or {}))
    if isinstance(model, LibraryModel):
        save_library(model, named, default, folder)
        return
    tokenizer.backend.save(str(folder / TOKENIZER_FILE))
    if isinstance(model, StaticModel):
        _save_tensors(folder / "model.safetensors", {STATIC_WEIGHT: model.weight})
        modules = [("", "StaticEmbedding")]
    elif isinstance(model, TransformerModel):
        model.backbone.save_pretrained(folder)
        _save_tokenizer_config(tokenizer, folder)
        _write_json(folder / "sentence_bert_config.json", {"max_seq_length": tokenizer.max_length})
        _write_json(folder / "1_Pooling" / "config.json", _pooling_config(model))
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    else:
        raise TypeError(f"{type(model).__name__} has no layout to be saved in")
    modules += _save_head(model.head, len(modules), folder)
    layers = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(modules)
    ]
    _write_json(folder / "modules.json", layers)
    settings: dict[str, Any] = {"similarity_fn_name": "cosine"}
    if named:
        settings |= {"prompts": named, "default_prompt_name": default}
    if model.head.truncate_dim is not None:
        settings["truncate_dim"] = model.head.truncate_dim
    _write_json(folder / "config_sentence_transformers.json", settings)


def _prompts(prefix: str, prompts: dict[str, str]) -> tuple[dict[str, str], str | None]:
    """All prompts, and the name of the default one: the prefix."""
    if not prefix:
        return prompts, None
    name = next((name for name, text in prompts.items() if text == prefix), "default")
    return {**prompts, name: prefix}, name


def _save_head(head: Head, first: int, folder: Path) -> list[tuple[str, str]]:
    """Write what follows the pooling, Normalize last; returns the paths and kinds."""
    listed = []
    for number, module in enumerate(head.parts, first):
        path = f"{number}_{module.kind}"
        _write_json(folder / path / "config.json", module.config)
        if weights := module.state_dict():
            _save_tensors(folder / path / "model.safetensors", weights)
        listed.append((path, module.kind))
    last = f"{first + len(head.parts)}_Normalize"
    _write_json(folder / last / "config.json", {})
    return [*listed, (last, "Normalize")]


def _pooling_config(model: TransformerModel) -> dict[str, Any]:
    """A configuration for any version of sentence-transformers: joined vectors in its flags' order, or named in order."""
    names = {ours: theirs for theirs, ours in POOLINGS.items()}
    chosen = [names[mode] for mode in modes(model.pooling)]
    parts = len(chosen)
    config: dict[str, Any] = {"word_embedding_dimension": pooled_width(model.backbone, model.pooling) // parts}
    if chosen == [mode for mode in FLAGS.values() if mode in chosen]:
        flags = {flag: mode in chosen for flag, mode in FLAGS.items()}
        always = ("pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_lasttoken")
        config |= {flag: value for flag, value in flags.items() if value or flag in always}
    else:
        config["pooling_mode"] = chosen
    if model.skip is not None:
        config["include_prompt"] = False
    return config


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


def _save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    whole = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={"format": "pt"})


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
