"""A project's artifacts, made by hand: three sentences in two languages, with all that stages make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.artifacts.parquet import sealed_metadata
from pipeline.artifacts.shards import (
    HELDOUT,
    KEY,
    MONOLINGUAL,
    PAIRS,
    SENTENCES,
    TOKENS,
    fixed_list_array,
    key_array,
    neighborhood_schema,
    shard_path,
    vector_schema,
    write_shard,
)
from pipeline.ground.file_checksum import seal
from pipeline.ground.hashing import as_keys, pair_key, text_key

EN = ("A river.", "A quiet [bold]tree[/bold].", "The evil\x1b[2Jline.")
FR = ("Une rivière.", "Un arbre calme.", "La ligne maligne.")
ENCODER = {"model": "tiny", "torch": "2.0", "transformers": None, "dimension": 4}


def write_artifacts(root: Path) -> Path:
    """Write a project's data, metrics and plots; returns its folder."""
    data = root / "data"
    for language, texts in (("en", EN), ("fr", FR)):
        keys = as_keys(sorted(map(text_key, texts)))
        sentences = _by_key(texts)
        table = pa.Table.from_arrays([key_array(keys), pa.array(sentences, pa.string())], schema=SENTENCES)
        write_shard(shard_path(data / "sentences" / language, 0), table, {"kind": "sentences", "language": language})
        vectors = np.eye(4, dtype=np.float16)[:3]
        table = pa.Table.from_arrays(
            [key_array(keys), fixed_list_array(vectors, pa.float16())], schema=vector_schema(4)
        )
        made_by = {"kind": "vectors", "encoder": ENCODER, "language": language}
        write_shard(shard_path(data / "teacher" / language, 0), table, made_by)
        tokens = pa.array([[index, 1] for index in range(3)], TOKENS.field("tokens").type)
        table = pa.Table.from_arrays([key_array(keys), tokens], schema=TOKENS)
        made_by = {"kind": "tokens", "for": "student", "language": language}
        write_shard(shard_path(data / "tokens" / "student" / language, 0), table, made_by)
    _write_monolingual(data)
    _write_pairs(data)
    _write_neighborhoods(data / "neighborhoods" / "en-fr", "priority", as_keys(sorted(map(text_key, EN))))
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "river": 1, "tree": 2}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (data / "tokenizer").mkdir()
    tokenizer.save(str(data / "tokenizer" / "tokenizer.json"))
    (data / "rejects").mkdir()
    rejects = "file\tline\tlanguages\treason\tdetail\ta\tb\n", "t.en\t7\ten-fr\tcopy\t\tsame\tsame\n"
    # As the stage writes it: a frame for each part.
    content = b"".join(zstandard.ZstdCompressor().compress(part.encode()) for part in rejects)
    (data / "rejects" / "mine.tsv.zst").write_bytes(content)
    write_mined(data / "mined" / "en-fr.parquet")
    write_metrics(root)
    return root


def write_mined(path: Path, threshold: float | None = 1.0, own: bool = False, text: str = "text") -> None:
    """Eight mined pairs, of scores 0.75 to 1.625, those from 1.0 on accepted; gold but for two."""
    scores = [0.75 + 0.125 * place for place in reversed(range(8))]
    rows = [
        {
            "set": "mine" if own else "test",
            "accepted": None if threshold is None else score >= threshold,
            "gold": None if own else place not in (1, 7),
            "score": score,
            "cosine": 0.5,
            **{f"text_{side}": f"{text} {side}{place}" for side in "ab"},
            **{f"corpus_{side}": "mine" for side in "ab"},
            **{f"file_{side}": f"file.{side}" for side in "ab"},
            **{f"line_{side}": place + 1 for side in "ab"},
        }
        for place, score in enumerate(scores)
    ]
    schema = pa.schema(
        [("set", pa.string()), ("accepted", pa.bool_()), ("gold", pa.bool_()), ("score", pa.float32())]
        + [("cosine", pa.float32())]
        + [(f"{name}_{side}", kind) for name, kind in
           (("text", pa.string()), ("corpus", pa.string()), ("file", pa.string()), ("line", pa.int64())) for side in "ab"]
    )  # fmt: skip
    made_by = {"pair": "en-fr", "threshold": threshold, "encoder": ENCODER, "kind": "mined"}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata(sealed_metadata(made_by)), path)
    seal(path)


def mine_metrics() -> dict[str, Any]:
    """Metrics of stage mine that fit `write_mined`."""
    measured = {
        "precision": 0.8,
        "recall": 0.9,
        "f1": 0.85,
        "gold": 6,
        "candidates_a": 9,
        "candidates_b": 9,
        "pairs": 6,
    }
    return {
        "threshold": 1.0,
        "dev": measured,
        "test": measured,
        "mined": {"set": "test", "pairs": 8, "accepted": 6},
    }


def write_metrics(root: Path) -> None:
    """Metrics, series and costs."""
    corpus = {"read": 100, "kept": 60, "heldout": 30, "rejected": {"copy": 7, "too-short": 3}}
    interval = {"low": 0.9, "high": 0.97}
    files: dict[str, Any] = {
        "metrics/prepare.json": {
            "corpora": {"mine": corpus},
            "pairs": {"en-fr": 60},
            "sentences": {"en": 60, "fr": 60},
            "heldout": {"dev": {"en-fr": 15}, "test": {"en-fr": 15}},
            "monolingual": {"en": 30, "fr": 30},
        },
        "metrics/train.json": {
            "best_step": 20,
            "dev_accuracy": 0.9,
            "last_loss": 1.5,
            "neighborhood_coverage": 0.25,
            "steps": 20,
        },
        "metrics/evaluate.json": {
            "retrieval": {"mean": 0.95, "pairs": {"en-fr": {"accuracy": 0.95}}},
            "mining": {"mean_f1": 0.85, "pairs": {"en-fr": {"f1": 0.85}}},
        },
        "metrics/heldout.json": {
            "retrieval": {
                "mean": 0.95,
                "pairs": {"en-fr": {"accuracy": 0.95, "forward": 0.94, "backward": 0.96, "candidates": 15, **interval}},
            },
            "mining": {
                "mean_f1": 0.85,
                "pairs": {"en-fr": {"precision": 0.8, "recall": 0.9, "f1": 0.85, "threshold": 1.0, **interval}},
            },
        },
        "metrics/mine/en-fr.json": mine_metrics(),
        "data/cost/train.json": {"seconds": 12.25, "peak_megabytes": 456.7},
        "data/cost/prepare.json": {"seconds": 1.5, "peak_megabytes": 100.0},
        "data/cost/mine-en-fr.json": {"seconds": 0.5, "peak_megabytes": 90.0},
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(content), encoding="utf-8")
    for name, values in {"loss": (3.0, 1.5), "dev_accuracy": (0.8, 0.9), "dev/en-fr": (0.8, 0.9)}.items():
        path = root / "plots" / "train" / "plots" / "metrics" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"step\t{path.stem}", *(f"{10 * place}\t{value}" for place, value in enumerate(values, start=1))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _by_key(texts: tuple[str, ...]) -> list[str]:
    return sorted(texts, key=text_key)


def _write_monolingual(data: Path) -> None:
    text = "Held out."
    columns = [[text_key(text)], [text], [False], ["mine"], ["text.en"], [3], ["doc"]]
    table = pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, MONOLINGUAL, strict=True)], schema=MONOLINGUAL
    )
    write_shard(shard_path(data / "monolingual" / "en", 0), table, {"kind": "monolingual", "language": "en"})


def _write_pairs(data: Path) -> None:
    keys = sorted((pair_key(text_key(a), text_key(b)), text_key(a), text_key(b)) for a, b in zip(EN, FR, strict=True))
    ids, a, b = (list(column) for column in zip(*keys, strict=True))
    provenance = [["mine"] * 3, ["text.en"] * 3, [1, 2, 3]]
    columns = [ids, a, b, *provenance]
    table = pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, PAIRS, strict=True)], schema=PAIRS)
    write_shard(shard_path(data / "pairs" / "en-fr", 0), table, {"kind": "pairs", "languages": ["en", "fr"]})
    held = [ids, ["dev", "test", "test"], a, b, [True] * 3, [True, False, True], ["doc"] * 3]
    table = pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(held, HELDOUT, strict=True)], schema=HELDOUT)
    write_shard(shard_path(data / "heldout" / "en-fr", 0), table, {"kind": "heldout", "languages": ["en", "fr"]})


def _write_neighborhoods(folder: Path, strategy: str, points: Any) -> None:
    """Each point's neighbours are the two others, of weights 0.25 and 0.125."""
    neighbors = np.stack([points[[1, 2]], points[[0, 2]], points[[0, 1]]])
    columns = [
        key_array(points),
        fixed_list_array(neighbors, KEY),
        fixed_list_array(np.tile(np.float32([0.75, 0.5]), (3, 1)), pa.float32()),
        fixed_list_array(np.tile(np.float32([0.25, 0.125]), (3, 1)), pa.float32()),
    ]
    table = pa.Table.from_arrays(columns, schema=neighborhood_schema(2))
    made_by = {"kind": "neighborhoods", "pair": "en-fr", "strategy": strategy, "temperature": 0.1, "encoder": ENCODER}
    write_shard(shard_path(folder, 0), table, made_by)


def write_average_neighborhoods(root: Path) -> None:
    """Neighbourhoods whose points are pairs."""
    keys = as_keys(sorted(pair_key(text_key(a), text_key(b)) for a, b in zip(EN, FR, strict=True)))
    _write_neighborhoods(root / "data" / "neighborhoods" / "average" / "en-fr", "average", keys)
