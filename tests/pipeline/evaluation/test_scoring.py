from pathlib import Path

import numpy as np
import pytest
from benchmark_files import DIMENSION, encode, lines, write_bucc, write_flores, write_stsb, write_tatoeba
from small import make_transformer, sentence

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.evaluation.embedded import MeasuredModel, as_model, embed_texts, unknown_shares
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.run import Evaluation
from pipeline.evaluation.scoring import score_benchmark
from pipeline.evaluation.xsim import nearest_by_margin


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 6)) + 1
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def naive_xsim(x: np.ndarray, y: np.ndarray, k: int) -> list[int]:
    """For each x, the candidate with the greatest cosine over the mean of both sentences' k greatest cosines."""
    cosine = x.astype(np.float64) @ y.T.astype(np.float64)
    mean_x = np.sort(cosine, axis=1)[:, -k:].mean(axis=1)
    mean_y = np.sort(cosine, axis=0)[-k:].mean(axis=0)
    found = []
    for row in range(len(x)):
        nearest = np.argsort(-cosine[row])[:k]
        found.append(max(nearest, key=lambda column: cosine[row, column] / ((mean_x[row] + mean_y[column]) / 2)))
    return found


def test_xsim_is_the_naive_one():
    x = unit(60, 0)
    y = x + 0.35 * unit(60, 1)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    forward, backward = nearest_by_margin(x, y)
    assert forward.tolist() == naive_xsim(x, y, 4)
    assert backward.tolist() == naive_xsim(y, x, 4)
    assert 0 < (forward != np.arange(60)).sum() < 60


def test_a_sentence_without_a_vector_finds_nothing_and_is_found_by_none():
    x = unit(9, 0)
    y = x.copy()
    x[2] = y[5] = 0
    forward, backward = nearest_by_margin(x, y)
    assert forward[2] == backward[5] == -1
    assert 5 not in forward
    assert 2 not in backward
    assert nearest_by_margin(np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32))[0].tolist() == [-1, -1, -1]


def test_flores_has_means_intervals_and_xsim(tmp_path: Path):
    benchmark = read_benchmark("flores", "flores", write_flores(tmp_path))
    score = score_benchmark(benchmark, encode, "mine", resamples=200)
    assert score.main == "accuracy"
    assert score.means["accuracy"] == pytest.approx(np.mean([task.main for task in score.tasks]))
    low, high = score.mean_intervals["accuracy"]
    assert low < score.means["accuracy"] < high
    assert 0 < score.means["xsim"] < 1
    again = score_benchmark(benchmark, encode, "mine", resamples=200)
    assert (again.means, again.mean_intervals) == (score.means, score.mean_intervals)


def test_a_perfect_encoder_and_scale_do_not_matter(tmp_path: Path):
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path))

    def perfect(texts: list[str]) -> np.ndarray:
        return 1 + 100 * np.stack([np.random.default_rng(int(text.split()[1])).normal(size=30) for text in texts])

    score = score_benchmark(benchmark, perfect, resamples=0)
    assert score.means == {"accuracy": 1.0, "forward": 1.0, "backward": 1.0, "f1": 1.0}
    assert score.mean_intervals == {}
    scaled = score_benchmark(benchmark, lambda texts: 7 * encode(texts), resamples=0)
    assert scaled.means == pytest.approx(score_benchmark(benchmark, encode, resamples=0).means)


def test_bucc_tunes_on_training_and_freezes_for_the_test(tmp_path: Path):
    benchmark = read_benchmark("bucc", "bucc", write_bucc(tmp_path))
    score = score_benchmark(benchmark, encode, resamples=100)
    task = score.tasks[0]
    assert set(task.values) == {"f1", "precision", "recall"}
    assert 0.5 < task.main <= 1
    assert task.more["threshold"] > 0
    counts = {name: int(task.items.columns[name].sum()) for name in ("extracted", "correct", "wanted")}
    assert counts["wanted"] == 20
    assert task.main == pytest.approx(2 * counts["correct"] / (counts["extracted"] + counts["wanted"]))
    first, second = task.item_texts()
    assert len(first) == len(second) == len(task.items)


def test_bucc_when_nothing_right_is_mined(tmp_path: Path):
    folder = write_bucc(tmp_path, rows=10, gold=2)
    lines(folder / "fr-en" / "fr-en.training.gold", ["fr-000000000\ten-000000009"])
    with pytest.raises(UserError, match="no threshold can be tuned"):
        score_benchmark(read_benchmark("bucc", "bucc", folder), encode)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda texts: np.full((len(texts), 3), np.nan), "gave a vector that is not finite"),
        (lambda texts: np.full((len(texts), 3), np.inf), "gave a vector that is not finite"),
        (lambda texts: np.ones((len(texts) - 1, 3)), r"gave vectors of shape \(\d+, 3\)"),
        (lambda texts: np.ones(len(texts)), "expected"),
        (lambda texts: np.empty((len(texts), 0)), "expected"),
        (lambda texts: ["no", "numbers"], "mine: could not embed"),
        (lambda texts: np.ones((len(texts), 3)), "all cosines are equal; nothing correlates"),
    ],
)
def test_a_model_that_gives_no_use(tmp_path: Path, bad, message: str):
    benchmark = read_benchmark("s", "stsb", write_stsb(tmp_path))
    with pytest.raises(UserError, match=message) as caught:
        score_benchmark(benchmark, bad, "mine")
    assert str(caught.value).startswith("mine: ")


def test_sentences_without_a_vector_are_counted(tmp_path: Path):
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path, ("fra",)))

    def partly(texts: list[str]) -> np.ndarray:
        return encode(texts) * np.array([["fra 3 " not in text] for text in texts])

    assert score_benchmark(benchmark, partly, resamples=0).tasks[0].more == {"without_vector": 1}


class Counting:
    """An `Encoder` that counts what it is asked."""

    dimension = DIMENSION
    identity = {"model": "counting", "revision": None}  # noqa: RUF012

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.asked = 0

    def tokenize(self, texts):
        self.texts = list(texts)
        return TokenBatch.from_lists([[1]] * len(texts))

    def encode_tokens(self, batch):
        self.asked += len(batch)
        return encode(self.texts)


def test_with_a_store_every_sentence_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.evaluation.embedded.BLOCK", 16)
    encoder, store = Counting(), tmp_path / "store"
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path / "t"))
    first = score_benchmark(benchmark, encoder, store=store, resamples=50)
    assert encoder.asked == len(benchmark.texts()) == 120
    second = score_benchmark(benchmark, encoder, store=store, resamples=50)
    assert encoder.asked == 120
    assert first.means == second.means
    assert first.mean_intervals == second.mean_intervals
    plain = score_benchmark(benchmark, encode, resamples=0)
    assert plain.means["accuracy"] == pytest.approx(first.means["accuracy"], abs=0.05)


def test_vectors_come_back_by_text(tmp_path: Path):
    texts = [f"x {number}" for number in range(40)]
    model = MeasuredModel("m", encode)
    embedded = embed_texts(model, [*texts, *texts])
    expected = encode(texts)
    assert np.allclose(embedded.unit(texts), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert embedded.rows(["nowhere"]).tolist() == [-1]
    assert embed_texts(model, []).vectors.shape == (0, 1)


def test_unknown_tokens_by_language(tmp_path: Path):
    encoder = load_encoder(
        resolve_model("model", str(make_transformer(tmp_path / "m")), None, tmp_path), EncoderSettings()
    )
    shares = unknown_shares(as_model("m", encoder), {"en": [sentence(3)], "th": ["สวัสดี ชาวโลก"]})
    assert shares["en"] == 0
    assert shares["th"] > 0.3
    assert unknown_shares(as_model("f", encode), {"en": ["a"]}) == {}


def test_a_language_of_unknown_tokens_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tokenizer = TextTokenizer(train_tokenizer(iter([sentence(n) for n in range(50)]), 300), "", 64, False)
    (tmp_path / "tatoeba.tha-eng.tha").write_text("สวัสดี\nชาวโลก\n", encoding="utf-8")
    lines(tmp_path / "tatoeba.tha-eng.eng", [sentence(1), sentence(2)])
    benchmark = read_benchmark("t", "tatoeba", tmp_path)
    model = MeasuredModel("mine", lambda texts: np.eye(4)[: len(texts)], tokenizer=tokenizer)
    with caplog.at_level("WARNING"):
        Evaluation((benchmark,), 0).scores(model)
    assert caplog.messages == ["mine: its tokenizer does not know 100 % of the tokens in th"]
