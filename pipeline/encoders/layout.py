"""What a model's folder says of itself, in sentence-transformers' layout, model2vec's, or Hugging Face's own.

modules.json lists a model's modules, each with its class and its folder: the transformer or static embedding in the root or
in ``0_Transformer``, the pooling wherever its path says, then what follows. Each module's own configuration, that of the
transformer (sentence_bert_config.json) and that of the whole (config_sentence_transformers.json) are read by the table of
`pipeline.encoders.model_keys`: no key is passed over. Which modules we compute, `INPUTS` and `HEADS` say; a model with any
other is computed by sentence-transformers itself (`pipeline.encoders.library`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.model_keys import MODEL_ARGS, PLAIN_TEXT, TOKENIZER_ARGS, check_keys

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
INPUTS = ("Transformer", "StaticEmbedding")
"""Modules that turn tokens into vectors, which we compute."""
HEADS = ("Dense", "LayerNorm", "Dropout", "Normalize")
"""Modules behind the pooling, which we compute."""
ACTIVATIONS = ("Tanh", "Identity", "ReLU", "GELU", "SiLU", "Sigmoid", "LeakyReLU", "ELU", "Mish", "Softplus")
"""Dense layers' activations, of torch.nn and without arguments, that we compute."""
TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""What sentence-transformers has called the transformer's configuration; the first that says anything counts."""
POOLINGS = {
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weightedmean",
    "lasttoken": "last",
}
"""sentence-transformers' names of poolings, and ours."""
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The older form of ``pooling_mode``: a flag each, joined in this order."""
ENCODER_HALVES = frozenset(
    {"t5", "mt5", "umt5", "longt5", "switch_transformers", "m2m_100", "pegasus", "pegasus_x", "marian"}
)
"""Models of two halves, of which sentence-transformers takes the encoder alone, as we do."""
COUNT_FROM_PADDING = ("roberta", "camembert", "mpnet", "longformer")
"""Kinds of models that count positions from behind the padding token's id."""
SANE_LENGTH = 1_000_000
"""Tokenizers without a limit say 10**30."""
UNLIMITED = 1 << 20
"""The length of a static model that has none; no line that the readers accept has more tokens."""
DEFAULT_LENGTH = 512
"""The length of a transformer that has none and doesn't count positions."""


@dataclass(frozen=True)
class Module:
    """One module of a model."""

    kind: str  # the name of the module's class, without its package
    folder: Path  # where its configuration and weights are
    config: Mapping[str, Any]  # its configuration, checked
    file: Path  # where that configuration stands, for messages

    def typed(self, key: str, kind: Any, default: Any) -> Any:
        """A key of its configuration; see `_typed`."""
        return _typed(self.config, key, kind, self.file, default)


@dataclass(frozen=True)
class ModelLayout:
    """What a model's folder says."""

    folder: Path  # the model's folder
    modules: tuple[Module, ...]  # the modules, in their order
    settings: Mapping[str, Any]  # config_sentence_transformers.json, checked
    library: tuple[str, ...]  # why sentence-transformers itself has to compute the model; empty if we do

    @property
    def inputs(self) -> Module:
        """The first module, which has the tokenizer."""
        return self.modules[0]

    @property
    def static(self) -> bool:
        """Whether it is a static model that we compute."""
        return self.inputs.kind == "StaticEmbedding" and not self.library

    @property
    def heads(self) -> tuple[Module, ...]:
        """The modules behind token vectors and pooling."""
        return tuple(module for module in self.modules[1:] if module.kind in HEADS)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The first module's config.json: for a transformer, Hugging Face's configuration; empty if there is none."""
        return read_object(self.inputs.folder / "config.json")

    @cached_property
    def _pooling(self) -> Module | None:
        return next((module for module in self.modules if module.kind == "Pooling"), None)

    @property
    def pooling(self) -> str:
        """How token vectors become one, in `pipeline.encoders.pooling`'s words."""
        return "mean" if self._pooling is None else _read_pooling(self._pooling)

    @property
    def include_prompt(self) -> bool:
        """Whether the prompt's tokens are pooled."""
        return self._pooling is None or bool(self._pooling.typed("include_prompt", bool, True))

    @property
    def lower_case(self) -> bool:
        """Whether sentences are lower-cased before the tokenizer."""
        return bool(self.inputs.typed("do_lower_case", bool, False))

    @property
    def truncate_dim(self) -> int | None:
        """How many of a vector's first numbers are kept; None: all."""
        found: int | None = self._setting("truncate_dim", int)
        if found is not None and found < 1:
            raise InputError(self.folder / SETTINGS, f"truncate_dim: found {found}, expected at least 1")
        return found

    def _setting(self, key: str, kind: type) -> Any:
        return _typed(self.settings, key, kind, self.folder / SETTINGS, None)

    @cached_property
    def prompts(self) -> dict[str, str]:
        """What may be put before a sentence, by name; the empty ones too."""
        prompts = self.settings.get("prompts") or {}
        if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
            raise InputError(self.folder / SETTINGS, f"prompts: found {str(prompts)[:80]}, expected texts by name")
        return prompts

    def prompt(self, name: str | None, key: str, prefix: str | None = None) -> str:
        """What is put before every sentence: a given prefix, else the prompt of a name, else the model's default prompt.

        Args:
            name: the prompt's name; None: none was given.
            key: what asked for the name, for messages (``teacher.prompt_name``).
            prefix: the given prefix, which may be empty; None: none was given.

        Raises:
            InputError: if the default names a prompt that isn't there.
            UserError: if both are given, or the model has no prompt of this name.
        """
        if prefix is not None:
            if name is not None:
                raise UserError(f"{key}: found {name!r} and the prefix {prefix!r}; expected one of the two")
            return prefix
        chosen = self._setting("default_prompt_name", str) if name is None else name
        if chosen is None or chosen in self.prompts:
            return "" if chosen is None else self.prompts[chosen]
        listed = ", ".join(map(repr, self.prompts)) or "none"
        if name is None:
            problem = f"its default prompt {chosen!r} is not among its prompts ({listed})"
            raise InputError(self.folder / SETTINGS, problem)
        raise UserError(f"{key}: {self.folder.resolve().name} has no prompt {name!r}; it has {listed}")

    @cached_property
    def said_length(self) -> int | None:
        """The tokens that a sentence may have by the model's own configuration; None: it doesn't say."""
        module = self.inputs
        if module.kind == "StaticEmbedding":
            truncation = read_object(module.folder / "tokenizer.json").get("truncation") or {}
            return int(truncation["max_length"]) if "max_length" in truncation else None
        arguments: dict[str, Any] = {}
        for name in TOKENIZER_ARGS:
            arguments |= module.config.get(name) or {}
        tokenizer = module.folder / "tokenizer_config.json"
        for config, key, file in (
            (arguments, "model_max_length", module.file),
            (module.config, "max_seq_length", module.file),
            (read_object(tokenizer), "model_max_length", tokenizer),
        ):
            found = _typed(config, key, (int, float), file, None)
            if found is not None and 0 < found < SANE_LENGTH:
                return int(found)
        return None

    @property
    def positions(self) -> int | None:
        """The most tokens that a transformer has positions for; None where its configuration sets no limit."""
        config = self.config if self.inputs.kind == "Transformer" else {}
        config = config.get("text_config") or config
        found = config.get("max_position_embeddings")
        if not isinstance(found, int) or found < 1:
            return None
        counts = any(kind in str(config.get("model_type", "")) for kind in COUNT_FROM_PADDING)
        return found - ((config.get("pad_token_id") or 0) + 1 if counts else 0)

    @property
    def length(self) -> int:
        """The tokens that the model keeps of a sentence, special tokens included, unless it is told otherwise."""
        if self.said_length is not None:
            return self.said_length
        return UNLIMITED if self.static else self.positions or DEFAULT_LENGTH

    @property
    def compares_otherwise(self) -> str | None:
        """The model's own measure of similarity, where it isn't the cosine and lengths of vectors matter to it."""
        found = self.settings.get("similarity_fn_name")
        return None if found in (None, "cosine") or self.modules[-1].kind == "Normalize" else str(found)


def read_layout(folder: Path) -> ModelLayout:
    """Read what a model's folder says.

    Raises:
        InputError: for a file of another form, a path that leaves the folder, a module of code of its own, or a key that is
            refused.
    """
    settings = read_object(folder / SETTINGS)
    reasons = check_keys(SETTINGS, settings, folder / SETTINGS)
    modules = []
    for kind, inner in _listed(folder):
        module = _module(kind, inner)
        modules.append(module)
        if kind in (*INPUTS, "Pooling", *HEADS):
            reasons += _looked_at(module)
    return ModelLayout(folder, tuple(modules), settings, (*_order(modules), *reasons))


def input_folder(folder: Path) -> Path | None:
    """The folder of a model's transformer or static embedding; None where its first module is none of them."""
    kind, inner = _listed(folder)[0]
    return inner if kind in INPUTS else None


def is_static(folder: Path) -> bool:
    """Whether a folder holds a static model that we compute (sentence-transformers' StaticEmbedding, model2vec)."""
    return read_layout(folder).static


def missing_weights(folder: Path) -> str:
    """What a folder without safetensors has instead of weights, for messages."""
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    return f"only {pickled[0]}, a pickle, which is never loaded" if pickled else "no weights"


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object of a model's folder; empty where there is no file.

    Raises:
        InputError: if the file is anything else.
    """
    found = _read_json(path, {})
    if not isinstance(found, dict):
        raise InputError(path, f"expected an object, as sentence-transformers writes it; found {type(found).__name__}")
    return found


def _read_json(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"not JSON ({error})") from None


def _read_pooling(module: Module) -> str:
    """The pooling that a module's configuration asks for, in our words (``cls+mean``)."""
    config = module.config
    if "pooling_mode" in config:
        found = config["pooling_mode"]
        modes = [found] if isinstance(found, str) else found
    else:
        modes = [mode for flag, mode in FLAGS.items() if module.typed(flag, bool, False)] or ["mean"]
    if not isinstance(modes, list) or not modes or any(mode not in POOLINGS for mode in modes):
        raise InputError(module.file, f"asks for pooling {modes!r}; expected one or more of {', '.join(POOLINGS)}")
    return "+".join(POOLINGS[mode] for mode in modes)


def _listed(folder: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module; without modules.json, what sentence-transformers takes there."""
    path = folder / MODULES
    modules = _read_json(path, None)
    if modules is None:
        if read_object(folder / "config.json").get("model_type") == "model2vec":
            return [("StaticEmbedding", folder)]
        return [("Transformer", folder), ("Pooling", folder / "1_Pooling")]
    if not isinstance(modules, list) or not modules or not all(isinstance(module, dict) for module in modules):
        raise InputError(path, "expected a list of objects, as sentence-transformers writes it")
    found = []
    for module in modules:
        check_keys(MODULES, module, path)
        kind, inner = (_typed(module, key, str, path, "") for key in ("type", "path"))
        windows = PureWindowsPath(inner)
        if windows.anchor or ".." in windows.parts or "\0" in inner:
            raise InputError(path, f"path: found {inner!r}, expected a folder inside the model's own")
        if not kind.startswith("sentence_transformers."):
            problem = f"asks for code of its own ({kind or 'no type'}), which is never run"
            raise InputError(path, f"{problem}; expected sentence_transformers.…")
        found.append((kind.rpartition(".")[2], folder / PurePosixPath(windows.as_posix())))
    return found


def _module(kind: str, folder: Path) -> Module:
    """A module with its configuration; of those that we don't compute, sentence-transformers reads it."""
    file, config = folder / "config.json", {}
    if kind == "Transformer":
        files = [folder / name for name in TRANSFORMER_CONFIGS]
        file = next((file for file in files if read_object(file)), files[0])
        config = read_object(file)
    elif kind == "StaticEmbedding":
        found = read_object(file)
        config = found if found.get("model_type") == "model2vec" else {}
    elif kind == "Pooling" and not file.exists():
        config = {"pooling_mode": _default_pooling(folder.parent)}
    elif kind in ("Pooling", *HEADS):
        config = read_object(file)
    return Module(kind, folder, config, file)


def _default_pooling(folder: Path) -> str:
    """What sentence-transformers pools by where nothing is said; if modules.json lists a pooling, something was lost."""
    if (folder / MODULES).exists():
        raise InputError(
            folder / MODULES, "lists a Pooling whose folder has no config.json; expected the model's whole folder"
        )
    config = read_object(folder / "config.json")
    architectures = config.get("architectures") or [""]
    causal = str(architectures[0]).endswith("ForCausalLM") and config.get("is_causal", True) is True
    return "lasttoken" if causal else "mean"


def _looked_at(module: Module) -> list[str]:
    """Why the configuration of one of our own modules makes sentence-transformers compute the model."""
    table = "model2vec" if module.kind == "StaticEmbedding" else module.kind
    reasons = check_keys(table, module.config, module.file)
    if module.kind == "Pooling":
        _read_pooling(module)
    if module.kind == "Dense":
        activation = module.typed("activation_function", str, "torch.nn.Tanh")
        if not activation.startswith("torch.nn."):
            problem = f"found {activation!r}, code of its own, which is never run; expected one of torch.nn"
            raise InputError(module.file, f"activation_function: {problem}")
        if activation.rpartition(".")[2] not in ACTIVATIONS:
            reasons.append(f"{module.file.name} has activation_function: {activation}")
    return reasons + _transformer_reasons(module) if module.kind == "Transformer" else reasons


def _transformer_reasons(module: Module) -> list[str]:
    reasons = []
    # How its parts are loaded and called: keys inside keys, each with a table of its own.
    for names, table in ((MODEL_ARGS, "model_args"), (TOKENIZER_ARGS, "tokenizer_args")):
        for name in names:
            reasons += check_keys(table, module.typed(name, dict, {}), module.file)
    modalities = module.typed("modality_config", dict, {"text": PLAIN_TEXT})
    if modalities.get("text") != PLAIN_TEXT or "message" in modalities:
        reasons.append(f"{module.file.name} has modality_config: another call than of plain text")
    # What lies beside the configuration: weights that change others, and a decoder that nobody asks.
    if (adapter := module.folder / "adapter_config.json").exists():
        problem = "an adapter's configuration: expected a model of its own; merge it with its base model and save that"
        raise InputError(adapter, problem)
    config = read_object(module.folder / "config.json")
    if config.get("is_encoder_decoder") is True and config.get("model_type") not in ENCODER_HALVES:
        reasons.append(f"config.json has is_encoder_decoder: a {config.get('model_type')} of two halves")
    return reasons


def _order(modules: list[Module]) -> list[str]:
    """Why the modules' order or kinds make sentence-transformers compute the model."""
    kinds = [module.kind for module in modules]
    pooled = 2 if kinds[:2] == ["Transformer", "Pooling"] else 1
    known = pooled == 2 or kinds[0] == "StaticEmbedding"
    if known and all(kind in HEADS for kind in kinds[pooled:]):
        return []
    strange = [kind for kind in kinds if kind not in (*INPUTS, "Pooling", *HEADS)]
    return [f"it has a module {strange[0]}" if strange else f"its modules are {', '.join(kinds)}"]


def _typed(config: Mapping[str, Any], key: str, kind: Any, file: Path, default: Any) -> Any:
    """A key's value of the type that it must have; the default where it is missing or null."""
    found = config.get(key)
    if found is None:
        return default
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise InputError(file, f"{key}: found {found!r}, expected {wanted}")
    return found
