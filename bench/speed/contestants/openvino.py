"""OpenVINO in the ways in which it can have all cores: by sentence-transformers, or with requests side by side.

sentence-transformers waits for each batch; then ``LATENCY`` gives the batch all cores. With ``THROUGHPUT`` a batch has one
stream's cores, and only requests that don't wait for each other use the rest: an `AsyncInferQueue`, by which OpenVINO's own
documentation and benchmark do it. Whichever is fastest on a sample runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import read
from speed.contestants.sentence_transformers import Encode, best_of, encoded_by, exported, reopened
from speed.worker import Work


def teach(options: dict[str, Any]) -> Work:
    """Sentences to vectors: float32, or static int8 quantisation that is calibrated on the row's own sentences."""
    plain, folder = exported(options, "openvino")
    name, settings = "openvino_model.xml", {"INFERENCE_NUM_THREADS": options["threads"]}
    if options.get("float32"):
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    else:
        name = "openvino_model_qint8.xml"
        _quantise(plain, folder / "openvino", read(options)[:300])
    ways: dict[str, Encode] = {}
    for hint in ("LATENCY", "THROUGHPUT"):
        given = {"file_name": f"openvino/{name}", "ov_config": {**settings, "PERFORMANCE_HINT": hint}}
        model = reopened(folder, "openvino", given)
        ways[f"encode, {hint}"] = encoded_by(model, options)
    for streams in sorted({options["threads"], 2 * options["threads"]}):
        ways[f"{streams} streams"] = _streams(model, folder / "openvino" / name, {**settings, "NUM_STREAMS": streams})
    return best_of(ways, options)


def _streams(model: Any, graph: Path, settings: dict[str, Any]) -> Encode:
    """As many batches at a time as there are streams, sentences by length, and the mean of each one's token vectors."""
    import openvino

    compiled = openvino.compile_model(graph, "CPU", settings)
    names = {port.get_any_name() for port in compiled.inputs}
    queue = openvino.AsyncInferQueue(compiled)

    def encode(part: list[str], size: int) -> Any:
        order = sorted(range(len(part)), key=lambda row: len(part[row]))
        vectors = np.empty((len(part), compiled.outputs[0].partial_shape[2].get_length()), dtype=np.float32)

        def done(request: Any, given: tuple[list[int], Any]) -> None:
            rows, mask = given
            hidden = request.get_output_tensor(0).data
            total = (hidden * mask[:, :, None]).sum(axis=1)
            vectors[rows] = total / np.linalg.norm(total, axis=1, keepdims=True)

        queue.set_callback(done)
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            found = model.tokenizer(
                [part[row] for row in rows], return_tensors="np", padding=True, truncation=True,
                max_length=model.max_seq_length,
            )  # fmt: skip
            feed = {key: value for key, value in found.items() if key in names}
            queue.start_async(feed, (rows, found["attention_mask"].astype(np.float32)))
        queue.wait_all()
        return vectors

    return encode


def _quantise(model: Any, folder: Path, sentences: list[str]) -> None:
    """NNCF's post-training quantisation, as sentence-transformers' own exporter does it, but without a data set hub."""
    import nncf
    import openvino

    graph = openvino.Core().read_model(folder / "openvino_model.xml")
    names = {port.get_any_name() for port in graph.inputs}

    def prepared(sentence: str) -> dict[str, Any]:
        found = model.tokenizer(sentence, return_tensors="np", truncation=True, max_length=128)
        return {name: value for name, value in found.items() if name in names}

    kind = nncf.parameters.ModelType.TRANSFORMER
    quantised = nncf.quantize(graph, nncf.Dataset(sentences, prepared), model_type=kind, subset_size=len(sentences))
    openvino.save_model(quantised, folder / "openvino_model_qint8.xml")
