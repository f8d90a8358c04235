"""An export: a folder that appears whole or not at all, with all that its targets ask for.

Held in memory: the model, for ONNX three times at most, and `sample.SIZE` sentences with their vectors.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pipeline
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.model import StaticModel, TransformerModel
from pipeline.encoders.tokenization import TOKENIZER_FILE
from pipeline.exporting.agreement import EXACT, Agreement, compare, require
from pipeline.exporting.card import Card, render_card
from pipeline.exporting.graph import clean, load_graph, require_onnx, save_graph
from pipeline.exporting.int8 import write_int8
from pipeline.exporting.known import KnownOrigin
from pipeline.exporting.runtime import OnnxModel
from pipeline.exporting.sample import ExportSample
from pipeline.exporting.source import ExportSource
from pipeline.exporting.static_graph import static_graph
from pipeline.exporting.transformer_graph import write_transformer
from pipeline.ground.atomic import atomic_folder, write_text

Target = Literal["sentence-transformers", "onnx", "card"]

ABOUT = "softalign.json"
"""What an export says of itself; it also marks a folder as one that a later export may replace."""

FLOAT32, INT8 = "onnx/model.onnx", "onnx/model_int8.onnx"
"""The graphs, where sentence-transformers and Optimum look for them."""

GRAPHS_TOKENIZER = "onnx/tokenizer.json"
"""The graphs' tokenizer, where that of the model's root is not the whole truth (another folder, lower-casing)."""

MIN_COSINE = 0.97
"""The least cosine of an int8 vector to the original's (measured: static 0.9999, all-MiniLM-L6-v2 0.98)."""


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for."""

    targets: frozenset[Target]  # ``card`` is in every export; ``onnx`` brings ``sentence-transformers`` with it
    out: Path  # the folder; it must not exist, be empty, or be an earlier export
    name: str  # what the card calls the model
    licence: str | None = None  # the model's licence, for the card
    min_cosine: float = MIN_COSINE  # the least cosine of an int8 vector to the original's


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path  # the export
    files: Mapping[str, int]  # with their sizes in bytes, by name, sorted
    graphs: Mapping[str, Mapping[str, Any]]  # what was measured of each ONNX graph, by file
    sample: str  # what it was measured on; empty without ONNX


def check_out(out: Path, source: Path) -> None:
    """Refuse a folder that holds what isn't ours to replace.

    Raises:
        InputError: if it is a file, holds anything but an earlier export, or is, holds or lies in the model's own folder.
    """
    target, model = out.resolve(), source.resolve()
    if target == model or model in target.parents or target in model.parents:
        raise InputError(out, "is, holds or lies in the model's own folder; expected another one (`--out`)")
    if out.exists() and not out.is_dir():
        raise InputError(out, "is a file; expected a folder, new or empty (`--out`)")
    if out.is_dir() and any(out.iterdir()) and not (out / ABOUT).is_file():
        raise InputError(out, f"holds files, and no {ABOUT} of an earlier export; expected a new or empty folder")


def export(
    source: ExportSource, wanted: ExportRequest, known: KnownOrigin | None, sample: Callable[[], ExportSample]
) -> Exported:
    """Write an export. The same model, parameters and versions give the same bytes.

    Args:
        source: the model.
        wanted: what is written, and where.
        known: how the model was made, for the card.
        sample: the sentences that ONNX graphs are measured on; asked for only then.

    Raises:
        UserError: if ``out`` holds something else, a package is missing, or a graph is too far from the original; nothing is
            written then.
    """
    check_out(wanted.out, source.folder.path)
    onnx = "onnx" in wanted.targets
    if onnx:
        require_onnx()
    with atomic_folder(wanted.out) as folder:
        # The model itself, file by file.
        if onnx or "sentence-transformers" in wanted.targets:
            for file in source.files:
                (folder / file.parent).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.folder.path / file, folder / file)
        # Its graphs, measured before anything is kept.
        measured = sample() if onnx else ExportSample((), "")
        graphs = write_graphs(source, folder, measured, wanted.min_cosine) if onnx else {}
        tokenizer = TOKENIZER_FILE if source.plain_tokenizer else GRAPHS_TOKENIZER
        if onnx and tokenizer == GRAPHS_TOKENIZER:
            source.encoder.tokenizer.backend.save(str(folder / tokenizer))
        # The card, and what marks the folder as an export.
        card = Card(
            wanted.name,
            source.encoder.identity,
            source.static,
            _pad(source),
            graphs,
            measured.source,
            wanted.licence,
            tokenizer,
        )
        write_text(folder / "README.md", render_card(card, known))
        about: dict[str, Any] = {
            "kind": "export",
            "softalign": pipeline.__version__,
            "targets": sorted(wanted.targets),
            "encoder": dict(source.encoder.identity),
        }
        if onnx:
            about["onnx"] = {"graphs": graphs, "sample": measured.source, "min_cosine": wanted.min_cosine}
            about["onnx"] |= {name: version(name) for name in ("onnx", "onnxruntime", "onnxscript")}
        write_text(folder / ABOUT, json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    return Exported(wanted.out, files, graphs, measured.source)


def write_graphs(
    source: ExportSource, folder: Path, sample: ExportSample, min_cosine: float
) -> dict[str, dict[str, Any]]:
    """Write both ONNX graphs and measure them.

    Args:
        source: the model.
        folder: the folder of the export.
        sample: the sentences that they are measured on.
        min_cosine: the least cosine of an int8 vector to the original's.

    Returns:
        By file: `Agreement.as_dict`, and ``bytes`` with the weights beside it.

    Raises:
        UserError: if one is too far from the original.
    """
    (folder / FLOAT32).parent.mkdir()
    batch = source.encoder.tokenize(sample.texts)
    original = source.encoder.encode_tokens(batch)  # first: exporting a transformer changes its attention's form
    model = source.encoder.model
    if isinstance(model, StaticModel) and model.head.parts:
        kind = model.head.parts[0].kind
        raise UserError(
            f"--to onnx: {source.folder.name} has a {kind} behind its mean of token vectors, and of that no graph is made; "
            "expected a static encoder alone, or a transformer"
        )
    if isinstance(model, StaticModel):
        weight = model.weight.detach().numpy()
        for file, int8 in ((FLOAT32, False), (INT8, True)):
            save_graph(static_graph(weight, int8), folder / file)
    elif isinstance(model, TransformerModel):
        write_transformer(model, folder / FLOAT32, source.folder.name)
        write_int8(folder / FLOAT32, folder / INT8)
    else:
        why = source.layout.library[0]
        raise UserError(
            f"--to onnx: {source.folder.name}: {why}; only sentence-transformers computes that, there is no graph"
        )
    limits: dict[str, tuple[float, str | None]] = {FLOAT32: (EXACT, None), INT8: (min_cosine, "--min-cosine")}
    graphs = {}
    for file, (least, option) in limits.items():
        _say_what_it_is(folder / file, source)
        found = _measure(folder / file, source, batch, original)
        require(found, least, file, option)
        size = sum(path.stat().st_size for path in (folder / file).parent.glob(f"{Path(file).name}*"))
        graphs[file] = {**found.as_dict(), "bytes": size}
    return graphs


def _say_what_it_is(path: Path, source: ExportSource) -> None:
    graph = load_graph(path)
    identity = source.encoder.identity
    keys = ("model", "content", "dimension", "max_length", "pooling", "prefix")
    clean(graph, {**{key: identity[key] for key in keys}, "pad": _pad(source), "softalign": pipeline.__version__})
    for weights in path.parent.glob(f"{path.name}_data"):
        weights.unlink()  # written anew: ONNX appends to what is there
    save_graph(graph, path)


def _measure(path: Path, source: ExportSource, batch: Any, original: Any) -> Agreement:
    return compare(original, OnnxModel(path, _pad(source)).encode_tokens(batch))


def _pad(source: ExportSource) -> int:
    return int(getattr(source.encoder.model, "pad", 0))
