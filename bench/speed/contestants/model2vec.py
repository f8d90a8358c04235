"""model2vec: static models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import read
from speed.worker import Work


def encode(options: dict[str, Any]) -> Work:
    """``StaticModel.encode`` on the same token vectors, one process (more only copy), its default batch size."""
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder, sentences = Path(options["path"]), read(options)
    vectors = load_file(folder / "model.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = None  # type: ignore[assignment]
    model = StaticModel(vectors=vectors, tokenizer=tokenizer, normalize=True)
    settings = {"max_length": options["max_length"], "use_multiprocessing": False, "show_progress_bar": False}
    return lambda clock: np.asarray(model.encode(sentences, **settings))
