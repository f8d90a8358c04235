"""Every key of a model's configuration does what `KEYS` says: vectors stay sentence-transformers', or a line names it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from st_layouts import TEXTS, build, change, library_vectors, write_json

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.encoders.library import LibraryModel
from pipeline.encoders.model_keys import KEYS, UNKNOWN

Outcome = Literal["other vectors", "same vectors", "library", "refused"]


@dataclass(frozen=True)
class Row:
    """A value of a key, and what must come of it."""

    kind: str
    key: str
    value: Any
    outcome: Outcome
    layout: str = "labse"


MESSAGE = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}, "message": {"method": "forward"}}
EXPANSION = {"strategy": "fixed", "attend": True, "length": 32, "token": "[CLS]"}
ROWS = (
    Row("modules.json", "idx", 7, "same vectors"),
    Row("modules.json", "name", "pooled", "same vectors"),
    Row("modules.json", "path", "1_Other", "other vectors"),
    Row("modules.json", "type", "sentence_transformers.models.Pooling", "same vectors"),
    Row("modules.json", "type", "my.Pooling", "refused"),
    Row("modules.json", "kwargs", ["task"], "same vectors"),
    Row("modules.json", "unheard-of", 1, "refused"),
    Row("config_sentence_transformers.json", "__version__", {"sentence_transformers": "2.0.0"}, "same vectors"),
    Row("config_sentence_transformers.json", "prompts", {"query": "moon "}, "other vectors", "instructor"),
    Row("config_sentence_transformers.json", "prompts", ["moon"], "refused", "instructor"),
    Row("config_sentence_transformers.json", "default_prompt_name", None, "other vectors", "instructor"),
    Row("config_sentence_transformers.json", "default_prompt_name", "nothing", "refused", "instructor"),
    Row("config_sentence_transformers.json", "truncate_dim", 8, "other vectors"),
    Row("config_sentence_transformers.json", "truncate_dim", 0, "refused"),
    Row("config_sentence_transformers.json", "truncate_dim", "8", "refused"),
    Row("config_sentence_transformers.json", "similarity_fn_name", "dot", "same vectors"),
    Row("config_sentence_transformers.json", "model_type", "SparseEncoder", "refused"),
    Row("config_sentence_transformers.json", "requirements", {"torch": ">=2"}, "library"),
    Row("config_sentence_transformers.json", "unheard-of", 1, "library"),
    Row("Transformer", "max_seq_length", 8, "other vectors"),
    Row("Transformer", "max_seq_length", "8", "refused"),
    Row("Transformer", "do_lower_case", False, "other vectors", "lower-case"),
    Row("Transformer", "do_lower_case", "yes", "refused"),
    Row("Transformer", "tokenizer_name_or_path", "someone/else", "refused"),
    Row("Transformer", "model_args", {"attn_implementation": "eager"}, "same vectors"),
    Row("Transformer", "model_kwargs", {"attn_implementation": "eager"}, "same vectors"),
    Row("Transformer", "tokenizer_args", {"model_max_length": 8}, "other vectors"),
    Row("Transformer", "processor_kwargs", {"model_max_length": 8}, "other vectors"),
    Row("Transformer", "config_args", {"hidden_act": "relu"}, "library"),
    Row("Transformer", "config_kwargs", {"hidden_act": "relu"}, "library"),
    Row("Transformer", "transformer_task", "fill-mask", "library"),
    Row("Transformer", "modality_config", {"text": {"method": "forward", "method_output_name": "pooler_output"}}, "library"),
    Row("Transformer", "modality_config", MESSAGE, "library"),
    Row("Transformer", "module_output_name", "sentence_embedding", "library"),
    Row("Transformer", "processing_kwargs", {"text": {"max_length": 8}}, "library"),
    Row("Transformer", "unpad_inputs", False, "same vectors"),
    Row("Transformer", "query_length", 5, "same vectors"),
    Row("Transformer", "document_length", 5, "same vectors"),
    Row("Transformer", "query_expansion", EXPANSION, "same vectors"),
    Row("Transformer", "unheard-of", 1, "library"),
    Row("model_args", "torch_dtype", "float32", "same vectors"),
    Row("model_args", "dtype", "float32", "same vectors"),
    Row("model_args", "attn_implementation", "eager", "same vectors"),
    Row("model_args", "add_pooling_layer", False, "same vectors"),
    Row("model_args", "use_safetensors", True, "same vectors"),
    Row("model_args", "trust_remote_code", True, "same vectors"),
    Row("model_args", "weights_only", False, "refused"),
    Row("tokenizer_args", "model_max_length", 8, "other vectors"),
    Row("tokenizer_args", "padding_side", "left", "same vectors"),
    Row("tokenizer_args", "use_fast", True, "same vectors"),
    Row("tokenizer_args", "trust_remote_code", True, "same vectors"),
    Row("tokenizer_args", "vocab_file", "/etc/passwd", "refused"),
    Row("Pooling", "word_embedding_dimension", 32, "same vectors"),
    Row("Pooling", "embedding_dimension", 32, "same vectors"),
    Row("Pooling", "pooling_mode", "max", "other vectors"),
    Row("Pooling", "pooling_mode", "median", "refused"),
    Row("Pooling", "pooling_mode_cls_token", True, "same vectors"),
    Row("Pooling", "pooling_mode_max_tokens", True, "other vectors"),
    Row("Pooling", "pooling_mode_mean_tokens", True, "other vectors"),
    Row("Pooling", "pooling_mode_mean_sqrt_len_tokens", True, "other vectors"),
    Row("Pooling", "pooling_mode_weightedmean_tokens", True, "other vectors"),
    Row("Pooling", "pooling_mode_lasttoken", True, "other vectors"),
    Row("Pooling", "include_prompt", True, "other vectors", "instructor"),
    Row("Pooling", "include_prompt", "no", "refused", "instructor"),
    Row("Pooling", "pooling_mode_median_tokens", True, "refused"),
    Row("Dense", "in_features", 31, "refused"),
    Row("Dense", "out_features", 31, "refused"),
    Row("Dense", "bias", False, "refused"),
    Row("Dense", "activation_function", "torch.nn.modules.activation.ReLU", "other vectors"),
    Row("Dense", "activation_function", "torch.nn.modules.activation.Hardswish", "library"),
    Row("Dense", "activation_function", "my.Act", "refused"),
    Row("Dense", "module_input_name", "token_embeddings", "library"),
    Row("Dense", "module_output_name", "projected", "library"),
    Row("Dense", "use_residual", True, "library"),
    Row("Dense", "unheard-of", 1, "library"),
    Row("LayerNorm", "dimension", 16, "refused", "layer-norm"),
    Row("LayerNorm", "eps", 1, "refused", "layer-norm"),
    Row("Dropout", "dropout", 0.9, "same vectors", "layer-norm"),
    Row("Dropout", "unheard-of", 1, "refused", "layer-norm"),
    Row("Normalize", "module_input_name", "token_embeddings", "library"),
    Row("Normalize", "module_output_name", "unit", "library"),
    Row("Normalize", "unheard-of", 1, "same vectors"),
    *(
        Row("model2vec", key, value, "same vectors", "model2vec")
        for key, value in {
            **{"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": False},
            **{"tokenizer_name": "someone/else"},
            **{"apply_pca": 64, "apply_zipf": False, "sif_coefficient": 0.1, "pooling": "last", "hidden_dim": 8},
            **{"seq_length": 4, "max_length": 4, "embedding_dtype": "float16", "vocabulary_quantization": 9},
            **{"language": "en", "base_model": "someone/else", "metadata": {}, "unheard-of": 1},
        }.items()
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("keys")
    for name in {row.layout for row in ROWS}:
        build(root / name, name)
    return root


@pytest.fixture(scope="module")
def vectors(models: Path) -> dict[str, np.ndarray]:
    """Of the models as they are."""
    return {name: _vectors(models / name)[0] for name in {row.layout for row in ROWS}}


def set_key(folder: Path, row: Row) -> None:
    """Give a model's configuration a row's value."""
    if row.kind == "modules.json":
        modules = json.loads((folder / "modules.json").read_text())
        modules[1][row.key] = row.value
        write_json(folder / "modules.json", modules)
        write_json(folder / "1_Other" / "config.json", {"embedding_dimension": 32, "pooling_mode": "max"})
    elif row.kind in ("model_args", "tokenizer_args"):
        change(folder / "sentence_bert_config.json", **{row.kind: {row.key: row.value}})
    else:
        files = {"Transformer": "sentence_bert_config.json", "model2vec": "config.json"}
        name = files.get(row.kind) or (row.kind if row.kind.endswith(".json") else None)
        path = folder / name if name else next(folder.glob(f"[1-9]_{row.kind}")) / "config.json"
        if row.key.startswith("pooling_mode_"):  # the older form
            write_json(path, {"word_embedding_dimension": 32})
        change(path, **{row.key: row.value})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{row.key}-{str(row.value)[:20]}")
def test_a_key_has_the_outcome_that_is_said(row: Row, models: Path, vectors: dict[str, np.ndarray], tmp_path: Path):
    before = vectors[row.layout]
    folder = Path(shutil.copytree(models / row.layout, tmp_path / row.layout))
    set_key(folder, row)
    if row.outcome == "refused":
        with pytest.raises(InputError) as refusal:
            _vectors(folder)
        said = str(refusal.value)
        assert row.key in said or str(row.value) in said or "linear.bias" in said
        assert "\n" not in said
        return
    try:
        found, by_library = _vectors(folder)
    except UserError as error:  # sentence-transformers' own refusal
        assert row.outcome == "library"
        assert row.key in str(error)
        assert not _library_can(folder)
        return
    assert by_library == (row.outcome == "library")
    np.testing.assert_allclose(found, library_vectors(folder, batch_size=1), atol=1e-5)
    if row.outcome != "library":
        same = found.shape == before.shape and np.allclose(found, before, atol=1e-5)
        assert same == (row.outcome == "same vectors")


def test_every_key_and_every_kind_of_unknown_one_has_a_row():
    rows = {(row.kind, row.key) for row in ROWS}
    assert rows >= {(kind, key) for kind, keys in KEYS.items() for key in keys}
    assert {kind for kind, key in rows if key not in KEYS[kind]} == UNKNOWN.keys() == KEYS.keys()


def test_a_key_that_is_not_known_is_named_with_those_that_are(models: Path, tmp_path: Path):
    folder = Path(shutil.copytree(models / "labse", tmp_path / "m"))
    change(folder / "1_Pooling" / "config.json", pooling_mode_median_tokens=True)
    with pytest.raises(
        InputError,
        match=r"pooling_mode_median_tokens: found True: a key that is not known here; expected .*include_prompt",
    ):
        _vectors(folder)


def _library_can(folder: Path) -> bool:
    """Whether sentence-transformers has one vector for each text."""
    try:
        return library_vectors(folder).ndim == 2
    except Exception:
        return False


def _vectors(folder: Path) -> tuple[np.ndarray, bool]:
    encoder = open_model(ModelOptions(str(folder)), folder.parent)
    return encoder.encode_tokens(encoder.tokenize(TEXTS)), isinstance(encoder.model, LibraryModel)
