"""Models in other people's layouts, through the commands: the numbers are those of sentence-transformers' vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small import sentence
from st_layouts import build
from typer.testing import CliRunner

from softalign.app import app

run = CliRunner()
NAMES = (
    "labse",
    "embedding-gemma",
    "instructor",
    "qwen3-embedding",
    "static-inside",
    "model2vec",
    "residual",
    "library-prompt",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name in (*NAMES, "static-dense", "distiluse", "lower-case", "instructor-other-poolings"):
        build(root / name, name)
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two aligned texts, as the current one: the second has its words in another order."""
    monkeypatch.chdir(tmp_path)
    a = [sentence(number) for number in range(0, 400, 10)]
    b = [" ".join(reversed(line.split())) for line in a]
    for name, lines in (("a.en", a), ("b.fr", b), ("t/tatoeba.fra-eng.eng", a), ("t/tatoeba.fra-eng.fra", b)):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def softalign(*words: object) -> tuple[int, str, str]:
    done = run.invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def encode(folder: Path, texts: list[str], **options: str) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    found: np.ndarray = model.encode(texts, normalize_embeddings=True, batch_size=1, **options)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["mine", "score"])
def test_cosines_are_sentence_transformers_own(command: str, name: str, models: Path, here: Path):
    code, _, _ = softalign(command, "--model", models / name, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet")
    assert code == 0
    table = pq.read_table("p.parquet")
    assert len(table) >= 10
    a, b = (encode(models / name, table.column(f"text_{side}").to_pylist()) for side in "ab")
    np.testing.assert_allclose(table.column("cosine").to_numpy(), (a * b).sum(axis=1), atol=2e-4)  # float16 vectors


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_sentence_transformers_vectors(name: str, models: Path, here: Path):
    words = ("evaluate", "--benchmark", "tatoeba=t", "--languages", "en,fr")
    assert softalign(*words, "--model", models / name, "--out", "ours.json")[0] == 0
    texts = sorted({*Path("a.en").read_text().splitlines(), *Path("b.fr").read_text().splitlines()})
    np.save("theirs.npy", encode(models / name, texts))
    Path("theirs.txt").write_text("".join(f"{text}\n" for text in texts))
    assert softalign(*words, "--model", "theirs.npy", "--out", "theirs.json")[0] == 0
    ours, theirs = (json.loads(Path(f"{which}.json").read_text()) for which in ("ours", "theirs"))
    means = [one["benchmarks"]["tatoeba"]["mean"] for one in (ours, theirs)]
    assert means[0] == means[1]


@pytest.mark.parametrize("command", ["mine", "score", "evaluate"])
def test_a_prompt_by_name(command: str, models: Path, here: Path):
    inputs = ("--src", "a.en", "--trg", "b.fr", "--out", "p.parquet")
    words = [command, "--model", models / "embedding-gemma"]
    words += (
        ["--benchmark", "tatoeba=t", "--languages", "en,fr", "--out", "e.json"] if command == "evaluate" else inputs
    )
    assert softalign(*words, "--prompt-name", "query")[0] == 0
    if command == "evaluate":
        assert json.loads(Path("e.json").read_text())["model"]["identity"]["prefix"] == "task: river | query: "
    else:
        table = pq.read_table("p.parquet")
        a, b = (
            encode(models / "embedding-gemma", table.column(f"text_{side}").to_pylist(), prompt_name="query")
            for side in "ab"
        )
        np.testing.assert_allclose(table.column("cosine").to_numpy(), (a * b).sum(axis=1), atol=2e-4)
    code, _, errors = softalign(*words, "--prompt-name", "passage")
    assert code == 1
    assert errors.splitlines()[-1].endswith("has no prompt 'passage'; it has 'document', 'query'")
    code, _, errors = softalign(*words, "--prompt-name", "query", "--prefix", "x")
    assert code == 1
    assert errors.splitlines()[-1].startswith("softalign: error: --prompt-name: found ")


@pytest.mark.parametrize("name", ["labse", "distiluse", "lower-case", "instructor-other-poolings", "static-inside"])
def test_a_graph_has_all_that_follows_the_pooling(name: str, models: Path, here: Path):
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=f"{package} is not installed: no ONNX export")
    import onnxruntime
    from tokenizers import Tokenizer

    assert softalign("export", "--model", models / name, "--to", "onnx", "--out", "out", "--min-cosine", 0.5)[0] == 0
    about = json.loads(Path("out/softalign.json").read_text())
    assert about["onnx"]["graphs"]["onnx/model.onnx"]["lowest_cosine"] >= 0.9999
    # as the card says it is used
    file = next(line.split('"')[1] for line in Path("out/README.md").read_text().splitlines() if "from_file" in line)
    tokenizer = Tokenizer.from_file(file)
    tokenizer.enable_truncation(about["encoder"]["max_length"])
    tokenizer.enable_padding(pad_id=0)
    texts = ["River STONE moon", *Path("a.en").read_text().splitlines()[:5]]
    special = about["encoder"]["pooling"] != "static"
    batch = tokenizer.encode_batch([about["encoder"]["prefix"] + text for text in texts], add_special_tokens=special)
    feed = {"input_ids": [one.ids for one in batch], "attention_mask": [one.attention_mask for one in batch]}
    session = onnxruntime.InferenceSession("out/onnx/model.onnx")
    (vectors,) = session.run(["sentence_embedding"], {key: np.array(value) for key, value in feed.items()})
    np.testing.assert_allclose(vectors, encode(models / name, texts), atol=1e-4)
    np.testing.assert_allclose(encode(Path("out"), texts), encode(models / name, texts), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "static-dense",
            "--to onnx: static-dense has a Dense behind its mean of token vectors, and of that no graph is made",
        ),
        (
            "residual",
            "--to onnx: residual: config.json has use_residual: adds its input to its output; only sentence-tr",
        ),
    ],
)
def test_what_has_no_graph_is_one_line_and_its_folder_can_be_had(name: str, message: str, models: Path, here: Path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: no ONNX export")
    code, _, errors = softalign("export", "--model", models / name, "--to", "onnx", "--out", "out")
    assert code == 1
    assert message in errors.splitlines()[-1]
    assert not Path("out").exists()
    assert softalign("export", "--model", models / name, "--to", "sentence-transformers", "--out", "out")[0] == 0
    texts = Path("a.en").read_text().splitlines()
    np.testing.assert_allclose(encode(Path("out"), texts), encode(models / name, texts), atol=1e-6)
