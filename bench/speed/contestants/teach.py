"""Transformer sentence vectors on a CPU, from raw text: ours, sentence-transformers' and its ONNX and OpenVINO backends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import texts
from speed.worker import Clock, Work

BATCH_SIZES = (8, 16, 32, 64, 128)
SAMPLE = 256
"""Sentences by which a peer's batch size is chosen."""


def softalign(options: dict[str, Any]) -> Work:
    """Ours, as stage teach has it: each different sentence once, dtype as in ``teacher.dtype``."""
    import torch

    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    torch.set_num_threads(options["threads"])
    source = resolve_model("teacher.model", options["model"], None, Path())
    settings = EncoderSettings(max_length=options["max_length"], dtype=options.get("dtype", "float32"))
    encoder, sentences = load_encoder(source, settings), texts(options)

    def work(clock: Clock) -> Any:
        place: dict[str, int] = {}
        which = [place.setdefault(sentence, len(place)) for sentence in sentences]
        vectors = encoder.encode_tokens(encoder.tokenize(list(place)))
        return vectors[which]

    return work


def softalign_onnx(options: dict[str, Any]) -> Work:
    """Ours, from the int8 graph of ``softalign export --to onnx``."""
    import torch

    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model
    from pipeline.exporting.runtime import OnnxModel

    torch.set_num_threads(options["threads"])
    source = resolve_model("teacher.model", options["model"], None, Path())
    encoder = load_encoder(source, EncoderSettings(max_length=options["max_length"]))
    graph = Path(options["folder"]) / "export" / "onnx" / "model_int8.onnx"
    model = OnnxModel(graph, int(getattr(encoder.model, "pad", 0)), threads=options["threads"])
    sentences = texts(options)
    return lambda clock: model.encode_tokens(encoder.tokenize(sentences))


def sentence_transformers(options: dict[str, Any]) -> Work:
    """``SentenceTransformer.encode`` (it sorts by length itself) at the batch size that is best on a sample."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(options["threads"])
    model = SentenceTransformer(options["path"], device="cpu")
    return _encoding(model, options)


def sentence_transformers_onnx(options: dict[str, Any]) -> Work:
    """Its ONNX backend in an environment where optimum runs: float32, or its own int8 export for this processor."""
    import onnxruntime
    import torch
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    torch.set_num_threads(options["threads"])
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options["threads"]
    folder = Path(options["folder"]) / ("sentence-transformers-onnx" + ("-float32" if options.get("float32") else ""))
    if not folder.exists():
        plain = SentenceTransformer(options["path"], backend="onnx", model_kwargs={"export": True}, device="cpu")
        plain.save_pretrained(str(folder))
        if not options.get("float32"):
            kind = "avx512_vnni" if torch.cpu.get_capabilities().get("avx512_vnni") else "avx2"
            export_dynamic_quantized_onnx_model(plain, kind, str(folder))
    name = "model.onnx"
    if not options.get("float32"):
        name = next(path.name for path in sorted(folder.glob("onnx/*int8*.onnx")))
    model = SentenceTransformer(
        str(folder),
        backend="onnx",
        device="cpu",
        model_kwargs={"file_name": f"onnx/{name}", "session_options": session, "provider": "CPUExecutionProvider"},
    )
    return _encoding(model, options)


def sentence_transformers_openvino(options: dict[str, Any]) -> Work:
    """Its OpenVINO backend: float32, or static int8 quantisation that is calibrated on the row's own sentences."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(options["threads"])
    float32 = bool(options.get("float32"))
    folder = Path(options["folder"]) / ("sentence-transformers-openvino" + ("-float32" if float32 else ""))
    settings = {"INFERENCE_NUM_THREADS": options["threads"], "PERFORMANCE_HINT": "THROUGHPUT"}
    if float32:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    if not folder.exists():
        plain = SentenceTransformer(options["path"], backend="openvino", model_kwargs={"export": True}, device="cpu")
        plain.save_pretrained(str(folder))
        if not float32:
            _quantise_openvino(plain, folder, texts(options)[:300])
    graph = "openvino_model.xml" if float32 else "openvino_model_qint8.xml"
    model = SentenceTransformer(
        str(folder),
        backend="openvino",
        device="cpu",
        model_kwargs={"file_name": f"openvino/{graph}", "ov_config": settings},
    )
    return _encoding(model, options)


def _quantise_openvino(model: Any, folder: Path, sentences: list[str]) -> None:
    """NNCF's post-training quantisation, as sentence-transformers' own exporter does it, but without a data set hub."""
    import nncf
    import openvino

    graph = openvino.Core().read_model(folder / "openvino" / "openvino_model.xml")
    names = {port.get_any_name() for port in graph.inputs}

    def prepared(sentence: str) -> dict[str, Any]:
        found = model.tokenizer(sentence, return_tensors="np", truncation=True, max_length=128)
        return {name: value for name, value in found.items() if name in names}

    kind = nncf.parameters.ModelType.TRANSFORMER
    quantised = nncf.quantize(graph, nncf.Dataset(sentences, prepared), model_type=kind, subset_size=len(sentences))
    openvino.save_model(quantised, folder / "openvino" / "openvino_model_qint8.xml")


def _encoding(model: Any, options: dict[str, Any]) -> Work:
    model.max_seq_length = options["max_length"]
    sentences = texts(options)

    def encode(part: list[str], size: int) -> Any:
        return model.encode(part, batch_size=size, show_progress_bar=False, normalize_embeddings=True)

    sample, seconds = sentences[:SAMPLE], {}
    encode(sample, BATCH_SIZES[0])
    for size in BATCH_SIZES:
        start = time.process_time()
        encode(sample, size)
        seconds[size] = time.process_time() - start
    best = min(seconds, key=lambda size: seconds[size])
    return lambda clock: {"output": encode(sentences, best), "batch_size": np.asarray(best)}


def matrix_product(options: dict[str, Any]) -> Work:
    """What the machine's float32 matrix product reaches: a square one by MKL or by oneDNN, whichever is faster."""
    import torch

    torch.set_num_threads(options["threads"])
    side, times = options["side"], options["times"]
    a, b = torch.randn(side, side), torch.randn(side, side)
    kernels = {
        "MKL": lambda: torch.mm(a, b),
        "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""),
    }
    seconds = {}
    for name, kernel in kernels.items():
        kernel()
        start = time.perf_counter()
        for _ in range(3):
            kernel()
        seconds[name] = time.perf_counter() - start
    best = min(seconds, key=lambda name: seconds[name])

    def work(clock: Clock) -> Any:
        for _ in range(times):
            kernels[best]()
        return {"output": np.asarray(2 * side**3 * times), "kernel": np.asarray(best)}

    return work
