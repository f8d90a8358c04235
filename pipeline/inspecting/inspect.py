"""From a path to what is shown of it."""

from __future__ import annotations

from pathlib import Path

from pipeline.artifacts.shards import shard_paths
from pipeline.console.errors import InputError
from pipeline.inspecting.folders import is_model, is_store, model_view, overview, store_view, tokenizer_view
from pipeline.inspecting.mined import parquet_view
from pipeline.inspecting.plain_files import json_view, tsv_view
from pipeline.inspecting.shards import shards_view
from pipeline.inspecting.surroundings import Surroundings
from pipeline.inspecting.view import View, ViewRequest

KNOWN = "an Arrow shard, a Parquet file, metrics (JSON), a series (TSV), rejects (.tsv.zst) or a tokenizer.json"


def inspect(path: Path, around: Surroundings, wanted: ViewRequest) -> View:
    """What there is to see of an artifact.

    Args:
        path: a file or folder that a stage wrote, or a folder of such.
        around: where the words for its keys and ids are.
        wanted: how many samples are shown, and the text that they must hold.

    Raises:
        InputError: if it is missing or not an artifact.
        ArtifactError: if it is damaged.
    """
    title = str(path)
    if path.is_dir():
        return _folder(title, path, around, wanted)
    if not path.exists():
        raise InputError(path, "no such file or folder")
    if not path.is_file():
        raise InputError(path, "neither a file nor a folder; expected an artifact")
    if path.suffix == ".arrow":
        return shards_view(title, [path], around, wanted)
    if path.suffix == ".parquet":
        return parquet_view(title, path, wanted)
    if path.name == "tokenizer.json":
        return tokenizer_view(title, path, wanted)
    if path.suffix == ".json":
        return json_view(title, path, wanted)
    if path.suffix == ".tsv" or path.name.endswith(".tsv.zst"):
        return tsv_view(title, path, wanted)
    raise InputError(path, f"not an artifact; expected {KNOWN}, or a folder of such")


def _folder(title: str, path: Path, around: Surroundings, wanted: ViewRequest) -> View:
    if is_store(path):
        return store_view(title, path)
    if any(path.glob("*.arrow")):
        return shards_view(title, shard_paths(path), around, wanted)
    if is_model(path):
        return model_view(title, path)
    files = [inner for inner in path.iterdir() if not inner.name.startswith(".")]
    if len(files) == 1 and files[0].is_file():
        return inspect(files[0], around, wanted)
    return overview(title, path)
