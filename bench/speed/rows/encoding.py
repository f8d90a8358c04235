"""Rows of vectors and tokens: teach, the static student, tokenize."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import write_texts
from speed.project import TEACHER
from speed.rows.base import Bar, Measured, Row, Run, cosines, faster, race
from speed.text import read_sentences
from speed.turns import Contestant, Outputs, Ratio, Spent

PAIRS = ("en-fr", "en-ja", "en-ko", "en-ru")
MATRIX = "matrix product"
SIDE, TIMES = 2048, 40
ONNX, OPENVINO = "sentence-transformers, ONNX int8", "sentence-transformers, OpenVINO int8"
MEAN_COSINE = 0.99
BACKENDS = {
    "sentence-transformers, ONNX": "sentence_transformers_onnx",
    "sentence-transformers, OpenVINO": "sentence_transformers_openvino",
}
"""Its other backends, in float32."""


def model_folder() -> Path:
    """The default teacher's folder."""
    from pipeline.encoders.resolve import resolve_model

    return resolve_model("teacher.model", TEACHER, None, Path()).path


def _options(run: Run, sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": TEACHER, "path": str(model_folder()), "max_length": int(sizes["max_length"])}


def _sentences(run: Run, count: int, pairs: tuple[str, ...] = PAIRS) -> list[str]:
    found = read_sentences(run.text, pairs)[:count]
    if len(found) < count:
        raise ValueError(f"the text has {len(found)} different sentences, expected {count}")
    return found


def transformer_flop(texts: list[str], folder: Path, max_length: int) -> float:
    """Floating-point operations that the sentences need, without padding: matrix products only.

    Of a token in a layer: 4 products with [d, d] and 2 with [d, i], two operations each; attention: 4·length·d.
    """
    from pipeline.encoders.tokenization import load_tokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    d, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    lengths = load_tokenizer(folder, "", max_length)(texts).lengths.astype(np.float64)
    return float(layers * (lengths * (8 * d * d + 4 * d * inner) + 4 * d * lengths**2).sum())


def _teach(run: Run, sizes: Mapping[str, Any]) -> Measured:
    texts, options = _sentences(run, sizes["sentences"]), _options(run, sizes)
    write_texts(run.folder, "texts", texts)
    matrix = {"side": SIDE, "times": TIMES}
    contestants = [
        Contestant("softalign", "speed.contestants.teach:softalign", options),
        Contestant("sentence-transformers", "speed.contestants.teach:sentence_transformers", options),
        *(
            Contestant(name, f"speed.contestants.teach:{function}", {**options, "float32": True}, "onnx")
            for name, function in BACKENDS.items()
        ),
        Contestant(MATRIX, "speed.contestants.teach:matrix_product", matrix),
    ]
    peers = ("sentence-transformers", *BACKENDS)

    def agree(outputs: Outputs) -> dict[str, Any]:
        found: dict[str, Any] = {"matrix product by": str(outputs[MATRIX]["kernel"])}
        for name in peers:
            found |= cosines(outputs, "softalign", name, 0.9999)
            found[f"best batch size of {name}"] = int(outputs[name]["batch_size"])
        return found

    spent, agreement = race(run, contestants, agree)
    flop, of_product = transformer_flop(texts, model_folder(), options["max_length"]), 2.0 * SIDE**3 * TIMES
    bars = [faster(f"times as fast as {name}", spent, "softalign", name, 1.15) for name in peers]
    for name, least in (("softalign", 0.9), ("sentence-transformers", None)):
        bars.append(_share(f"{name}: share of the matrix rate", spent[name], spent[MATRIX], flop / of_product, least))
    seconds = spent[MATRIX].seconds
    notes = {
        "GFLOP needed": round(flop / 1e9, 1),
        "matrix rate, GFLOP/s": round(of_product / sorted(seconds)[len(seconds) // 2] / 1e9, 1),
    }
    return Measured(spent, agreement, bars, notes)


def _share(title: str, one: Spent, product: Spent, work: float, least: float | None) -> Bar:
    """A contestant's rate as a share of the matrix product's; ``work``: its FLOP over the product's."""
    wall, cpu = (
        Ratio.of([work * value for value in above], below)
        for above, below in ((product.seconds, one.seconds), (product.cpu, one.cpu))
    )
    return Bar(title, wall, least, cpu=cpu)


TEACH = Row("teach", "teach, float32, unique text", {"sentences": 4000, "max_length": 128}, _teach, needs=("onnx",))


def _duplicates(run: Run, sizes: Mapping[str, Any]) -> Measured:
    unique, options = _sentences(run, sizes["sentences"]), _options(run, sizes)
    texts = unique * sizes["copies"]
    write_texts(run.folder, "texts", texts)
    contestants = [
        Contestant("softalign", "speed.contestants.teach:softalign", options),
        Contestant("sentence-transformers", "speed.contestants.teach:sentence_transformers", options),
    ]
    spent, agreement = race(
        run, contestants, lambda outputs: cosines(outputs, "softalign", "sentence-transformers", 0.9999)
    )
    share = len(texts) / len(unique)
    bars = [faster("times as fast as sentence-transformers", spent, "softalign", "sentence-transformers", 1.15 * share)]
    return Measured(spent, agreement, bars, {"sentences": len(texts), "unique": len(unique)})


TEACH_DUPLICATES = Row(
    "teach-duplicates", "teach, float32, half of the text is duplicates",
    {"sentences": 1000, "copies": 2, "max_length": 128}, _duplicates,
)  # fmt: skip


def _int8(run: Run, sizes: Mapping[str, Any]) -> Measured:
    texts, options = _sentences(run, sizes["sentences"]), _options(run, sizes)
    write_texts(run.folder, "texts", texts)
    (run.folder / "sample.txt").write_text("\n".join(texts[:512]) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "softalign", "export", "--model", options["path"], "--to", "onnx"]
    out = ["--out", str(run.folder / "export"), "--sample", str(run.folder / "sample.txt"), "--min-cosine", "0.9"]
    subprocess.run([*command, *out], check=True, stdout=subprocess.DEVNULL)
    int8, half, fp32 = "softalign, int8", "softalign, bfloat16", "softalign, float32"
    contestants = [
        Contestant(fp32, "speed.contestants.teach:softalign", options),
        Contestant(int8, "speed.contestants.teach:softalign_onnx", options),
        Contestant(half, "speed.contestants.teach:softalign", {**options, "dtype": "bfloat16"}),
        Contestant(ONNX, "speed.contestants.teach:sentence_transformers_onnx", options, "onnx"),
        Contestant(OPENVINO, "speed.contestants.teach:sentence_transformers_openvino", options, "onnx"),
    ]

    def agree(outputs: Outputs) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in (int8, half, ONNX, OPENVINO):
            found |= cosines(outputs, fp32, name, 0.8)
        return found

    spent, agreement = race(run, contestants, agree)
    near = {name: agreement[f"cosine of {fp32} with {name}"]["mean"] >= MEAN_COSINE for name in (int8, half)}
    ours = min((name for name in near if near[name]), key=lambda name: statistics.median(spent[name].seconds))
    bars = [faster(f"{ours}: times as fast as our float32", spent, ours, fp32, 1.5)]
    for name in (ONNX, OPENVINO):
        # Who may not be compared with: a peer that is fast because its vectors are others.
        alike = agreement[f"cosine of {fp32} with {name}"]["mean"] >= MEAN_COSINE
        bars.append(faster(f"{ours}: times as fast as {name}", spent, ours, name, 1.2 if alike else None))
    return Measured(spent, agreement, bars)


TEACH_INT8 = Row(
    "teach-int8", "teach, cosine of 0.99 allowed", {"sentences": 2000, "max_length": 128}, _int8, needs=("onnx",)
)


def _static(run: Run, sizes: Mapping[str, Any]) -> Measured:
    texts = _sentences(run, sizes["sentences"])
    write_texts(run.folder, "texts", texts)
    options = {"path": str(static_model(run.folder / "static", texts)), "max_length": int(sizes["max_length"])}
    contestants = [
        Contestant("softalign", "speed.contestants.static:softalign", options),
        Contestant("sentence-transformers", "speed.contestants.static:sentence_transformers", options),
        Contestant("model2vec", "speed.contestants.static:model2vec", options),
        Contestant("softalign, from tokens", "speed.contestants.static:softalign_tokens", options),
    ]

    def agree(outputs: Outputs) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("sentence-transformers", "model2vec", "softalign, from tokens"):
            found |= cosines(outputs, "softalign", name, 0.9999)
        return found

    spent, agreement = race(run, contestants, agree)
    bars = []
    for name in ("sentence-transformers", "model2vec"):
        bars.append(faster(f"times as fast as {name}, from raw text", spent, "softalign", name, 1.2))
        bars.append(faster(f"times as fast as {name}, from tokens", spent, "softalign, from tokens", name, 5.0))
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


STATIC = Row("static", "embed with the static student", {"sentences": 60_000, "max_length": 128}, _static)


def _tokenize(run: Run, sizes: Mapping[str, Any]) -> Measured:
    import pyarrow as pa

    from pipeline.artifacts.shards import SENTENCES, key_array, shard_path, write_shard
    from pipeline.ground.hashing import as_keys, shard_count, shard_of, text_key

    texts, options = _sentences(run, sizes["sentences"]), _options(run, sizes)
    keyed = sorted((text_key(text), text) for text in texts)
    write_texts(run.folder, "sorted", [text for _, text in keyed])
    keys = as_keys(key for key, _ in keyed)
    shards = shard_count(len(keys), 65_536)
    where = shard_of(keys, shards)
    for index in range(shards):
        rows = np.flatnonzero(where == index)
        columns = [key_array(keys[rows]), pa.array([keyed[row][1] for row in rows], pa.string())]
        table = pa.Table.from_arrays(columns, schema=SENTENCES)
        (run.folder / "sentences").mkdir(exist_ok=True)
        write_shard(shard_path(run.folder / "sentences", index), table, {"kind": "sentences"}, shards)
    contestants = [
        Contestant("softalign", "speed.contestants.tokenizing:softalign", options),
        Contestant("datasets", "speed.contestants.tokenizing:datasets_map", options),
    ]

    def agree(outputs: Outputs) -> dict[str, Any]:
        for part in ("lengths", "tokens"):
            if not np.array_equal(outputs["softalign"][part], outputs["datasets"][part]):
                raise AssertionError(f"the {part} of softalign and datasets differ")
        return {"tokens, all equal": len(outputs["softalign"]["tokens"])}

    spent, agreement = race(run, contestants, agree)
    return Measured(spent, agreement, [faster("times as fast as datasets.map", spent, "softalign", "datasets", 2.0)])


TOKENIZE = Row("tokenize", "tokenize", {"sentences": 100_000, "max_length": 128}, _tokenize)
