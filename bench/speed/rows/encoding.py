"""Rows of vectors and tokens: teach, the static student, tokenize."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.contestants import write
from speed.project import TEACHER
from speed.rows.base import OURS, SBERT, Bar, Measured, Row, Run, cosines, duel, faster, race
from speed.text import read_sentences
from speed.turns import Contestant, Outputs, Spent

PAIRS = ("en-fr", "en-ja", "en-ko", "en-ru")
MATRIX = "matrix product"
SIDE, TIMES = 2048, 40
ONNX, OPENVINO = "sentence-transformers, ONNX", "OpenVINO"
MEAN_COSINE = 0.99
BACKENDS = {
    ONNX: "speed.contestants.sentence_transformers:teach_onnx",
    OPENVINO: "speed.contestants.openvino:teach",
}
"""sentence-transformers' other backends."""

OUR_TEACH, THEIR_TEACH = "speed.contestants.softalign:teach", "speed.contestants.sentence_transformers:teach"


def model_folder() -> Path:
    """The default teacher's folder."""
    from pipeline.encoders.resolve import resolve_model

    return resolve_model("teacher.model", TEACHER, None, Path()).path


def _given(run: Run, sizes: Mapping[str, Any], copies: int = 1) -> tuple[list[str], dict[str, Any]]:
    """The row's different sentences, written for its contestants (``copies`` times), and their options."""
    texts = read_sentences(run.text, PAIRS)[: sizes["sentences"]]
    if len(texts) < sizes["sentences"]:
        raise ValueError(f"the text has {len(texts)} different sentences, expected {sizes['sentences']}")
    write(run.folder, "texts", texts * copies)
    return texts, {"path": str(model_folder()), "max_length": int(sizes["max_length"])}


def transformer_flop(texts: list[str], folder: Path, max_length: int) -> float:
    """Floating-point operations that the sentences need, without padding: matrix products only."""
    from pipeline.encoders.tokenization import load_tokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    d, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    lengths = load_tokenizer(folder, "", max_length)(texts).lengths.astype(np.float64)
    return layers * layer_flop(d, inner, lengths)


def layer_flop(d: int, inner: int, lengths: NDArray[np.float64]) -> float:
    """Of one layer, for sentences of so many tokens.

    Of a token: 4 products with [d, d] and 2 with [d, i], two operations each; attention: 4·length·d.
    """
    return float((lengths * (8 * d * d + 4 * d * inner) + 4 * d * lengths**2).sum())


def _teach(run: Run, sizes: Mapping[str, Any]) -> Measured:
    texts, options = _given(run, sizes)
    contestants = [Contestant(OURS, OUR_TEACH, options), Contestant(SBERT, THEIR_TEACH, options)]
    contestants += [Contestant(name, by, {**options, "float32": True}, "onnx") for name, by in BACKENDS.items()]
    contestants.append(matrix_product())
    peers = (SBERT, *BACKENDS)

    def agree(outputs: Outputs) -> dict[str, Any]:
        found: dict[str, Any] = {"matrix product by": str(outputs[MATRIX]["kernel"])}
        for name in peers:
            found |= cosines(outputs, OURS, name)
        return found | _best(outputs, peers)

    spent, agreement = race(run, contestants, agree)
    flop = transformer_flop(texts, model_folder(), options["max_length"])
    bars = [faster(f"times as fast as {name}", spent, OURS, name, 1.15) for name in peers]
    bars += [matrix_share(spent, name, flop, least) for name, least in ((OURS, 0.75), (SBERT, None))]
    return Measured(spent, agreement, bars)


def matrix_product() -> Contestant:
    """The machine's own float32 product, all of whose rate `matrix_share` is a share of."""
    return Contestant(MATRIX, "speed.contestants.matrix:product", {"side": SIDE, "times": TIMES})


def matrix_share(spent: Mapping[str, Spent], name: str, flop: float, least: float | None) -> Bar:
    """The share of the matrix rate at which a contestant did so many operations."""
    return faster(f"{name}: share of the matrix rate", spent, name, MATRIX, least, flop / (2.0 * SIDE**3 * TIMES))


def _best(outputs: Outputs, peers: Iterable[str]) -> dict[str, Any]:
    """What each peer found best for itself on a sample."""
    return {f"best of {name}": f"{outputs[name]['way']}, batches of {outputs[name]['batch_size']}" for name in peers}


def _duplicates(run: Run, sizes: Mapping[str, Any]) -> Measured:
    copies = sizes["copies"]
    _, options = _given(run, sizes, copies)
    bar = (f"times as fast as {SBERT}", 1.15 * copies)
    return duel(run, OUR_TEACH, (SBERT, THEIR_TEACH), options, cosines, bar)


def _int8(run: Run, sizes: Mapping[str, Any]) -> Measured:
    import torch

    texts, options = _given(run, sizes)
    (run.folder / "sample.txt").write_text("\n".join(texts[:512]) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "softalign", "export", "--model", options["path"], "--to", "onnx"]
    out = ["--out", str(run.folder / "export"), "--sample", str(run.folder / "sample.txt"), "--min-cosine", "0.9"]
    subprocess.run([*command, *out], check=True, stdout=subprocess.DEVNULL)
    fp32, int8 = "softalign, float32", "softalign, int8"
    smaller = [Contestant(int8, "speed.contestants.softalign:teach_int8", options)]
    if any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16")):  # else it is emulated
        smaller.append(Contestant("softalign, bfloat16", OUR_TEACH, {**options, "dtype": "bfloat16"}))
    theirs = {f"{name} int8": by for name, by in BACKENDS.items()}
    own, all_names = [one.name for one in smaller], [*(one.name for one in smaller), *theirs]
    peers = [Contestant(name, by, options, "onnx") for name, by in theirs.items()]
    contestants = [Contestant(fp32, OUR_TEACH, options), *smaller, *peers]

    def agree(outputs: Outputs) -> dict[str, Any]:
        found = {key: of for name in all_names for key, of in cosines(outputs, fp32, name, 0.8).items()}
        return found | _best(outputs, theirs)

    spent, agreement = race(run, contestants, agree)
    near = {name: agreement[f"cosine of {fp32} with {name}"]["mean"] >= MEAN_COSINE for name in all_names}
    ours = min((name for name in own if near[name]), key=lambda name: statistics.median(spent[name].seconds))
    bars = [faster(f"{ours}: times as fast as our float32", spent, ours, fp32, 1.5)]
    # A peer that is fast because its vectors are others may not be compared with.
    bars += [faster(f"{ours}: times as fast as {one}", spent, ours, one, 1.2 if near[one] else None) for one in theirs]
    return Measured(spent, agreement, bars)


def _static(run: Run, sizes: Mapping[str, Any]) -> Measured:
    texts, options = _given(run, sizes)
    options["path"] = str(static_model(run.folder / "static", texts))
    tokens, m2v = "softalign, from tokens", "model2vec"
    contestants = [
        Contestant(OURS, "speed.contestants.softalign:static", options),
        Contestant(SBERT, "speed.contestants.sentence_transformers:static", options),
        Contestant(m2v, "speed.contestants.model2vec:encode", options),
        Contestant(tokens, "speed.contestants.softalign:static_tokens", options),
    ]

    def agree(outputs: Outputs) -> dict[str, Any]:
        return {key: of for name in (SBERT, m2v, tokens) for key, of in cosines(outputs, OURS, name).items()}

    spent, agreement = race(run, contestants, agree)
    bars = []
    for name in (SBERT, m2v):
        bars.append(faster(f"times as fast as {name}, from raw text", spent, OURS, name, 1.2))
        bars.append(faster(f"times as fast as {name}, from tokens", spent, tokens, name, 5.0))
    return Measured(spent, agreement, bars)


def static_model(folder: Path, texts: list[str], vocabulary: int = 24_000, dimension: int = 384) -> Path:
    """A static student of random token vectors with a tokenizer trained on the texts."""
    import torch

    from pipeline.encoders.load import save_encoder
    from pipeline.encoders.model import StaticModel
    from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer

    backend = train_tokenizer(iter(texts), vocabulary)
    weight = torch.randn(backend.get_vocab_size(), dimension, generator=torch.Generator().manual_seed(0))
    folder.mkdir(parents=True, exist_ok=True)
    save_encoder(StaticModel(weight), TextTokenizer(backend, "", 128, special_tokens=False), folder)
    return folder


def _tokenize(run: Run, sizes: Mapping[str, Any]) -> Measured:
    import pyarrow as pa

    from pipeline.artifacts.shards import SENTENCES, key_array, shard_path, write_shard
    from pipeline.ground.hashing import as_keys, shard_count, shard_of, text_key

    texts, options = _given(run, sizes)
    keyed = sorted((text_key(text), text) for text in texts)
    write(run.folder, "sorted", [text for _, text in keyed])
    keys = as_keys(key for key, _ in keyed)
    shards = shard_count(len(keys), 65_536)
    where = shard_of(keys, shards)
    (run.folder / "sentences").mkdir()
    for index in range(shards):
        rows = np.flatnonzero(where == index)
        columns = [key_array(keys[rows]), pa.array([keyed[row][1] for row in rows], pa.string())]
        shard = pa.Table.from_arrays(columns, schema=SENTENCES)
        write_shard(shard_path(run.folder / "sentences", index), shard, {"kind": "sentences"}, shards)

    def agree(outputs: Outputs, ours: str, theirs: str) -> dict[str, Any]:
        for part in ("lengths", "tokens"):
            if not np.array_equal(outputs[ours][part], outputs[theirs][part]):
                raise AssertionError(f"the {part} of {ours} and {theirs} differ")
        return {"tokens, all equal": len(outputs[ours]["tokens"])}

    ours, theirs = "speed.contestants.softalign:tokenize", ("datasets", "speed.contestants.datasets:tokenize")
    return duel(run, ours, theirs, options, agree, ("times as fast as datasets.map", 2.0))


LENGTH = {"max_length": 128}
ROWS = (
    Row("teach", "teach, float32, unique text", {"sentences": 4000, **LENGTH}, _teach, needs=("onnx",)),
    Row("teach-duplicates", "teach, float32, half of the text is duplicates",
        {"sentences": 1000, "copies": 2, **LENGTH}, _duplicates),
    Row("teach-int8", "teach, cosine of 0.99 allowed", {"sentences": 2000, **LENGTH}, _int8, needs=("onnx",)),
    Row("static", "embed with the static student", {"sentences": 60_000, **LENGTH}, _static),
    Row("tokenize", "tokenize", {"sentences": 100_000, **LENGTH}, _tokenize),
)  # fmt: skip
