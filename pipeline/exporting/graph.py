"""ONNX graphs as files: without traces of where they were made, and past protobuf's 2 GB in two files."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.console.errors import UserError

INPUTS = ("input_ids", "attention_mask")
"""Of every graph: int64 [n, length] each."""

VECTORS = "sentence_embedding"
"""The output that every graph has: float32 [n, d], L2-normalised."""

OPSET = 20
"""ONNX operators of version 20 (ONNX Runtime 1.17 and later): the first that has GELU as one operator."""

IR_VERSION = 10
"""The file format of ONNX Runtime 1.18; newer formats would shut older runtimes out for nothing."""

LARGEST = 1_900_000_000
"""Bytes of weights in one file; protobuf ends at 2 GB, and larger models keep their weights beside the graph."""


def require_onnx() -> None:
    """Check that the packages for ONNX are here.

    Raises:
        UserError: naming what to install.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"--to onnx: the package {error.name!r} is not installed; `pip install 'softalign[onnx]'` brings it"
        ) from None


def clean(graph: Any, about: Mapping[str, Any]) -> None:
    """Take out what exporters note of their own (stack traces with this machine's paths), and say what the graph is.

    Args:
        graph: an ONNX model; changed in place.
        about: becomes the metadata entry ``softalign``, as JSON with sorted keys.
    """
    inner = graph.graph
    for part in (graph, inner, *inner.node, *inner.input, *inner.output, *inner.value_info, *inner.initializer):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    graph.ir_version = IR_VERSION
    graph.producer_name, graph.producer_version = "softalign", ""
    entry = graph.metadata_props.add()
    entry.key, entry.value = "softalign", json.dumps(about, sort_keys=True, ensure_ascii=False)


def save_graph(graph: Any, path: Path) -> None:
    """Write a graph; one of more than `LARGEST` bytes as ``NAME.onnx`` and ``NAME.onnx_data`` (Optimum's name for it)."""
    import onnx

    if graph.ByteSize() <= LARGEST:
        onnx.save(graph, path)
        return
    onnx.save(
        graph, path, save_as_external_data=True, all_tensors_to_one_file=True, location=f"{path.name}_data"
    )  # this moves the weights out of `graph`


def load_graph(path: Path) -> Any:
    """Read a graph with its weights."""
    import onnx

    return onnx.load(path)


@contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Without a library's log and warnings of its own internals; what goes wrong is an exception."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
