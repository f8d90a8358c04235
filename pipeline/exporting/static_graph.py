"""A static encoder as an ONNX graph: gather, masked mean, normalise.

The mean is one matrix product a sentence, of its mask over its length [1, length] and its token vectors [length, d]; in the
int8 form each token's scale goes into the same product, so nothing is widened to float32 but the bytes themselves.
"""

from __future__ import annotations

from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.exporting.graph import IR_VERSION, OPSET


def quantise_rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale a row: token vectors differ in length by orders of magnitude.

    Args:
        weight: the token vectors [rows, d].

    Returns:
        int8 [rows, d] and scales [rows], whose product is the weight, to half a scale.

    >>> whole, scale = quantise_rows(np.float32([[127.0, -63.4], [0.0, 0.0]]))
    >>> whole.tolist(), scale.tolist()
    ([[127, -63], [0, 0]], [1.0, 1.0])
    """
    largest = np.abs(weight).max(axis=1)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


GRAPH = Template("""
<ir_version: $ir_version, opset_import: ["": $opset]>
static_encoder (int64[batch, length] input_ids, int64[batch, length] attention_mask)
=> (float[batch, $dimension] sentence_embedding)
<int64[1] last = {-1}, int64[1] middle = {1}, float one = {1.0}, float smallest = {1e-12}>
{
    mask = Cast <to = 1> (attention_mask)
    count = ReduceSum <keepdims = 1> (mask, last)
    tokens = Max (count, one)
    share = Div (mask, tokens)
    $gather
    row = Unsqueeze (weights, middle)
    product = MatMul (row, gathered)
    mean = Squeeze (product, middle)
    norm = ReduceL2 <keepdims = 1> (mean, last)
    divisor = Max (norm, smallest)
    sentence_embedding = Div (mean, divisor)
}
""")
"""The graph in ONNX's own notation, which `onnx.parser` reads. A vector is divided by no less than 1e-12, as in torch's
normalize: a sentence of no tokens is zero."""

FLOAT32 = "gathered = Gather (table, input_ids) weights = Identity (share)"
INT8 = """bytes = Gather (table, input_ids) gathered = Cast <to = 1> (bytes)
    scales = Gather (scale, input_ids) weights = Mul (share, scales)"""


def static_graph(weight: NDArray[np.float32], int8: bool = False) -> Any:
    """The graph of a static encoder: an ONNX model from token ids and mask to vectors.

    Args:
        weight: token vectors [vocabulary, d].
        int8: whether they are stored as int8 with a scale each; a quarter of the size.
    """
    from onnx import numpy_helper, parser

    gather = INT8 if int8 else FLOAT32
    text = GRAPH.substitute(ir_version=IR_VERSION, opset=OPSET, dimension=weight.shape[1], gather=gather)
    graph = parser.parse_model(text)
    table, scale = quantise_rows(weight) if int8 else (np.ascontiguousarray(weight), None)
    constants = {"table": table} if scale is None else {"table": table, "scale": scale}
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return graph
