"""Our scores against MTEB's own code, on the same sentences and vectors."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_files import encode, write_bucc, write_flores, write_stsb, write_tatoeba
from imports import ROOT

from pipeline.evaluation.benchmark import Bitext, Similarity
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.scoring import score_benchmark

mteb = pytest.importorskip("mteb", reason="mteb is not installed: our scores can't be held against its")


Encode = Callable[[list[str]], np.ndarray]
SHARED = ROOT.parent / "shared" / "corpora" / "benchmarks"


class Model:
    """What MTEB's evaluators ask of a model."""

    def __init__(self, encode: Encode) -> None:
        self.function = encode

    def encode(self, inputs: Any, **_: Any) -> np.ndarray:
        return self.function([text for batch in inputs for text in batch["text"]])

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
        return a @ b.T

    def similarity_pairwise(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.diag(self.similarity(a, b))


def bitext_metrics(
    first: list[str], second: list[str], gold: list[tuple[int, int]], encode: Encode = encode
) -> dict[str, float]:
    from mteb._evaluators.text.bitext_mining_evaluator import BitextMiningEvaluator
    from mteb.tasks import TatoebaBitextMining
    from mteb.timing import TimingStack

    task = TatoebaBitextMining()
    evaluator = BitextMiningEvaluator(
        {"sentence1": first, "sentence2": second},
        task_metadata=task.metadata,
        hf_split="test",
        hf_subset="x",
        pair_columns=[("sentence1", "sentence2")],
        timer=TimingStack(),
    )
    neighbours = evaluator(Model(encode), encode_kwargs={"batch_size": 32})
    return task._compute_metrics(neighbours["sentence1-sentence2"], gold)


def sts_metrics(first: list[str], second: list[str], gold: list[float], encode: Encode = encode) -> dict[str, float]:
    from datasets import Dataset
    from mteb._evaluators import AnySTSEvaluator
    from mteb.tasks import STSBenchmarkSTS
    from mteb.timing import TimingStack

    task = STSBenchmarkSTS()
    evaluator = AnySTSEvaluator(
        Dataset.from_dict({"sentence1": first, "sentence2": second}),
        ("sentence1", "sentence2"),
        task_metadata=task.metadata,
        hf_split="test",
        hf_subset="x",
        input1_prompt_type=None,
        input2_prompt_type=None,
        timer=TimingStack(),
    )
    scores = evaluator(Model(encode), encode_kwargs={"batch_size": 32})
    return task._calculate_scores(scores, [task._normalize(score) for score in gold])


@pytest.mark.parametrize("write", [write_tatoeba, write_flores])
def test_accuracy_and_f1_of_retrieval(tmp_path: Path, write):
    kind = "tatoeba" if write is write_tatoeba else "flores"
    benchmark = read_benchmark("b", kind, write(tmp_path))
    for scored in score_benchmark(benchmark, encode, resamples=0).tasks:
        assert isinstance(scored.task, Bitext)
        a, b = scored.task.texts_a, scored.task.texts_b
        gold = [(row, row) for row in range(len(a))]
        forward, backward = bitext_metrics(a, b, gold), bitext_metrics(b, a, gold)
        assert scored.values["forward"] == pytest.approx(forward["accuracy"])
        assert scored.values["backward"] == pytest.approx(backward["accuracy"])
        assert scored.values["f1"] == pytest.approx(forward["f1"])
        assert 0.2 < forward["f1"] < 1  # so that the test is about something


def test_correlations_of_similarity(tmp_path: Path):
    benchmark = read_benchmark("b", "stsb", write_stsb(tmp_path))
    for scored in score_benchmark(benchmark, encode, resamples=0).tasks:
        assert isinstance(scored.task, Similarity)
        theirs = sts_metrics(scored.task.first, scored.task.second, scored.task.gold.tolist())
        assert scored.values["spearman"] == pytest.approx(theirs["cosine_spearman"], abs=1e-6)
        assert scored.values["pearson"] == pytest.approx(theirs["cosine_pearson"], abs=1e-6)


def test_bucc_as_retrieval(tmp_path: Path):
    """MTEB's BUCC: the sources of gold pairs against the whole other side, by its own transformation of the data."""
    from mteb.tasks import BUCCBitextMining

    write_bucc(tmp_path)
    sides = [
        [line.split("\t")[1] for line in (tmp_path / "fr-en" / f"fr-en.training.{code}").read_text().splitlines()]
        for code in ("fr", "en")
    ]
    task = BUCCBitextMining()
    raw = {"gold": [[(row + 1, row + 1) for row in range(20)]], "sentence1": [sides[0]], "sentence2": [sides[1]]}
    task.dataset = {"fr-en": {"test": raw}}
    task.dataset_transform()
    data = task.dataset["fr-en"]["test"]
    theirs = bitext_metrics(data["sentence1"], data["sentence2"], data["gold"])
    ours = score_benchmark(read_benchmark("b", "bucc-retrieval", tmp_path), encode, resamples=0).tasks[0]
    assert ours.values == pytest.approx({"f1": theirs["f1"], "accuracy": theirs["accuracy"]})


def trigrams(texts: list[str]) -> np.ndarray:
    """Character trigrams by hash: enough to be right sometimes, and nothing to load.

    Bare counts would tie again and again, and ties are broken by whose product rounds how: they are projected.
    """
    out = np.zeros((len(texts), 256), dtype=np.float32)
    for row, text in enumerate(texts):
        for place in range(len(text) + 1):
            out[row, zlib.crc32(f" {text} "[place : place + 3].lower().encode()) % 256] += 1
    return out @ np.random.default_rng(0).normal(size=(256, 128)).astype(np.float32)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/corpora is not here")
@pytest.mark.parametrize(
    ("kind", "folder", "languages"),
    [
        ("tatoeba", "tatoeba", ["fr", "en"]),
        ("flores", "flores200-devtest", ["en", "fr"]),
        ("stsb", "stsb-multi-mt", ["en", "ja"]),
        ("korsts", "korsts", ["ko"]),
    ],
)
def test_published_files_score_as_in_mteb(kind: str, folder: str, languages: list[str]):
    benchmark = read_benchmark("b", kind, SHARED / folder, languages)
    tasks = score_benchmark(benchmark, trigrams, resamples=0).tasks
    assert tasks
    for scored in tasks:
        if isinstance(scored.task, Similarity):
            theirs = sts_metrics(scored.task.first, scored.task.second, scored.task.gold.tolist(), trigrams)
            expected = {name: theirs[f"cosine_{name}"] for name in ("spearman", "pearson")}
        else:
            a, b = scored.task.texts_a, scored.task.texts_b
            gold = [(row, row) for row in range(len(a))]
            forward, backward = bitext_metrics(a, b, gold, trigrams), bitext_metrics(b, a, gold, trigrams)
            expected = {"forward": forward["accuracy"], "backward": backward["accuracy"], "f1": forward["f1"]}
        # Cosines that are equal but for rounding stand in another order where sums are made in another order.
        assert {name: scored.values[name] for name in expected} == pytest.approx(expected, abs=1e-5)
