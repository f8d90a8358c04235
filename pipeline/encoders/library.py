"""Models that only sentence-transformers can compute: any module of its own, in any order, slower, the same vectors.

They take text, not tokens, so their tokens are the text's bytes (`pipeline.encoders.tokenization.byte_tokenizer`): all that
carries tokens from stage to stage serves for them as well. Only what lies in the folder is read: no code of the model's, no
pickle, nothing from the network. Padding is sentence-transformers' own, so a vector's last bits may depend on its batch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError, first_line
from pipeline.encoders.layout import ModelLayout
from pipeline.encoders.model import SentenceModel
from pipeline.encoders.pooling import normalise

log = logging.getLogger(__name__)

PACKAGE = "sentence-transformers"
OLDEST = 6
"""Its first version that never imports a model's own code from a folder, unless it is told to."""
BYTES_PER_TOKEN = 4
"""For the size of batches."""


class LibraryModel(SentenceModel):
    """A model as sentence-transformers has it.

    Args:
        model: a `SentenceTransformer`.
        prompt: what every text begins with (our tokenizer puts it there); sentence-transformers is told which part it is.

    Raises:
        ValueError: if it doesn't give one vector a sentence.
    """

    vocabulary = 257

    def __init__(self, model: Any, prompt: str) -> None:
        super().__init__()
        self.model, self.prompt = model, prompt
        with torch.inference_mode():
            shape = tuple(self(TokenBatch.from_lists([[65], [66]])).shape)
        if len(shape) != 2 or shape[0] != 2:
            raise ValueError(f"it gives vectors of shape {shape} for 2 sentences")
        self.dimension = shape[1]

    def forward(self, batch: TokenBatch) -> Tensor:
        """See `SentenceModel.forward`; all texts together."""
        features = self.model.preprocess(self.texts(batch), prompt=self.prompt or None)
        device = self.device
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in features.items()}
        vectors: Tensor = self.model(moved)["sentence_embedding"]
        return normalise(vectors[:, : self.model.truncate_dim])

    def texts(self, batch: TokenBatch) -> list[str]:
        """The texts of a batch, without the prompt."""
        ends = np.cumsum(batch.lengths)
        content = batch.tokens.astype(np.uint8).tobytes()
        whole = (content[start:end].decode("utf-8") for start, end in zip(ends - batch.lengths, ends, strict=True))
        return [text.removeprefix(self.prompt) for text in whole]

    def plan(self, lengths: NDArray[np.int64], batch_tokens: int) -> Sequence[NDArray[np.int64]]:
        """Rows by length, longest first, as many as make up about ``batch_tokens`` tokens with their padding."""
        order = np.argsort(-lengths, kind="stable")
        batches, start = [], 0
        while start < len(order):
            widest = max(1, int(lengths[order[start]]) // BYTES_PER_TOKEN)
            batches.append(order[start : start + max(1, batch_tokens // widest)])
            start += len(batches[-1])
        return batches

    @property
    def device(self) -> torch.device:
        """See `SentenceModel.device`; a model may have no parameters."""
        return next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))


def load_library(layout: ModelLayout, prompt: str, max_length: int, dtype: torch.dtype) -> LibraryModel:
    """Let sentence-transformers load a model; ``max_length`` holds where the model's first module counts tokens.

    Raises:
        UserError: if sentence-transformers isn't installed, or is too old to be trusted with a folder.
        InputError: if it can't load the folder; one line that says why.
    """
    name = layout.folder.resolve().name
    why = "; ".join(layout.library[:3])
    _require(name, why)
    from sentence_transformers import SentenceTransformer  # costs seconds: only where it is used

    try:
        # No pickle: safetensors don't pass through torch.load.
        with mock.patch.object(torch, "load", _refuse_pickle), _quiet():
            model = SentenceTransformer(
                str(layout.folder),
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            ).to(dtype)
            _limit(model, max_length)
            loaded = LibraryModel(model.eval(), prompt)
    except UserError:
        raise
    except Exception as error:  # whatever a library raises about a folder
        problem = f"{why}, and sentence-transformers can't load it ({first_line(error)[:200]})"
        raise InputError(layout.folder, problem) from None
    log.warning("%s: %s; sentence-transformers computes it: the same vectors, but slower", name, why)
    return loaded


def save_library(model: LibraryModel, prompts: dict[str, str], default: str | None, folder: Path) -> None:
    """Write a model with all its modules and Normalize at the end, its prompts by name, to an existing, empty folder."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    inner = model.model
    if not isinstance(inner[-1], Normalize):
        inner.append(Normalize())
    inner.prompts, inner.default_prompt_name = prompts, default
    inner.save(str(folder), create_model_card=False, safe_serialization=True)


def _require(name: str, why: str) -> None:
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = "none"
    if found == "none" or int(found.split(".")[0]) < OLDEST:
        raise UserError(
            f"{name}: {why}; only sentence-transformers can compute that, found {found}; "
            "`pip install 'softalign[sentence-transformers]'` brings it"
        )


def _limit(model: Any, max_length: int) -> None:
    """Keep at most so many tokens, where the model's first module counts them."""
    own = getattr(model[0], "max_seq_length", None)
    if isinstance(own, int | float) and max_length < own:
        try:
            model.max_seq_length = max_length
        except AttributeError:  # of a static embedding: its tokenizer cuts
            model[0].tokenizer.enable_truncation(max_length)


def _refuse_pickle(path: Any, *_: Any, **__: Any) -> Any:
    raise UserError(f"{Path(str(path)).name}: a pickle, which is never loaded; expected model.safetensors")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep its progress bars and notes off the terminal; what goes wrong is an exception."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logger = logging.getLogger("sentence_transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
