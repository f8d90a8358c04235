"""bench/gpu: a pack made of a tiny project, and everything that is measured of it, on a CPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from imports import ROOT
from small import make_transformer, sentence
from tiny_project import translation, write_project

from stages import prepare, tokenize
from stages.running.command import Project

GPU = ROOT / "bench" / "gpu"
MISSING = ("polars", "ruamel", "faiss", "dvc")
"""Packages that the machine with the card needn't have."""


@pytest.fixture(scope="module", autouse=True)
def gpu_on_path():
    before = list(sys.path)
    sys.path.insert(0, str(GPU))
    yield
    sys.path[:] = before


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_transformer(tmp_path_factory.mktemp("models") / "tiny-e5", kind="xlm-roberta", prompts=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Project:
    root = write_project(
        tmp_path_factory.mktemp("project"),
        model,
        120,
        student={"kind": "pretrained", "model": str(model), "trim_vocabulary": True, "dimension": 32},
        train={
            "loss": [{"name": "soft"}, {"name": "corpus", "anchors": 8, "neighbors": 2}],
            "batches": "neighbors",
            "neighbors_per_pair": 1,
            "learning_rate": 1e-3,
            "steps": 4,
        },
    )
    folder = root / "tatoeba"
    folder.mkdir()
    texts = [sentence(number * 11 + 3) for number in range(20)]
    (folder / "tatoeba.fra-eng.eng").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "tatoeba.fra-eng.fra").write_text("\n".join(map(translation, texts)) + "\n", encoding="utf-8")
    for stage in (prepare, tokenize):
        stage.run(Project.open(root))
    return Project.open(root)


@pytest.fixture(scope="module")
def pack(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pack import Wanted, make_pack

    folder = tmp_path_factory.mktemp("packed") / "pack"
    more = [("tatoeba", project.layout.root / "tatoeba")]
    make_pack(project, folder, Wanted(40, 12, more, 60, str(project.params.student.model)))
    return folder


def test_pairs_keep_their_tokens(project: Project, pack: Path):
    from contents import Contents

    from pipeline.artifacts.folders import TokenFolder
    from pipeline.artifacts.pairs import PairFolder

    found = Contents.read(pack)
    assert {name: len(rows) for name, rows in found.pairs.items()} == {"en-fr": 40}
    sides = [TokenFolder(project.layout.tokens / "student" / language) for language in ("en", "fr")]
    pairs = PairFolder(project.layout.pairs / "en-fr")
    rows = [side.rows_of(keys) for side, keys in zip(sides, (pairs.a, pairs.b), strict=True)]
    there = {
        tuple(tuple(side.select(np.array([row])).tokens.tolist()) for side, row in zip(sides, both, strict=True))
        for both in zip(*rows, strict=True)
    }
    packed = found.sentences["en"], found.sentences["fr"]
    for both in found.pairs["en-fr"]:
        one = tuple(tuple(part.select(np.array([row])).tokens.tolist()) for part, row in zip(packed, both, strict=True))
        assert one in there
    assert [(task.benchmark, len(task.a), task.gold) for task in found.scored] == [
        ("dev", len(found.scored[0].a), None),
        ("tatoeba", 20, None),
    ]
    assert len(found.texts) == 12
    assert found.about["train"]["loss"][0]["name"] == "soft"


def test_weights_come_back_within_half_a_step(pack: Path, model: Path, tmp_path: Path):
    from contents import shrink_model, widen_model
    from safetensors.numpy import load_file

    shutil.copytree(model, tmp_path / "packed")
    shrink_model(tmp_path / "packed")
    widen_model(tmp_path / "packed", tmp_path / "wide")
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "wide"))
    assert before.keys() == after.keys()
    for name, values in before.items():
        if values.ndim == 2 and values.shape[1] % 32 == 0 and "position" not in name:
            blocks, again = values.reshape(-1, 32), after[name].reshape(-1, 32)
            step = np.abs(blocks).max(axis=1, keepdims=True) / 8
            assert (np.abs(blocks - again) <= step * 1.01).all()
            assert np.abs(blocks - again).mean() < step.mean() / 2
        else:
            np.testing.assert_array_equal(values, after[name])
    # What has been in blocks of four bits once comes back as it was.
    shutil.copytree(tmp_path / "wide", tmp_path / "packed again")
    shrink_model(tmp_path / "packed again")
    widen_model(tmp_path / "packed again", tmp_path / "wide again")
    again = load_file(tmp_path / "wide again" / "model.safetensors")
    assert all(np.array_equal(after[name], again[name]) for name in after)


def test_every_part_runs_without_what_the_machine_lacks(pack: Path, tmp_path: Path):
    """In a process that can't import what the machine with the card doesn't have."""
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "from importlib.machinery import PathFinder\n"
        "found = PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        f"    return None if name.split('.')[0] in {MISSING!r} else found(name, path, target)\n"
        "PathFinder.find_spec = staticmethod(find_spec)\n"
    )
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        ["sh", str(GPU / "run.sh"), str(pack), str(out), "--device", "cpu", "--quick"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert set(found["rate"]) == {"bfloat16", "float32"}
    assert found["teach"]["all"]["sentences"] == found["mining"]["rows"][0] + found["mining"]["rows"][1]
    assert 0.999 < found["teach"]["from text"]["cosine"]["mean"] < 1 + 1e-6
    assert found["train"]["ours"]["pairs/s"] > 0 < found["train"]["plain"]["pairs/s"]
    assert found["train"]["scores before"].keys() == found["train"]["scores after"].keys() == {"dev", "tatoeba"}
    assert found["mining"]["torch.topk"]["same nearest"] > 0.9
    assert "pairs/s" in done.stdout
    assert (found["train"]["loss terms"], found["train"]["batches"]) == ("soft + mse", "random")
    assert "steps (soft + mse; random batches)" in done.stdout


def test_neighbours_are_the_nearest_others(pack: Path, tmp_path: Path):
    """The point itself isn't among them, even where copies of it stand before it."""
    import torch
    from contents import Contents
    from measure import QUICK, Bench, found_neighbors

    contents = Contents.read(pack)
    contents.about["neighbors"] = 2
    bench = Bench(contents, tmp_path, torch.device("cpu"), QUICK, 0.0, tmp_path / "out.json")
    vectors = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    found = found_neighbors(bench, vectors).point
    assert found.shape == (6, 2)
    assert all(row not in near for row, near in enumerate(found.tolist()))
    assert all(set(near) <= {0, 1, 2, 3} for near in found[:4].tolist())
    assert found[4].tolist()[0] == 5
    assert found[5].tolist()[0] == 4
    # Who asks for none needs none.
    from table import needs_neighbors

    assert needs_neighbors({"batches": "neighbors", "loss": [{"name": "soft"}]})
    assert needs_neighbors({"batches": "random", "loss": [{"name": "corpus", "neighbors": 2}]})
    assert not needs_neighbors({"batches": "random", "loss": [{"name": "soft", "neighbors": 0}]})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: (folder / "arrays.npz").write_bytes(b"PK"), "no pack"),
        (lambda folder: (folder / "contents.json").write_text('{"form": 0}'), "found form 0, expected 3"),
        (lambda folder: next((folder / "model").glob("*.q4")).write_bytes(b"\0" * 9), "no weights in blocks"),
        (lambda folder: next((folder / "model").glob("*.q4")).unlink(), "holds no *.safetensors.q4"),
    ],
)
def test_a_damaged_pack_is_named(pack: Path, tmp_path: Path, change, expected: str):
    from contents import Contents, widen_model

    from pipeline.console.errors import InputError

    folder = tmp_path / "pack"
    shutil.copytree(pack, folder)
    change(folder)
    with pytest.raises(InputError, match="pack") as raised:
        Contents.read(folder)
        widen_model(folder / "model", tmp_path / "wide")
    assert expected in str(raised.value)


def test_a_pack_that_is_too_large_says_so(project: Project, tmp_path: Path):
    from pack import Wanted, make_pack

    from pipeline.console.errors import UserError

    with pytest.raises(UserError, match=r"--pairs: 40 pairs make a pack of .* expected at most 0"):
        make_pack(project, tmp_path / "pack", Wanted(40, 12, mib=0))
    assert not (tmp_path / "pack").exists()


def test_a_table_of_losses_and_a_student_brought_back(pack: Path, tmp_path: Path):
    """Groups choose by dev, the best is repeated; what is brought back is the trained student within a hundredth."""
    import torch
    from bring_back import bring_back
    from contents import Contents, read_difference, write_difference

    from pipeline.encoders.load import EncoderSettings, load_model

    train = {"loss": [{"name": "soft"}], "batches": "random", "learning_rate": 1e-3, "warmup_steps": 0}
    runs = {
        "common": {"steps": 3, "batch_size": 8, "seeds": [1, 2], "train": train},
        "runs": [
            {"name": "hard", "group": "a", "train": {"loss": [{"name": "hard"}]}},
            {"name": "soft", "group": "a", "start_weights": [0.0, 0.5], "keep": True},
            {"name": "long", "steps": 1000, "seconds": 1.5, "keep": True, "seeds": [1]},
            {"name": "average", "labels": "average", "train": {"loss": [{"name": "soft"}, {"name": "own"}]}},
            {
                "name": "corpus, other teacher",
                "teacher": "teacher",
                "train": {"loss": [{"name": "corpus", "anchors": 4, "neighbors": 2}]},
            },
            {"name": "wrong", "train": {"loss": [{"name": "own"}]}},
        ],
    }
    (tmp_path / "runs.json").write_text(json.dumps(runs))
    out = tmp_path / "out"
    command = ["sh", str(GPU / "run.sh"), str(pack), str(out), "--table", str(tmp_path / "runs.json")]
    done = subprocess.run(
        [*command, "--device", "cpu", "--quick", "--workers", "2"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads((out / "table.json").read_text())
    lost = [one for one in found["runs"] if "scores" not in one]
    assert [one["name"] for one in lost] == ["wrong"] and "labels.strategy" in lost[0]["failed"]
    by_group: dict[str, list[int]] = {}
    for one in found["runs"]:
        by_group.setdefault(one["group"], []).append(one["seed"])
    assert sorted(by_group["a"]) == [1, 1, 2] and sorted(by_group["average"]) == [1, 2]
    soft = next(one for one in found["runs"] if one["name"] == "soft")
    long = next(one for one in found["runs"] if one["name"] == "long")
    assert (
        long["steps"] >= 40 and "note" not in long
    )  # as many as fit into its seconds, and at least what it takes to know
    assert soft["scores"].keys() == {"0.0", "0.5"} and set(soft["scores"]["0.0"]) == {"dev", "tatoeba"}

    bring_back(pack, out / "student", tmp_path / "student", 0.0)
    contents, settings = Contents.read(pack), EncoderSettings()
    student = load_model(tmp_path / "student", settings)
    from measure import QUICK
    from table import Scorer, on_dev

    # The better one of the two, with the same scores as it had where it was trained.
    kept = max((soft, long), key=lambda one: max(map(on_dev, one["scores"].values())))
    again = Scorer.of(contents, QUICK).of_model(student)
    assert again["tatoeba"] == pytest.approx(kept["scores"]["0.0"]["tatoeba"], abs=3)
    assert again["dev"] == pytest.approx(kept["scores"]["0.0"]["dev"], abs=3)

    start = {"layer.weight": torch.randn(70, 33), "bias": torch.zeros(5)}
    trained = {name: value + torch.randn_like(value) for name, value in start.items()}
    import contents as module

    module.PART_BYTES, before = 1_000, module.PART_BYTES
    try:
        write_difference(start, trained, tmp_path / "brought")
    finally:
        module.PART_BYTES = before
    assert len(list((tmp_path / "brought").iterdir())) > 1
    changed = read_difference(tmp_path / "brought")
    assert torch.equal(changed["bias"], trained["bias"])
    change = trained["layer.weight"] - start["layer.weight"]
    limit = change.abs().max(dim=1, keepdim=True).values / 254 * 1.01
    assert ((changed["layer.weight"] - change).abs() <= limit).all()
