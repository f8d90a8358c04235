import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: no graph can be made")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no graph can be run")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from pipeline.exporting.graph import clean  # noqa: E402
from pipeline.exporting.int8 import TABLE_ROWS, quantise_tables  # noqa: E402


def _graph(table, use_twice=False):
    nodes = [helper.make_node("Gather", ["table", "ids"], ["out"])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    if use_twice:
        nodes.append(helper.make_node("Abs", ["table"], ["other"]))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "l"])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(table, "table")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def _table(rows):
    # Rows of lengths from 0.001 to 1,000: one scale for all would lose the short ones.
    table = np.random.default_rng(0).normal(size=(rows, 8))
    return (table * np.logspace(-3, 3, rows)[:, None]).astype(np.float32)


def test_every_row_keeps_its_direction():
    table = _table(TABLE_ROWS)
    graph = _graph(table)
    assert quantise_tables(graph) == 1
    clean(graph, {})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.arange(TABLE_ROWS).reshape(4, -1)
    (found,) = session.run(["out"], {"ids": ids})
    found, expected = found.reshape(table.shape), table[ids.ravel()]
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.9995


def test_small_tables_and_those_used_otherwise_stay():
    assert quantise_tables(_graph(_table(TABLE_ROWS - 1))) == 0
    graph = _graph(_table(TABLE_ROWS), use_twice=True)
    before = graph.SerializeToString()
    assert quantise_tables(graph) == 0
    assert graph.SerializeToString() == before
