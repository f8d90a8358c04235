"""Every key that a model's configuration may have, and what becomes of it: the table that `pipeline.encoders.layout` uses.

A configuration that isn't read gives other vectors than the model's author had, and nobody is told. So no key is passed
over: it is ``used``, it is ``harmless`` (no vector depends on it), it makes the ``library`` compute the model
(sentence-transformers itself: slower, the same vectors), or the model is ``refused`` with a line that names the key. The same
holds for keys that stand in no table: see `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.console.errors import InputError

Rule = Literal["used", "harmless", "library", "refused"]

PLAIN_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}
"""How sentence-transformers calls a transformer with text, unless told otherwise."""


@dataclass(frozen=True)
class Key:
    """What becomes of one key."""

    rule: Rule
    why: str  # what the key does, for messages and readers
    silent: tuple[Any, ...] = ()  # values by which the key says nothing; they are harmless under any rule


ANOTHER_INPUT = Key("library", "another input than the sentence's vector", ("sentence_embedding", None))
ANOTHER_OUTPUT = Key("library", "another output than the sentence's vector", ("sentence_embedding", None))
MODEL2VEC_MAKING = ("apply_pca", "apply_zipf", "sif_coefficient", "pooling", "seq_length")

KEYS: Mapping[str, Mapping[str, Key]] = {
    "modules.json": {
        "idx": Key("harmless", "modules come in the list's order, as in sentence-transformers"),
        "name": Key("harmless", "a label"),
        "path": Key("used", "the module's folder"),
        "type": Key("used", "the module's class"),
        "kwargs": Key("harmless", "names of options of `encode` calls; there are none here"),
    },
    "config_sentence_transformers.json": {
        "__version__": Key("harmless", "what wrote the folder"),
        "prompts": Key("used", "by name, what is put before a sentence"),
        "default_prompt_name": Key("used", "the prompt that is put before every sentence"),
        "truncate_dim": Key("used", "the first numbers of a vector that are kept"),
        "similarity_fn_name": Key(
            "used", "a line says so where it isn't the cosine, by which everything here compares"
        ),
        "model_type": Key("refused", "a model of another kind than sentence vectors", ("SentenceTransformer", None)),
        "requirements": Key("library", "versions that the model asks for", (None, {}, [])),
    },
    "Transformer": {
        "max_seq_length": Key("used", "tokens kept of a sentence"),
        "do_lower_case": Key("used", "sentences are lower-cased before the tokenizer"),
        "tokenizer_name_or_path": Key("refused", "a tokenizer that lies elsewhere", (None,)),
        "model_args": Key("used", "how the weights are loaded: keys of its own"),
        "model_kwargs": Key("used", "the same, as sentence-transformers 5 and later call it"),
        "tokenizer_args": Key("used", "how the tokenizer is loaded: keys of its own"),
        "processor_kwargs": Key("used", "the same, as sentence-transformers 5 and later call it"),
        "config_args": Key("library", "changes of config.json", (None, {})),
        "config_kwargs": Key("library", "the same, as sentence-transformers 5 and later call it", (None, {})),
        "transformer_task": Key("library", "another head than token vectors", ("feature-extraction",)),
        "modality_config": Key("used", "what is called with text"),
        "module_output_name": Key("library", "another output than token vectors", ("token_embeddings",)),
        "processing_kwargs": Key("library", "options of the tokenizer's calls", (None, {})),
        "unpad_inputs": Key("harmless", "how flash attention is fed"),
        "query_length": Key("harmless", "for `encode_query` only"),
        "document_length": Key("harmless", "for `encode_document` only"),
        "query_expansion": Key("harmless", "for `encode_query` only"),
    },
    "model_args": {
        "torch_dtype": Key("harmless", "the precision is `dtype`"),
        "dtype": Key("harmless", "the precision is `dtype`"),
        "attn_implementation": Key("harmless", "the attention's kernel"),
        "add_pooling_layer": Key("harmless", "a layer that gives no token vectors"),
        "use_safetensors": Key("harmless", "nothing else is ever loaded"),
        "trust_remote_code": Key("harmless", "never; sentence-transformers leaves it out too"),
    },
    "tokenizer_args": {
        "model_max_length": Key("used", "tokens kept of a sentence"),
        "padding_side": Key("harmless", "padding is masked out on either side"),
        "use_fast": Key("harmless", "only fast tokenizers are used"),
        "trust_remote_code": Key("harmless", "never; sentence-transformers leaves it out too"),
    },
    "Pooling": {
        "word_embedding_dimension": Key("harmless", "the width is that of the weights"),
        "embedding_dimension": Key("harmless", "the width is that of the weights"),
        "pooling_mode": Key("used", "how token vectors become one, or several that are joined"),
        "pooling_mode_cls_token": Key("used", "the first token"),
        "pooling_mode_max_tokens": Key("used", "the largest of each dimension"),
        "pooling_mode_mean_tokens": Key("used", "the mean"),
        "pooling_mode_mean_sqrt_len_tokens": Key("used", "the sum over the root of the length"),
        "pooling_mode_weightedmean_tokens": Key("used", "the mean, each token weighted by its place"),
        "pooling_mode_lasttoken": Key("used", "the last token"),
        "include_prompt": Key("used", "whether the prompt's tokens are pooled"),
    },
    "Dense": {
        "in_features": Key("used", "width of its input"),
        "out_features": Key("used", "width of its output"),
        "bias": Key("used", "whether it adds one"),
        "activation_function": Key("used", "what follows the product"),
        "module_input_name": ANOTHER_INPUT,
        "module_output_name": ANOTHER_OUTPUT,
        "use_residual": Key("library", "adds its input to its output", (False, None)),
    },
    "LayerNorm": {"dimension": Key("used", "width of its input")},
    "Dropout": {"dropout": Key("used", "the share that is dropped in training")},
    "Normalize": {"module_input_name": ANOTHER_INPUT, "module_output_name": ANOTHER_OUTPUT},
    "model2vec": {
        "model_type": Key("used", "a static model"),
        "architectures": Key("harmless", "a static model"),
        "normalize": Key("harmless", "vectors are normalised in any case"),
        "tokenizer_name": Key("harmless", "where the tokenizer came from"),
        **dict.fromkeys(MODEL2VEC_MAKING, Key("harmless", "how the vectors were made")),
        "hidden_dim": Key("harmless", "the width is that of the weights"),
        "max_length": Key("harmless", "model2vec's own default for `encode`"),
        "embedding_dtype": Key("harmless", "the precision is that of the weights"),
        "vocabulary_quantization": Key("harmless", "the tensor `mapping` has it"),
        **dict.fromkeys(("language", "base_model", "metadata"), Key("harmless", "a label")),
    },
}
"""By file (or module), then by key."""

UNKNOWN: Mapping[str, Rule] = {
    "modules.json": "refused",
    "config_sentence_transformers.json": "library",
    "Transformer": "library",
    "model_args": "refused",
    "tokenizer_args": "refused",
    "Pooling": "refused",
    "Dense": "library",
    "LayerNorm": "refused",
    "Dropout": "refused",
    "Normalize": "harmless",
    "model2vec": "harmless",
}
"""What becomes of a key that `KEYS` doesn't have: sentence-transformers knows best (``library``) or can't load it either
(``refused``). Normalize's and model2vec's others are passed over by sentence-transformers too, whatever they say."""

MODEL_ARGS = ("model_args", "model_kwargs")
TOKENIZER_ARGS = ("tokenizer_args", "processor_kwargs")


def check_keys(kind: str, config: Mapping[str, Any], file: Path) -> list[str]:
    """Look at every key of a configuration.

    Args:
        kind: the table of `KEYS` that holds for the configuration.
        config: the keys with their values.
        file: the configuration's file, for messages.

    Returns:
        Why sentence-transformers itself has to compute the model; empty if it need not.

    Raises:
        InputError: naming the first key that is refused.
    """
    table, reasons = KEYS[kind], []
    for name, value in config.items():
        key = table.get(name, Key(UNKNOWN[kind], "a key that is not known here"))
        if key.rule in ("used", "harmless") or value in key.silent:
            continue
        if key.rule == "refused":
            expected = ", ".join(table) if name not in table else " or ".join(map(repr, key.silent))
            raise InputError(file, f"{name}: found {value!r}: {key.why}; expected {expected}")
        reasons.append(f"{file.name} has {name}: {key.why}")
    return reasons
