"""Stage mine on vectors made by hand: the threshold is what dev's gold pairs say, whatever the test half holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_project import write_project

from pipeline.artifacts.folders import TextFolder, VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.shards import (
    HELDOUT,
    KEY,
    MONOLINGUAL,
    fixed_list_array,
    key_array,
    shard_path,
    vector_schema,
    write_shard,
)
from pipeline.ground.hashing import as_keys, pair_key, text_key
from pipeline.mining.judging.threshold import tune
from pipeline.mining.sides import MiningRun
from pipeline.mining.texts import TextSide, heldout_set, mine_set
from stages import mine
from stages.running.command import Project

COUNT = 120


def half(number: int) -> str:
    return "dev" if number % 2 else "test"


def write_side(project: Project, language: str, noise: dict[str, float]) -> None:
    """Sentence n has the n-th of ``COUNT`` fixed directions, with its half's noise."""
    generator = np.random.default_rng(ord(language[0]))
    vectors = np.random.default_rng(0).normal(size=(COUNT, 24))
    vectors += generator.normal(size=vectors.shape) * np.array([[noise[half(number)]] for number in range(COUNT)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = sorted(range(COUNT), key=lambda number: text_key(f"{language} {number}"))
    keys = as_keys(text_key(f"{language} {number}") for number in order)
    texts = [f"{language} {number}" for number in order]
    columns = [key_array(keys), pa.array(texts), pa.array([False] * COUNT), *(pa.array([""] * COUNT) for _ in range(2))]
    columns += [pa.array(order, pa.int64()), pa.array([""] * COUNT)]
    table = pa.Table.from_arrays(columns, schema=MONOLINGUAL)
    write_shard(shard_path(project.layout.monolingual / language, 0), table, {"kind": "monolingual"})
    columns = [key_array(keys), fixed_list_array(vectors[order].astype(np.float16), pa.float16())]
    table = pa.Table.from_arrays(columns, schema=vector_schema(24))
    made_by = {"kind": "vectors", "encoder": {"model": "made-up"}}
    write_shard(shard_path(project.layout.embeddings / language, 0), table, made_by)


def write_heldout(folder: Path) -> None:
    """Every pair's half; every fifth has lost its side b."""
    keys = {number: (text_key(f"en {number}"), text_key(f"fr {number}")) for number in range(COUNT)}
    order = sorted(keys, key=lambda number: pair_key(*keys[number]))
    table = pa.Table.from_arrays(
        [
            pa.array([pair_key(*keys[number]) for number in order], KEY),
            pa.array([half(number) for number in order]),
            *(pa.array([keys[number][side] for number in order], KEY) for side in (0, 1)),
            pa.array([True] * COUNT),
            pa.array([number % 5 != 0 for number in order]),
            pa.array([""] * COUNT),
        ],
        schema=HELDOUT,
    )
    write_shard(shard_path(folder, 0), table, {"kind": "heldout"})


@pytest.mark.parametrize("test_noise", [0.1, 1.5])
def test_the_threshold_is_tuned_on_dev_alone(tmp_path: Path, test_noise: float):
    project = Project.open(write_project(tmp_path, tmp_path / "no-teacher", pairs=1))
    for language in ("en", "fr"):
        write_side(project, language, {"dev": 0.6, "test": test_noise})
    layout = project.layout
    write_heldout(layout.heldout / "en-fr")
    a, b = (
        TextSide(TextFolder(layout.monolingual / language), VectorFolder(layout.embeddings / language))
        for language in ("en", "fr")
    )
    tuned = {}
    for name in ("dev", "test"):
        source = heldout_set(name, HeldOutFolder(layout.heldout / "en-fr"), a, b)
        assert source is not None
        found = mine_set(source, a, b, MiningRun(project.params.mine, seed=1))
        tuned[name] = tune(found.pairs.score, found.is_gold, len(source.gold)).value
    assert abs(tuned["dev"] - tuned["test"]) > 0.01
    mine.run(project, "en-fr")
    path = layout.mined / "en-fr.parquet"
    assert json.loads((layout.metrics / "mine" / "en-fr.json").read_text())["threshold"] == round(tuned["dev"], 6)
    assert json.loads(pq.read_schema(path).metadata[b"softalign"])["threshold"] == tuned["dev"]
    accepted = pq.read_table(path, columns=["score", "accepted"]).to_pylist()
    assert all(row["accepted"] == (row["score"] >= np.float32(tuned["dev"])) for row in accepted)
