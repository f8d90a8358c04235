"""Folders: models, tokenizers, the store, and folders of artifacts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts.shards import open_shard, shard_paths
from pipeline.console.errors import ArtifactError
from pipeline.console.plain_text import clip
from pipeline.encoders.kept_models import KeptModel, list_models
from pipeline.inspecting.mined import parquet_metadata
from pipeline.inspecting.plain_files import read_json
from pipeline.inspecting.shards import shard_kind
from pipeline.inspecting.view import Table, View, ViewRequest, flatten, size_text, value_text
from pipeline.search.kept_indexes import KeptIndex, list_indexes
from pipeline.store.local import IDENTITY_FILE, StoreEntry, list_store

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FOLDERS = 200
"""Folders that an overview lists at most."""


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return any((folder / name).is_file() for name in ("modules.json", "config.json", "model.safetensors"))


def is_store(folder: Path) -> bool:
    """Whether a folder is a vector store."""
    return next(folder.glob(f"*/{IDENTITY_FILE}"), None) is not None


def model_view(title: str, folder: Path) -> View:
    """A model's modules, configuration, and the shapes of its weights (read from the file's head alone).

    Raises:
        ArtifactError: if its weights can't be read.
    """
    facts = [("what", "model"), ("size", size_text(_size(folder)))]
    modules = folder / "modules.json"
    if modules.is_file():
        listed = read_json(modules)
        if not isinstance(listed, list) or not all(isinstance(module, dict) for module in listed):
            raise ArtifactError(modules, "expected a list of objects, as sentence-transformers writes it")
        types = [str(module.get("type", "")).rpartition(".")[2] for module in listed]
        facts.append(("modules", " → ".join(types)))
    for name in ("config_sentence_transformers.json", "config.json"):
        if (folder / name).is_file():
            config = read_json(folder / name)
            if not isinstance(config, dict):
                raise ArtifactError(folder / name, "holds no object; expected a model's configuration")
            facts += [(f"{name}: {clip(key, 200)}", clip(value_text(value))) for key, value in flatten(config)]
    weights = [
        (key, kind, " × ".join(map(str, shape)))
        for path in sorted(folder.glob("*.safetensors"))
        for key, kind, shape in _weights(path)
    ]
    files = [(path.relative_to(folder).as_posix(), size_text(path.stat().st_size)) for path in _files(folder)]
    tables = [
        Table("weights", ("name", "type", "shape"), tuple(weights)),
        Table("files", ("file", "size"), tuple(files), frozenset({"size"})),
    ]
    return View(title, tuple(facts), tuple(table for table in tables if table.rows))


def tokenizer_view(title: str, path: Path, wanted: ViewRequest) -> View:
    """A tokenizer's kind and size, and how it cuts a text (``query``) up.

    Raises:
        ArtifactError: if it isn't a tokenizer.
    """
    from tokenizers import Tokenizer  # costs start-up time that other artifacts need not pay

    from pipeline.encoders.tokenization import tokenizer_errors

    with tokenizer_errors(path, ArtifactError):
        return _tokenizer_view(title, path, Tokenizer.from_file(str(path)), wanted)


def _tokenizer_view(title: str, path: Path, tokenizer: Tokenizer, wanted: ViewRequest) -> View:
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    facts = (
        ("what", "tokenizer"),
        ("model", type(tokenizer.model).__name__),
        ("vocabulary", f"{len(vocabulary):,}"),
        ("size", size_text(path.stat().st_size)),
    )
    if wanted.query is None:
        step = max(len(vocabulary) // max(wanted.rows, 1), 1)
        name, pairs = "samples", [(number, token) for token, number in vocabulary[::step][: wanted.rows]]
    else:
        encoding = tokenizer.encode(wanted.query)
        name = f"how it cuts {clip(wanted.query, 80)!r}"
        pairs = list(zip(encoding.ids, encoding.tokens, strict=True))
    rows = tuple((str(number), token) for number, token in pairs)
    return View(title, facts, (Table(name, ("id", "token"), rows),))


def store_table(entries: list[StoreEntry], title: str = "encoders") -> Table:
    """What a store holds, by encoder."""
    rows = []
    for entry in entries:
        names = ", ".join(f"{key}={value_text(value)}" for key, value in flatten(_identity(entry)))
        use = (size_text(entry.size), f"{entry.days_unused:.1f}")
        rows.append((entry.folder.name[:12], f"{entry.vectors:,}", *use, clip(names)))
    columns = ("folder", "vectors", "size", "days unused", "encoder")
    return Table(title, columns, tuple(rows), frozenset({"vectors", "size", "days unused"}))


def index_table(indexes: list[KeptIndex]) -> Table:
    """The mining indexes that a store keeps."""
    rows = []
    for kept in indexes:
        what = (clip(str(kept.about.get("factory", "damaged"))), str(kept.about.get("vectors", ""))[:12])
        rows.append((kept.folder.name[:12], size_text(kept.size), f"{kept.days_unused:.1f}", *what))
    columns = ("folder", "size", "days unused", "index", "of the vectors")
    return Table("mining indexes", columns, tuple(rows), frozenset({"size", "days unused"}))


def model_table(models: list[KeptModel]) -> Table:
    """The converted models that a store keeps."""
    rows = tuple((kept.folder.name, size_text(kept.size), f"{kept.days_unused:.1f}") for kept in models)
    return Table("converted models", ("folder", "size", "days unused"), rows, frozenset({"size", "days unused"}))


def store_view(title: str, folder: Path) -> View:
    """A store: what it holds of each encoder."""
    entries, indexes, models = list_store(folder), list_indexes(folder), list_models(folder)
    size = sum(kept.size for kind in (entries, indexes, models) for kept in kind)
    vectors = sum(entry.vectors for entry in entries)
    facts = (("what", "vector store"), ("vectors", f"{vectors:,}"), ("size", size_text(size)))
    tables = (store_table(entries), index_table(indexes), model_table(models))
    return View(title, facts, tuple(table for place, table in enumerate(tables) if table.rows or place == 0))


def overview(title: str, folder: Path) -> View:
    """A folder of artifacts: one row each.

    Raises:
        ArtifactError: if there are none, or one is damaged.
    """
    rows = [row for inner in _artifact_folders(folder) for row in _overview_rows(folder, inner)]
    if not rows:
        raise ArtifactError(folder, "no artifact here; expected Arrow shards, Parquet, metrics, a model or a store")
    facts = (("what", "folder of artifacts"), ("artifacts", f"{len(rows):,}"))
    columns = ("path", "what", "rows", "shards", "size")
    note = f"only the first {FOLDERS} are shown" if len(rows) > FOLDERS else ""
    table = Table("artifacts", columns, tuple(rows[:FOLDERS]), frozenset({"rows", "shards", "size"}), note)
    return View(title, facts, (table,))


def _artifact_folders(folder: Path) -> Iterator[Path]:
    """This folder and those under it, models and stores as a whole, without hidden ones."""
    yield folder
    if is_model(folder) or is_store(folder):
        return
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and not inner.name.startswith("."):
            yield from _artifact_folders(inner)


def _overview_rows(root: Path, folder: Path) -> Iterator[tuple[str, ...]]:
    name = folder.relative_to(root).as_posix()
    if is_store(folder):
        entries = list_store(folder)
        vectors = sum(entry.vectors for entry in entries)
        yield name, "vector store", f"{vectors:,}", f"{len(entries):,}", size_text(sum(entry.size for entry in entries))
        return
    if is_model(folder):
        yield name, "model", "", "", size_text(_size(folder))
        return
    if any(folder.glob("*.arrow")):
        yield name, *_shards_row(folder)
    for path in sorted(folder.iterdir()):
        if (row := _file_row(path)) is not None:
            yield path.relative_to(root).as_posix(), *row


def _shards_row(folder: Path) -> tuple[str, ...]:
    rows, size, kind, count = 0, 0, "table", 0
    for path in shard_paths(folder):
        shard = open_shard(path)
        rows, size, count = rows + len(shard), size + path.stat().st_size, count + 1
        kind = shard_kind(shard.table.column_names)
    return kind, f"{rows:,}", f"{count:,}", size_text(size)


def _file_row(path: Path) -> tuple[str, ...] | None:
    if not path.is_file() or path.name.startswith("."):
        return None
    size = size_text(path.stat().st_size)
    if path.name == "tokenizer.json":
        return "tokenizer", "", "", size
    if path.suffix == ".parquet":
        metadata, _ = parquet_metadata(path)
        names = set(metadata.schema.to_arrow_schema().names)
        return "mined pairs" if {"score", "text_a"} <= names else "table", f"{metadata.num_rows:,}", "", size
    if path.suffix == ".json":
        content = read_json(path)
        return "metrics", f"{len(list(flatten(content))) if isinstance(content, dict) else 1:,}", "", size
    if path.name.endswith(".tsv.zst"):
        return "rejects", "", "", size
    return ("series", "", "", size) if path.suffix == ".tsv" else None


def _weights(path: Path) -> Iterator[tuple[str, str, list[int]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            for key in opened.keys():  # noqa: SIM118  (not a mapping)
                part = opened.get_slice(key)
                yield key, part.get_dtype(), part.get_shape()
    except (SafetensorError, OSError) as error:
        raise ArtifactError(path, f"not readable weights ({error})") from None


def _identity(entry: StoreEntry) -> dict[str, Any]:
    try:
        loaded = json.loads(entry.identity)
    except ValueError:
        loaded = entry.identity
    return loaded if isinstance(loaded, dict) else {"identity": loaded}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))
