"""Stage evaluate's benchmarks, in a project whose earlier artifacts are made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from benchmark_files import encode, lines, sentence, write_stsb, write_tatoeba
from tiny_project import write_project

from pipeline.console.errors import UserError
from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.evaluation.results import read_result
from stages.inputs.benchmarks import run_benchmarks
from stages.running.command import Project

PEERS = [
    {"name": "before", "own": "untrained"},
    {"name": "english", "own": "teacher"},
    {"name": "closed", "vectors": "v.npy"},
]


@pytest.fixture
def project(tmp_path: Path, tiny_teacher: Path, write_sentences, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    write_tatoeba(tmp_path / "tatoeba", ("fra", "jpn"))
    write_stsb(tmp_path / "stsb")
    texts = sorted({line for path in tmp_path.rglob("tatoeba.*") for line in path.read_text().splitlines()})
    np.save(tmp_path / "v.npy", encode(texts))
    lines(tmp_path / "v.txt", texts)
    benchmarks = [{"name": "tatoeba", "kind": "tatoeba", "path": "tatoeba"}]
    write_project(
        tmp_path, tiny_teacher, pairs=5, evaluate={"bootstrap": 100, "benchmarks": benchmarks, "peers": PEERS}
    )
    for code, language in (("eng", "en"), ("fra", "fr")):
        write_sentences(tmp_path / "data" / "sentences" / language, [sentence(n, code) for n in range(35, 60)])
    tokenizer = train_tokenizer(iter(texts), 300)
    (tmp_path / "data" / "tokenizer").mkdir(parents=True)
    tokenizer.save(str(tmp_path / "data" / "tokenizer" / "tokenizer.json"))
    torch.manual_seed(0)
    student = StaticModel(torch.randn(tokenizer.get_vocab_size(), 16))
    (tmp_path / "models" / "student").mkdir(parents=True)
    save_encoder(student, TextTokenizer(tokenizer, "", 16, special_tokens=False), tmp_path / "models" / "student")
    return Project.open(tmp_path)


def test_student_and_peers_on_benchmarks(project: Project, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    metrics = run_benchmarks(project, out)
    assert list(metrics["benchmarks"]) == ["tatoeba"]
    assert set(metrics["benchmarks"]["tatoeba"]) == {
        "accuracy",
        "clean",
        "seen",
    }  # one task: Japanese is not the project's
    assert metrics["benchmarks"]["tatoeba"]["seen"] == pytest.approx(10 / 80)
    assert set(metrics["peers"]) == {"before", "english", "closed"}
    assert metrics["peers"]["english"] == {}  # it labels English only, and no task is English alone
    student, closed = (read_result(out / f"{name}.json") for name in ("student", "closed"))
    assert student.items["tatoeba"].keys() == {"fr-en"}
    assert student.clean["tatoeba"]["fr-en"].tolist() == [True] * 35 + [False] * 5
    assert closed.ids["tatoeba"]["fr-en"].equals(student.ids["tatoeba"]["fr-en"])
    assert "unknown_tokens" in student.about["benchmarks"]["tatoeba"]
    assert read_result(out / "before.json").about["model"]["identity"]["seed"] == 7
    store = {path.parent.name for path in (tmp_path / "data" / "store").rglob("*.arrow")}
    assert len(store) == 2  # student and student before training
    again = tmp_path / "again"
    again.mkdir()
    assert run_benchmarks(project, again) == metrics
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_a_benchmark_that_is_not_there(project: Project, tmp_path: Path):
    (tmp_path / "tatoeba").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"tatoeba: no such folder; expected the files of tatoeba \(tatoeba\)"):
        run_benchmarks(project, tmp_path / "out")
