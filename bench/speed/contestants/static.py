"""Vectors of a static model: from raw text, and from tokens already made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import texts
from speed.worker import Work


def softalign(options: dict[str, Any]) -> Work:
    """Ours from raw text."""
    encoder, sentences = _encoder(options), texts(options)
    return lambda clock: encoder.encode_tokens(encoder.tokenize(sentences))


def softalign_tokens(options: dict[str, Any]) -> Work:
    """Ours from tokens, as stage embed has them."""
    encoder = _encoder(options)
    batch = encoder.tokenize(texts(options))
    return lambda clock: encoder.encode_tokens(batch)


def _encoder(options: dict[str, Any]) -> Any:
    import torch

    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    torch.set_num_threads(options["threads"])
    source = resolve_model("student", options["path"], None, Path())
    return load_encoder(source, EncoderSettings(max_length=options["max_length"], batch_tokens=65_536))


def sentence_transformers(options: dict[str, Any]) -> Work:
    """``SentenceTransformer.encode`` of a StaticEmbedding at a large batch, as its documentation advises."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(options["threads"])
    model, sentences = SentenceTransformer(options["path"], device="cpu"), texts(options)
    return lambda clock: model.encode(sentences, batch_size=2048, show_progress_bar=False, normalize_embeddings=True)


def model2vec(options: dict[str, Any]) -> Work:
    """``StaticModel.encode`` on the same token vectors, one process (more only copy), its default batch size."""
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = Path(options["path"])
    vectors = load_file(folder / "model.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = None  # type: ignore[assignment]
    model = StaticModel(vectors=vectors, tokenizer=tokenizer, normalize=True)
    sentences = texts(options)
    return lambda clock: np.asarray(
        model.encode(sentences, max_length=options["max_length"], use_multiprocessing=False, show_progress_bar=False)
    )
