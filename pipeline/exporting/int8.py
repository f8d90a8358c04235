"""A transformer's graph in int8 for CPUs.

Matrix products: ONNX Runtime's dynamic quantisation, weights with a scale for each output channel, activations measured at
run time. Weights keep seven bits: with eight, sums overflow on CPUs without VNNI (AVX2, plain AVX-512), and the cosine that
was measured here would not hold there; it costs 0.001 of cosine (all-MiniLM-L6-v2). Token tables: a scale for each row; they
are most of a multilingual model, and one scale for a whole table would lose its short rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.exporting.graph import load_graph, quiet, save_graph
from pipeline.exporting.static_graph import quantise_rows

TABLE_ROWS = 256
"""A gathered matrix of fewer rows (token types) is left as it is."""


def write_int8(source: Path, path: Path) -> None:
    """Write the int8 form of a float32 graph (``source``) to a path."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = load_graph(source)
    quantise_tables(graph)
    halfway = path.with_suffix(".tables.onnx")
    save_graph(graph, halfway)
    del graph
    with quiet(""):  # it advises on a step that `optimise` has done
        quantize_dynamic(
            halfway, path, op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=True,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
    for leftover in path.parent.glob(f"{halfway.name}*"):
        leftover.unlink()
    save_graph(load_graph(path), path)


def quantise_tables(graph: Any) -> int:
    """Turn every large table that is only gathered from into int8 with a scale a row; in place.

    Returns:
        How many tables.
    """
    from onnx import TensorProto, helper, numpy_helper

    # Tables large enough to matter, but for those that anything else than a gather of rows reads.
    inner = graph.graph
    tables = {
        tensor.name: tensor
        for tensor in inner.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and tensor.dims[0] >= TABLE_ROWS
    }
    for node in inner.node:
        for place, name in enumerate(node.input):
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
            if name in tables and (node.op_type != "Gather" or place != 0 or axis != 0):
                del tables[name]
    # Each gather becomes one of bytes and one of scales, and their product.
    nodes = []
    for node in inner.node:
        if node.op_type != "Gather" or node.input[0] not in tables:
            nodes.append(node)
            continue
        name, ids, out = node.input[0], node.input[1], node.output[0]
        nodes += [
            helper.make_node("Gather", [f"{name}_int8", ids], [f"{out}_bytes"]),
            helper.make_node("Cast", [f"{out}_bytes"], [f"{out}_wide"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}_scale", ids], [f"{out}_scale"]),
            helper.make_node("Mul", [f"{out}_wide", f"{out}_scale"], [out]),
        ]
    kept = [tensor for tensor in inner.initializer if tensor.name not in tables]
    for name, tensor in tables.items():
        table, scale = quantise_rows(numpy_helper.to_array(tensor))
        kept += [
            numpy_helper.from_array(table, f"{name}_int8"),
            numpy_helper.from_array(scale[:, None], f"{name}_scale"),
        ]
    del inner.node[:], inner.initializer[:]
    inner.node.extend(nodes)
    inner.initializer.extend(kept)
    return len(tables)
