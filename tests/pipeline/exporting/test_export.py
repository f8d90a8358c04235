"""Exports of both kinds of student, used as their users would."""

import json
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from small import sentence

from pipeline.console.errors import InputError, UserError
from pipeline.exporting import agreement, graph, transformer_graph
from pipeline.exporting.export import ABOUT, FLOAT32, INT8, ExportRequest, check_out, export
from pipeline.exporting.sample import ExportSample
from pipeline.exporting.source import open_source

TEXTS = [sentence(number) for number in range(0, 500, 17)] + ["river", sentence(5) + " " + sentence(9)]
SAMPLE = ExportSample(TEXTS, "sentences of a test")


def _export(student: Path, out: Path, *targets: str, **options):
    source = open_source(student)
    return export(source, ExportRequest(frozenset(targets), out, out.name, **options), None, lambda: SAMPLE)


def _needs_onnx() -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason=f"{name} is not installed: no ONNX export")


def _cosines(a, b):
    return (np.asarray(a, dtype=np.float64) * np.asarray(b, dtype=np.float64)).sum(axis=1)


@pytest.fixture(scope="module")
def static_export(static_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    _needs_onnx()
    out = tmp_path_factory.mktemp("out") / "static"
    _export(static_student, out, "onnx")
    return out


@pytest.fixture(scope="module")
def transformer_export(tiny_xlmr: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    _needs_onnx()
    out = tmp_path_factory.mktemp("out") / "transformer"
    _export(tiny_xlmr, out, "onnx")
    return out


def test_sentence_transformers_loads_the_export(static_student: Path, tmp_path: Path):
    from sentence_transformers import SentenceTransformer

    (static_student / "notes.pkl").write_bytes(b"not ours")
    exported = _export(static_student, tmp_path / "out", "sentence-transformers")
    assert "notes.pkl" not in exported.files
    assert {"README.md", ABOUT, "model.safetensors", "modules.json", "tokenizer.json"} <= set(exported.files)
    (static_student / "notes.pkl").unlink()
    source = open_source(static_student)
    ours = source.encoder.encode_tokens(source.encoder.tokenize(TEXTS))
    theirs = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(TEXTS)
    assert _cosines(ours, theirs).min() > 0.99999
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & stat.S_IRUSR


def test_a_card_alone(static_student: Path, tmp_path: Path):
    assert set(_export(static_student, tmp_path / "out", "card").files) == {"README.md", ABOUT}


def test_measured_cosines_stand_in_the_metadata(static_export: Path):
    about = json.loads((static_export / ABOUT).read_text())
    assert set(about["onnx"]["graphs"]) == {FLOAT32, INT8}
    assert about["onnx"]["graphs"][FLOAT32]["lowest_cosine"] >= 0.99999
    assert about["onnx"]["graphs"][INT8]["lowest_cosine"] >= 0.9995
    assert about["onnx"]["sample"] == SAMPLE.source
    assert "| `onnx/model_int8.onnx` |" in (static_export / "README.md").read_text()


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_the_lines_of_the_card_run(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    folder = request.getfixturevalue(f"{kind}_export")
    page = (folder / "README.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "onnxruntime" in block)
    monkeypatch.chdir(folder.parent)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102  (the code that the card shows its readers)
    source = open_source(folder)
    expected = source.encoder.encode_tokens(source.encoder.tokenize(["Saves the image."]))
    assert _cosines(names["vectors"], expected).min() > 0.97


def test_a_transformers_graphs_say_what_they_are_and_nothing_of_this_machine(transformer_export: Path):
    import onnx

    for file in (FLOAT32, INT8):
        model = onnx.load(transformer_export / file)
        (entry,) = model.metadata_props
        about = json.loads(entry.value)
        assert about["prefix"] == ""
        assert about["dimension"] == 32
        assert {"last_hidden_state", "sentence_embedding"} == {out.name for out in model.graph.output}
        assert str(Path(__file__).parents[3]).encode() not in (transformer_export / file).read_bytes()
        assert b"site-packages" not in (transformer_export / file).read_bytes()


def test_the_same_model_gives_the_same_bytes(static_student: Path, static_export: Path, tmp_path: Path):
    again = tmp_path / static_export.name
    _export(static_student, again, "onnx")
    for file in sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file()):
        assert (again / file).read_bytes() == (static_export / file).read_bytes(), file


def test_large_graphs_keep_their_weights_beside_them(
    static_student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _needs_onnx()
    monkeypatch.setattr(graph, "LARGEST", 1000)
    monkeypatch.setattr(transformer_graph, "LARGEST", 1000)
    exported = _export(static_student, tmp_path / "out", "onnx")
    assert {f"{FLOAT32}_data", f"{INT8}_data"} <= set(exported.files)
    size = sum(exported.files[name] for name in (FLOAT32, f"{FLOAT32}_data"))
    assert exported.graphs[FLOAT32]["bytes"] == size
    assert exported.graphs[INT8]["lowest_cosine"] > 0.999


def test_too_far_from_the_original_is_refused_and_nothing_written(static_student: Path, tmp_path: Path):
    _needs_onnx()
    with pytest.raises(UserError, match=r"expected at least 1\.0; nothing was written \(lower --min-cosine"):
        _export(static_student, tmp_path / "out", "onnx", min_cosine=1.0)
    assert not list(tmp_path.iterdir())


def test_a_wrong_graph_is_refused(static_student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _needs_onnx()
    from pipeline.exporting import export as module

    monkeypatch.setattr(module, "static_graph", lambda weight, int8: graph_of(weight[::-1].copy(), int8))
    from pipeline.exporting.static_graph import static_graph as graph_of

    with pytest.raises(UserError, match=rf"expected at least {agreement.EXACT}; .*please report"):
        _export(static_student, tmp_path / "out", "onnx")


def test_out_must_be_ours(static_student: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    check_out(mine, static_student)
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds files, and no softalign\.json"):
        check_out(mine, static_student)
    with pytest.raises(InputError, match="is a file"):
        check_out(mine / "thesis.txt", static_student)
    for inside in (static_student, static_student / "onnx", static_student.parent):
        with pytest.raises(InputError, match="the model's own folder"):
            check_out(inside, static_student)


def test_an_earlier_export_is_replaced_whole(static_student: Path, tmp_path: Path):
    out = tmp_path / "out"
    _export(static_student, out, "sentence-transformers")
    _export(static_student, out, "card")
    assert sorted(path.name for path in out.iterdir()) == ["README.md", ABOUT]


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_no_encoders_folder(what: str, tmp_path: Path):
    folder = tmp_path / what
    if what == "empty":
        folder.mkdir()
    said = {"missing": "no such folder", "empty": "no encoder's folder: it has no modules.json"}[what]
    with pytest.raises(InputError, match=said):
        open_source(folder)


def test_a_missing_package_is_named(static_student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'softalign\[onnx\]'"):
        _export(static_student, tmp_path / "out", "onnx")
    assert not list(tmp_path.iterdir())


def test_mteb_runs_the_export(static_student: Path, tmp_path: Path):
    mteb = pytest.importorskip("mteb", reason="mteb is not installed: the export can't be tried in it")
    import datasets
    from mteb.tasks import STSBenchmarkSTS
    from sentence_transformers import SentenceTransformer

    _export(static_student, tmp_path / "out", "sentence-transformers")

    class Tiny(STSBenchmarkSTS):
        def load_data(self, *args: object, **options: object) -> None:
            rows = {
                "sentence1": [sentence(n) for n in range(6)],
                "sentence2": [sentence(n) if n % 2 else sentence(n * 7 + 3) for n in range(6)],
                "score": [5.0 if n % 2 else 0.0 for n in range(6)],
            }
            self.dataset = {"test": datasets.Dataset.from_dict(rows)}
            self.data_loaded = True

    model = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    result = mteb.evaluate(model, Tiny(), cache=None)
    assert result.task_results[0].scores["test"][0]["cosine_spearman"] > 0.8
