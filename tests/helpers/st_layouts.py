"""Small models in every layout that people's models have, written by sentence-transformers, model2vec's rules or hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from small import WORDS, make_transformer, sentence
from tokenizers import Tokenizer, processors
from torch import nn

TEXTS = [
    *(" ".join(sentence(number).split()[: number % 5]) for number in range(1, 40, 3)),
    "River STONE Вода 水",
    " ".join(WORDS) * 3,
]
"""Some short, one in capitals, one that is cut."""

MAX_LENGTH = 24


def library_vectors(folder: Path, **options: Any) -> NDArray[np.float32]:
    """What sentence-transformers makes of `TEXTS`, normalised [n, d]."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    found: NDArray[np.float32] = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False, **options)
    return found


def write_json(path: Path, value: Any) -> None:
    """Write one configuration."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(value))


def change(path: Path, **values: Any) -> None:
    """Change keys of a configuration."""
    write_json(path, {**(json.loads(path.read_text()) if path.exists() else {}), **values})


def build(folder: Path, name: str) -> Path:
    """Make the model of a layout in a folder, which may lie in one of other models."""
    torch.manual_seed(11)
    LAYOUTS[name](folder)
    return folder


def _saved(folder: Path, *modules: nn.Module, **options: Any) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(modules=list(modules), device="cpu", **options)
    model.save(str(folder), create_model_card=False)


def _telling(folder: Path) -> Path:
    """Larger weights: with fresh ones, the first token's vector is the same for all texts to 1e-5, and proves nothing."""
    file = folder / "model.safetensors"
    weights = {name: value * (10 if value.ndim == 2 else 1) for name, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    return folder


def _bert(folder: Path, **options: Any) -> nn.Module:
    from sentence_transformers.sentence_transformer.modules import Transformer

    source = _telling(make_transformer(folder.parent / f".{folder.name}-bert"))
    return Transformer(str(source), max_seq_length=MAX_LENGTH, **options)


def _pooling(mode: str | tuple[str, ...], **options: Any) -> nn.Module:
    from sentence_transformers.sentence_transformer.modules import Pooling

    return Pooling(32, mode, **options)


def _dense(given: int, out: int, activation: nn.Module, **options: Any) -> nn.Module:
    from sentence_transformers.sentence_transformer.modules import Dense

    return Dense(given, out, activation_function=activation, **options)


def _normalize() -> nn.Module:
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize()


def _pooled(mode: str | tuple[str, ...]) -> Callable[[Path], None]:
    return lambda folder: _saved(folder, _bert(folder), _pooling(mode))


def _labse(folder: Path) -> None:
    _saved(folder, _bert(folder), _pooling("cls"), _dense(32, 32, nn.Tanh()), _normalize())


def _distiluse(folder: Path) -> None:
    """Unnormalised, in the layout of version 2: everything in sub-folders, flags for the pooling."""
    _saved(folder, _bert(folder), _pooling("mean"), _dense(32, 20, nn.Tanh()))
    _into(folder, "0_Transformer")
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = f"sentence_transformers.models.{module['type'].rpartition('.')[2]}"
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True})
    dense = {"in_features": 32, "out_features": 20, "bias": True}
    write_json(folder / "2_Dense" / "config.json", {**dense, "activation_function": "torch.nn.modules.activation.Tanh"})
    write_json(
        folder / "0_Transformer" / "sentence_bert_config.json", {"max_seq_length": MAX_LENGTH, "do_lower_case": False}
    )


def _gemma(folder: Path) -> None:
    """EmbeddingGemma's: two dense layers without activation, prompts, and cut vectors."""
    first, second = (_dense(given, out, nn.Identity(), bias=False) for given, out in ((32, 48), (48, 32)))
    prompts = {"query": "task: river | query: ", "document": "title: none | text: "}
    _saved(
        folder,
        _bert(folder),
        _pooling("mean"),
        first,
        second,
        _normalize(),
        prompts=prompts,
        default_prompt_name="document",
        truncate_dim=16,
    )


def _instructor(folder: Path) -> None:
    prompts = {"query": "river stone: "}
    pooling = _pooling("mean", include_prompt=False)
    _saved(folder, _bert(folder), pooling, prompts=prompts, default_prompt_name="query")


def _instructor_modes(folder: Path) -> None:
    pooling = _pooling(("weightedmean", "cls", "max", "lasttoken"), include_prompt=False)
    _saved(folder, _bert(folder), pooling, prompts={"query": "river stone: "}, default_prompt_name="query")


def _lower(folder: Path) -> None:
    _pooled("mean")(folder)
    _cased(folder / "tokenizer.json")
    change(folder / "sentence_bert_config.json", do_lower_case=True, max_seq_length=MAX_LENGTH)


def _cased(path: Path) -> None:
    """Take the lower-casing out of a tokenizer: capitals are unknown then."""
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"] = None
    write_json(path, tokenizer)


def _elsewhere(folder: Path) -> None:
    """The pooling is where its path says, and it isn't the mean."""
    _pooled("cls")(folder)
    shutil.move(folder / "1_Pooling", folder / "how" / "pooled")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "how/pooled"
    write_json(folder / "modules.json", modules)


def _layer_norm(folder: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    norm = LayerNorm(32)
    with torch.no_grad():
        norm.norm.weight.uniform_(0.5, 2)
        norm.norm.bias.uniform_(-1, 1)
    _saved(folder, _bert(folder), _pooling("mean"), _normalize(), norm, Dropout(0.1), _dense(32, 24, nn.GELU()))


def _decoder(folder: Path) -> None:
    """Qwen3-Embedding's: the last token of a decoder, the end of text appended by the tokenizer, padding on the left."""
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import Qwen3Config, Qwen3Model

    source = folder.parent / f".{folder.name}-qwen"
    make_transformer(source)
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(), intermediate_size=48, max_position_embeddings=80, pad_token_id=0, **shape
    )
    Qwen3Model(config).save_pretrained(source)
    _telling(source)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", special_tokens=[("[SEP]", tokenizer.token_to_id("[SEP]"))]
    )
    tokenizer.save(str(source / "tokenizer.json"))
    change(source / "tokenizer_config.json", **{"padding_side": "left", "eos_token": "[SEP]", "cls_token": None})
    prompts = {"query": "Instruct: river\nQuery:", "document": ""}
    transformer = Transformer(str(source), max_seq_length=MAX_LENGTH)
    _saved(folder, transformer, _pooling("lasttoken"), _normalize(), prompts=prompts)


def _decoder_alone(folder: Path) -> None:
    """A causal decoder without modules.json: sentence-transformers takes the last token then."""
    _decoder(folder)
    (folder / "modules.json").unlink()
    shutil.rmtree(folder / "1_Pooling")
    (folder / "config_sentence_transformers.json").unlink()
    change(folder / "config.json", architectures=["Qwen3ForCausalLM"])


def _static(*modules: nn.Module, **options: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        source = make_transformer(folder.parent / f".{folder.name}-static")
        tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
        _saved(folder, StaticEmbedding(tokenizer, embedding_dim=24), *modules, **options)

    return make


def _static_inside(folder: Path) -> None:
    _static(truncate_dim=12)(folder)
    _into(folder, "0_StaticEmbedding")


def _static_dense(folder: Path) -> None:
    _static(_dense(24, 16, nn.Tanh()))(folder)


def _model2vec(folder: Path) -> None:
    """As model2vec writes it: its tensor's name, its config.json, its older path of the root."""
    _static()(folder)
    weight = load_file(folder / "model.safetensors")["embedding.weight"]
    save_file({"embeddings": weight}, folder / "model.safetensors")
    about = {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True, "apply_pca": 256}
    write_json(folder / "config.json", {**about, "apply_zipf": True, "hidden_dim": 24, "seq_length": 1000000})
    kinds = ((".", "StaticEmbedding"), ("1_Normalize", "Normalize"))
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)


def _model2vec_quantised(folder: Path) -> None:
    """Fewer rows than tokens, with the row and the weight of each token."""
    _model2vec(folder)
    weight = load_file(folder / "model.safetensors")["embeddings"]
    generator = torch.Generator().manual_seed(2)
    mapping = torch.randint(0, 40, (len(weight),), generator=generator)
    weights = torch.rand(len(weight), generator=generator, dtype=torch.float64)
    save_file(
        {"embeddings": weight[:40].half().contiguous(), "mapping": mapping, "weights": weights},
        folder / "model.safetensors",
    )


def _word_embeddings(folder: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import WordEmbeddings
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    tokenizer = WhitespaceTokenizer(vocab=[*WORDS, "вода"], stop_words=set(), do_lower_case=True)
    _saved(
        folder, WordEmbeddings(tokenizer, torch.randn(len(WORDS) + 1, 32).numpy(), max_seq_length=16), _pooling("mean")
    )


def _convolution(folder: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import CNN, Pooling

    cnn = CNN(32, out_channels=8, kernel_sizes=[1, 3])
    _saved(folder, _bert(folder), cnn, Pooling(cnn.get_embedding_dimension(), "mean"))


def _residual(folder: Path) -> None:
    _saved(folder, _bert(folder), _pooling("mean"), _dense(32, 32, nn.Tanh(), use_residual=True))


def _odd_activation(folder: Path) -> None:
    _saved(folder, _bert(folder), _pooling("mean"), _dense(32, 24, nn.Hardswish()))


def _library_prompt(folder: Path) -> None:
    """Another module, and a prompt that isn't pooled."""
    pooling = _pooling("mean", include_prompt=False)
    dense = _dense(32, 32, nn.Tanh(), use_residual=True)
    _saved(folder, _bert(folder), pooling, dense, prompts={"query": "river stone: "}, default_prompt_name="query")


def _into(folder: Path, name: str) -> None:
    """Move the first module's files from the root into a folder of its own."""
    inner = folder / name
    inner.mkdir()
    ours = {"modules.json", "config_sentence_transformers.json", "README.md"}
    for path in [path for path in folder.iterdir() if path.is_file() and path.name not in ours]:
        shutil.move(path, inner / path.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = name
    write_json(folder / "modules.json", modules)


OWN: Mapping[str, Callable[[Path], None]] = {
    "cls": _pooled("cls"),
    "max": _pooled("max"),
    "mean-sqrt-len": _pooled("mean_sqrt_len_tokens"),
    "weighted-mean": _pooled("weightedmean"),
    "last-token": _pooled("lasttoken"),
    "two-poolings": _pooled(("cls", "mean")),
    "poolings-in-another-order": _pooled(("mean_sqrt_len_tokens", "max", "cls")),
    "labse": _labse,
    "distiluse": _distiluse,
    "embedding-gemma": _gemma,
    "instructor": _instructor,
    "instructor-other-poolings": _instructor_modes,
    "lower-case": _lower,
    "pooling-elsewhere": _elsewhere,
    "layer-norm": _layer_norm,
    "qwen3-embedding": _decoder,
    "decoder-alone": _decoder_alone,
    "static": _static(),
    "static-inside": _static_inside,
    "static-dense": _static_dense,
    "model2vec": _model2vec,
    "model2vec-quantised": _model2vec_quantised,
}
"""Layouts that we compute, by name."""
LIBRARY: Mapping[str, Callable[[Path], None]] = {
    "word-embeddings": _word_embeddings,
    "convolution": _convolution,
    "residual": _residual,
    "odd-activation": _odd_activation,
    "library-prompt": _library_prompt,
}
"""Layouts that sentence-transformers computes."""
LAYOUTS = {**OWN, **LIBRARY}
