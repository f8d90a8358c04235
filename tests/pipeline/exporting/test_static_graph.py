import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

onnx = pytest.importorskip("onnx", reason="onnx is not installed: no graph can be made")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no graph can be run")

from pipeline.artifacts.tokens import TokenBatch  # noqa: E402
from pipeline.exporting.graph import clean  # noqa: E402
from pipeline.exporting.runtime import OnnxModel  # noqa: E402
from pipeline.exporting.static_graph import quantise_rows, static_graph  # noqa: E402

WEIGHT = np.float32([[3, 4, 0], [0, 0, 2], [30, 40, 0], [0, 0, 0]])


def _run(graph, ids, mask):
    clean(graph, {})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"input_ids": np.array(ids, dtype=np.int64), "attention_mask": np.array(mask, dtype=np.int64)}
    return session.run(["sentence_embedding"], feed)[0]


@pytest.mark.parametrize("int8", [False, True])
def test_by_hand(int8):
    # The mean of (3, 4, 0) and (0, 0, 2) is (1.5, 2, 1), of length √7.25; what is masked does not count.
    found = _run(static_graph(WEIGHT, int8), [[0, 1, 2], [0, 3, 3], [1, 1, 1]], [[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    expected = np.float32([[1.5, 2, 1], [0.6 * 7.25**0.5, 0.8 * 7.25**0.5, 0], [0, 0, 0]]) / np.sqrt(7.25)
    np.testing.assert_allclose(found, expected, atol=0.01 if int8 else 1e-6)
    assert not found[2].any()


@pytest.mark.parametrize("int8", [False, True])
def test_padding_changes_nothing(int8):
    graph = static_graph(WEIGHT, int8)
    narrow = _run(graph, [[0, 1]], [[1, 1]])
    wide = _run(graph, [[0, 1, 3, 3, 3]], [[1, 1, 0, 0, 0]])
    np.testing.assert_allclose(narrow, wide, atol=1e-6)


def test_int8_is_about_a_quarter():
    weight = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    whole, small = (len(static_graph(weight, int8).SerializeToString()) for int8 in (False, True))
    assert small < 0.3 * whole


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (7, 5), elements=st.floats(-1e3, 1e3, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)))
def test_quantised_rows_are_within_half_a_step(weight):
    whole, scale = quantise_rows(weight)
    assert whole.dtype == np.int8
    assert np.abs(whole.astype(int)).max() <= 127
    error = np.abs(whole * scale[:, None] - weight)
    assert (error <= scale[:, None] * 0.501).all()
    assert not whole[~weight.any(axis=1)].any()


def test_batches_are_of_one_thread_each_and_the_same_by_any_number_of_them(tmp_path):
    graph = static_graph(WEIGHT, True)
    clean(graph, {})
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    tokens = np.random.default_rng(0).integers(0, 3, 300).astype(np.int32)
    batch = TokenBatch(tokens, np.tile(np.array([7, 0, 3, 5], dtype=np.int64), 20))
    models = [OnnxModel(tmp_path / "model.onnx", 0, threads) for threads in (1, 3)]
    assert all(model.session.get_session_options().intra_op_num_threads == 1 for model in models)
    one, several = (model.encode_tokens(batch, 16) for model in models)
    assert np.array_equal(one, several)
    norms = np.linalg.norm(one, axis=1)
    np.testing.assert_allclose(norms, batch.lengths > 0, atol=1e-6)
