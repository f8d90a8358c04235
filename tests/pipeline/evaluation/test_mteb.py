"""Our scores against MTEB's own code, on the same sentences and vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_files import encode, write_bucc, write_flores, write_stsb, write_tatoeba

from pipeline.evaluation.benchmark import Bitext, Similarity
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.scoring import score_benchmark

mteb = pytest.importorskip("mteb", reason="mteb is not installed: our scores can't be held against its")


class Model:
    """What MTEB's evaluators ask of a model."""

    def encode(self, inputs: Any, **_: Any) -> np.ndarray:
        return encode([text for batch in inputs for text in batch["text"]])

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
        return a @ b.T

    def similarity_pairwise(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.diag(self.similarity(a, b))


def bitext_metrics(first: list[str], second: list[str], gold: list[tuple[int, int]]) -> dict[str, float]:
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
    neighbours = evaluator(Model(), encode_kwargs={"batch_size": 32})
    return task._compute_metrics(neighbours["sentence1-sentence2"], gold)


def sts_metrics(first: list[str], second: list[str], gold: list[float]) -> dict[str, float]:
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
    scores = evaluator(Model(), encode_kwargs={"batch_size": 32})
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
