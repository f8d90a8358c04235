"""A static encoder as an ONNX graph: gather, masked mean, normalise.

The mean is one matrix product a sentence, of its mask over its length [1, length] and its token vectors [length, d]; in the
int8 form each token's scale goes into the same product, so nothing is widened to float32 but the bytes themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.exporting.graph import INPUTS, OPSET, VECTORS

SMALLEST_NORM = 1e-12
"""A vector is divided by no less, as in torch's normalize: a sentence of no tokens is zero."""


def quantise_rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale a row: token vectors differ in length by orders of magnitude.

    Args:
        weight: [rows, d].

    Returns:
        int8 [rows, d] and scales [rows], whose product is the weight, to half a scale.

    >>> whole, scale = quantise_rows(np.float32([[127.0, -63.4], [0.0, 0.0]]))
    >>> whole.tolist(), scale.tolist()
    ([[127, -63], [0, 0]], [1.0, 1.0])
    """
    largest = np.abs(weight).max(axis=1)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def static_graph(weight: NDArray[np.float32], int8: bool = False) -> Any:
    """The graph of a static encoder.

    Args:
        weight: token vectors [vocabulary, d].
        int8: store them as int8 with a scale each; a quarter of the size.

    Returns:
        An ONNX model: `INPUTS` to `VECTORS`.
    """
    from onnx import TensorProto, helper, numpy_helper

    dimension = weight.shape[1]
    table, scale = quantise_rows(weight) if int8 else (weight, None)
    constants = {
        "table": np.ascontiguousarray(table),
        "one": np.float32(1),
        "last": np.array([-1], dtype=np.int64),
        "middle": np.array([1], dtype=np.int64),
        "smallest": np.float32(SMALLEST_NORM),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("ReduceSum", ["mask", "last"], ["count"], keepdims=1),
        node("Max", ["count", "one"], ["tokens"]),
        node("Div", ["mask", "tokens"], ["share"]),
    ]
    if scale is None:
        nodes += [node("Gather", ["table", "input_ids"], ["gathered"]), node("Identity", ["share"], ["weights"])]
    else:
        constants["scale"] = scale
        nodes += [
            node("Gather", ["table", "input_ids"], ["bytes"]),
            node("Cast", ["bytes"], ["gathered"], to=TensorProto.FLOAT),
            node("Gather", ["scale", "input_ids"], ["scales"]),
            node("Mul", ["share", "scales"], ["weights"]),
        ]
    nodes += [
        node("Unsqueeze", ["weights", "middle"], ["row"]),
        node("MatMul", ["row", "gathered"], ["product"]),
        node("Squeeze", ["product", "middle"], ["mean"]),
        node("ReduceL2", ["mean", "last"], ["norm"], keepdims=1),
        node("Max", ["norm", "smallest"], ["divisor"]),
        node("Div", ["mean", "divisor"], [VECTORS]),
    ]
    graph = helper.make_graph(
        nodes,
        "static_encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in INPUTS],
        [helper.make_tensor_value_info(VECTORS, TensorProto.FLOAT, ["batch", dimension])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
