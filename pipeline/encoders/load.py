"""Encoders from folders in sentence-transformers' layout, model2vec's or Hugging Face's own.

What a folder says is read by `pipeline.encoders.layout`; writing one is `pipeline.encoders.saving`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError, first_line
from pipeline.encoders.heads import Head, HeadModule, build_head
from pipeline.encoders.identity import EncoderSettings as EncoderSettings
from pipeline.encoders.identity import computing, told_identity
from pipeline.encoders.layout import ModelLayout, Module, missing_weights, read_layout
from pipeline.encoders.library import load_library
from pipeline.encoders.model import SentenceModel, StaticModel, TransformerModel, embed, pooled_width
from pipeline.encoders.resolve import ModelFolder
from pipeline.encoders.saving import STATIC_WEIGHT
from pipeline.encoders.saving import save_encoder as save_encoder
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer

log = logging.getLogger(__name__)

MODEL2VEC_WEIGHT = "embeddings"
MODEL2VEC_TENSORS = ("mapping", "weights")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LOAD_ERRORS = (
    *(OSError, ValueError, RuntimeError, LookupError, ImportError, SafetensorError),
    # what a library does when a configuration has the wrong type, or asks for 10 TB, somewhere deep inside
    *(TypeError, AttributeError, ArithmeticError, AssertionError, MemoryError, NotImplementedError),
)


@dataclass(frozen=True)
class ModelEncoder:
    """A sentence model with its tokenizer: the `Encoder` that everything uses."""

    model: SentenceModel  # the torch module, in evaluation mode on its device
    tokenizer: TextTokenizer  # the model's tokenizer, with prefix and maximum length
    identity: dict[str, Any]  # everything that a vector depends on besides the text
    batch_tokens: int = 4096  # tokens that go through the model at once
    advance: Callable[[int], None] = field(default=lambda _: None)  # called after every batch, with the tokens done

    @property
    def dimension(self) -> int:
        """See `Encoder.dimension`."""
        return self.model.dimension

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """See `Encoder.tokenize`."""
        return self.tokenizer(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, d] of sentences, L2-normalised; holds the tokens, the result and one batch of activations."""
        return self.encode_tokens(self.tokenize(texts))

    def encode_tokens(self, batch: TokenBatch) -> NDArray[np.float32]:
        """See `Encoder.encode_tokens`; holds the result and one batch of activations.

        Raises:
            UserError: if the model gives vectors that are not finite, or has no vector for a token or a position.
        """
        name, vocabulary, positions = self.identity["model"], self.model.vocabulary, self.model.positions
        if len(batch.tokens) and not 0 <= batch.tokens.min() <= batch.tokens.max() < vocabulary:
            raise UserError(
                f"{name}: its tokenizer gives token {batch.tokens.max()}, but it has vectors for only {vocabulary:,}; "
                "tokenizer and weights don't belong together"
            )
        if positions is not None and (longest := int(batch.lengths.max(initial=0))) > positions:
            raise UserError(
                f"{name}: a sentence of {longest} tokens, but it has only {positions} positions; lower max_length to "
                f"{positions}"
            )
        vectors = embed(self.model, batch, self.batch_tokens, self.advance)
        if len(bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
            raise UserError(f"{name}: sentence {bad[0]} of a batch got a vector that is not finite")
        return vectors


def default_device() -> torch.device:
    """A CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_encoder(source: ModelFolder, settings: EncoderSettings, device: torch.device | None = None) -> ModelEncoder:
    """Load a teacher, student or peer for embedding, on a device or, without one, `default_device`.

    Raises:
        InputError: if the folder can't be loaded; one line that says why.
    """
    device = device or default_device()
    layout = read_layout(source.path)
    tokenizer = load_tokenizer(source.path, settings.prefix, settings.max_length)
    model = load_model(source.path, settings)
    model.eval().to(device)
    told, own = settings.max_length, layout.said_length
    if own is not None and told > own:
        message = "%s reads %d tokens of a sentence, as it is told here; by itself it reads %d"
        log.warning(message, source.name, told, own)
    if (measure := layout.compares_otherwise) is not None:
        log.warning(
            "%s compares vectors by %s; here they are normalised, and compared by the cosine", source.name, measure
        )
    versions = {name: str(import_module(name).__version__) for name in computing(layout)}
    identity = told_identity(source, settings, tokenizer.content, device.type, versions)
    identity["dimension"] = model.dimension
    return ModelEncoder(model, tokenizer, identity, settings.batch_tokens)


def load_model(folder: Path, settings: EncoderSettings) -> SentenceModel:
    """A model of any kind from its folder, on the CPU, in whichever mode (training, evaluation) its library leaves it.

    Raises:
        InputError: if the folder can't be loaded.
        UserError: if only sentence-transformers can compute it, and it isn't installed, or ``pooling`` is not its own.
    """
    layout = read_layout(folder)
    if not layout.library:
        return _load_static(layout) if layout.static else load_transformer(folder, settings)
    if settings.pooling != "auto":
        raise UserError(
            f"pooling: found {settings.pooling!r}, but {folder.resolve().name} is computed by sentence-transformers "
            f"({layout.library[0]}); expected auto"
        )
    return load_library(layout, settings.prefix, settings.max_length, DTYPES[settings.dtype])


def _load_static(layout: ModelLayout) -> StaticModel:
    """The token vectors of a static encoder, in sentence-transformers' layout or model2vec's, with what follows their mean.

    Raises:
        InputError: if they are missing, of another shape than [vocabulary, d], or no numbers.
    """
    file = layout.inputs.folder / "model.safetensors"
    tensors = _tensors(file, "static encoder's weights", f"a tensor {STATIC_WEIGHT!r}")
    name = STATIC_WEIGHT if STATIC_WEIGHT in tensors else MODEL2VEC_WEIGHT
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:5]) or "none"
        raise InputError(file, f"no static encoder's weights (tensors {found}); expected {STATIC_WEIGHT!r} or {name!r}")
    if extra := sorted(tensors.keys() - {name, *(MODEL2VEC_TENSORS if name == MODEL2VEC_WEIGHT else ())}):
        problem = f"has a tensor {extra[0]!r} besides {name!r}; expected none that a static encoder has no use for"
        raise InputError(file, problem)
    weight = tensors[name].float()
    if weight.ndim != 2:
        raise InputError(file, f"{name} has shape {tuple(weight.shape)}, expected [vocabulary, dimension]")
    weight = _by_token(weight, tensors, file) if name == MODEL2VEC_WEIGHT else weight
    if weight.numel() == 0 or not torch.isfinite(weight).all():
        found = "a NaN or an infinity" if weight.numel() else f"shape {tuple(weight.shape)}"
        raise InputError(file, f"{name} has {found}; expected finite token vectors")
    head = build_head(weight.shape[1], layout.heads, layout.truncate_dim, _fill)
    if not head.parts:  # the mean of cut vectors is the cut mean
        weight, head = weight[:, : head.dimension].contiguous(), Head(head.dimension)
    return StaticModel(weight, head)


def _by_token(rows: Tensor, tensors: Mapping[str, Tensor], file: Path) -> Tensor:
    """model2vec's rows as one vector a token: ``mapping`` says which row is a token's, ``weights`` what it counts."""
    mapping, weights = (tensors.get(name) for name in MODEL2VEC_TENSORS)
    if mapping is not None:
        whole = mapping.ndim == 1 and not mapping.is_floating_point()
        if not whole or not 0 <= int(mapping.min()) <= int(mapping.max()) < len(rows):
            raise InputError(file, f"mapping: expected the number of one of {len(rows):,} rows for each token")
        rows = rows[mapping.long()]
    if weights is not None:
        if weights.shape != rows.shape[:1]:
            problem = f"found shape {tuple(weights.shape)}, expected one for each of {len(rows):,} tokens"
            raise InputError(file, f"weights: {problem}")
        rows = rows * weights.float()[:, None]
    return rows


def _fill(module: Module, made: HeadModule) -> None:
    """Fill a module behind the pooling with the weights of its folder.

    Raises:
        InputError: if they are missing, a pickle, or of other names or shapes than its configuration says.
    """
    file = module.folder / "model.safetensors"
    if not file.exists():
        raise InputError(module.folder, f"holds {missing_weights(module.folder)}; expected model.safetensors")
    tensors = _tensors(file, "weights", f"those of a {module.kind}")
    shapes = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    found_shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found_shapes != shapes:
        raise InputError(file, f"found tensors {found_shapes}, expected {shapes} by its config.json")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(file, "has a NaN or an infinity; expected finite weights")
    made.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})


def _tensors(file: Path, what: str, expected: str) -> dict[str, Tensor]:
    """All tensors of a file; a file that can't be read is called no ``what``."""
    try:
        return load_file(file)
    except LOAD_ERRORS as error:
        raise InputError(file, f"no {what} ({error}); expected {expected}") from None


def load_transformer(folder: Path, settings: EncoderSettings) -> TransformerModel:
    """A transformer encoder from a folder of safetensors, with what follows its pooling.

    Raises:
        InputError: if transformers can't load it, or it has modules that only sentence-transformers computes.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModel  # costs seconds: only where a transformer is used
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    layout = read_layout(folder)
    if layout.library or layout.static:
        why = layout.library[0] if layout.library else "it is a static model"
        raise InputError(folder, f"{why}; expected a transformer with a pooling, whose layers can be had here")
    pooling = layout.pooling if settings.pooling == "auto" else settings.pooling
    try:
        backbone, info = AutoModel.from_pretrained(
            layout.inputs.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=DTYPES[settings.dtype],
            output_loading_info=True,
        )
    except (*LOAD_ERRORS, StrictDataclassError) as error:
        raise InputError(folder, f"can't be loaded as a transformer ({first_line(error)})") from None
    # The pooler is not used, and the library fills what lacks with random numbers.
    if lacking := sorted(name for name in info["missing_keys"] if "pooler" not in name.split(".")):
        problem = f"its weights lack {lacking[0]} and {len(lacking) - 1} more; expected those of its config.json"
        raise InputError(folder, problem)
    if hasattr(backbone, "get_encoder") and backbone.config.is_encoder_decoder:
        backbone = backbone.get_encoder()
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None  # never used here; where the folder has none, its weights would be random
    if hasattr(backbone.config, "use_cache"):
        backbone.config.use_cache = False  # of a decoder: keys and values of all tokens would be kept for nothing
    pad = getattr(backbone.config.get_text_config(), "pad_token_id", None) or 0
    head = build_head(pooled_width(backbone, pooling), layout.heads, layout.truncate_dim, _fill)
    skip = None
    if not layout.include_prompt:
        skip = load_tokenizer(folder, settings.prefix, settings.max_length).prefix_tokens()
    return TransformerModel(backbone, pooling, pad, head, skip)
