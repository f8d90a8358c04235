"""Small texts and models that tests make for themselves; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.encoders.tokenization import train_tokenizer

WORDS = ("river", "stone", "quick", "lamp", "tree", "cold", "seven", "paper", "glass", "wind", "moon", "slow")


def sentence(number: int) -> str:
    """A sentence made of words, different for every number below 12 ** 4."""
    return " ".join(WORDS[(number // 12**place) % 12] for place in range(4))


def make_transformer(folder: Path, kind: str = "bert", prompts: bool = False) -> Path:
    """A tiny transformer of a real architecture, with tokenizer and sentence-transformers layout.

    Args:
        folder: where to.
        kind: ``bert`` or ``xlm-roberta`` (mE5's architecture).
        prompts: whether it declares the query prefix that mE5 wants.
    """
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(5)
    tokenizer = train_tokenizer(iter([sentence(number) for number in range(0, 4000, 7)] + ["вода 水 물"]), 400)
    shape = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 80,
    }
    if kind == "bert":
        model = BertModel(BertConfig(**shape, pad_token_id=0), add_pooling_layer=False)
    else:
        model = XLMRobertaModel(XLMRobertaConfig(**shape, pad_token_id=0), add_pooling_layer=False)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names})
    )
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
        for index, (path, name) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    )
    if prompts:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "query: "}}))
    return folder
