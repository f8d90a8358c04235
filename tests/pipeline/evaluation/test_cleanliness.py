from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmark_files import encode, write_bucc, write_stsb, write_tatoeba

from pipeline.console.errors import InputError
from pipeline.evaluation.cleanliness import file_sentences, find_seen, mark, stored_sentences
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.scoring import score_benchmark

LONG = "The quick brown fox jumps over the lazy dog near the river bank today."


def series(*texts: str) -> pl.Series:
    return pl.Series(list(texts), dtype=pl.String)


def test_exact_is_by_the_normal_form_and_near_by_minhash():
    texts = ["Hello, World!", LONG, "Something else entirely.", "", "ab"]
    seen = find_seen(texts, [series("hello world", "x"), series(LONG.replace("today", "todays"))], near=0.8)
    assert seen.of(texts).tolist() == [True, True, False, False, False]
    rows = seen.rows(texts)
    assert seen.exact[rows[:3]].tolist() == [True, False, False]
    assert seen.training == 3


def test_without_near_only_equal_ones_count():
    seen = find_seen([LONG], [series(LONG + "s")], near=0)
    assert not seen.of([LONG]).any()
    assert find_seen([LONG], [series(LONG.upper())], near=0).of([LONG]).all()


def test_short_sentences_are_never_near():
    assert not find_seen(["abcdefgh"], [series("abcdefgi")], near=0.1).of(["abcdefgh"]).any()


def test_nothing_to_look_for_and_nothing_to_look_in():
    assert find_seen([], [series("a")]).of([]).tolist() == []
    assert find_seen(["a"], []).training == 0


def test_scores_without_what_was_seen(tmp_path: Path):
    benchmark = read_benchmark("t", "tatoeba", write_tatoeba(tmp_path, ("fra",)))
    task = benchmark.tasks[0]
    seen = find_seen(benchmark.texts(), [series(*task.sides().__next__()[1][:10])], near=0)
    marked = mark(score_benchmark(benchmark, encode, resamples=0), seen).tasks[0]
    assert marked.clean is not None
    assert marked.clean.tolist() == [False] * 10 + [True] * 30
    assert marked.seen == {"sentences": 80, "seen": 10, "nearly_seen": 0}
    forward = (marked.items.columns["found"] == np.arange(40))[10:].mean()
    assert marked.clean_values is not None
    assert marked.clean_values["forward"] == pytest.approx(forward)


def test_a_score_of_hardly_anything_is_not_given(tmp_path: Path):
    benchmark = read_benchmark("s", "stsb", write_stsb(tmp_path, ("en",)))
    seen = find_seen(benchmark.texts(), [pl.Series(benchmark.texts())], near=0)
    score = mark(score_benchmark(benchmark, encode, resamples=0), seen)
    assert score.tasks[0].clean_values is None
    assert score.clean_mean is None


def test_mined_items_are_clean_by_their_sentence_and_its_translation(tmp_path: Path):
    benchmark = read_benchmark("b", "bucc", write_bucc(tmp_path))
    english = benchmark.tasks[0].test.b.texts[3]
    marked = mark(score_benchmark(benchmark, encode, resamples=0), find_seen(benchmark.texts(), [series(english)], 0))
    rows = marked.tasks[0].items.columns["row"]
    assert rows[~marked.tasks[0].clean].tolist() == [3]


def test_training_text_from_the_store_of_a_project_and_from_files(tmp_path: Path, write_sentences):
    write_sentences(tmp_path / "en", [f"sentence {n}" for n in range(30)], 8)
    write_sentences(tmp_path / "fr", ["phrase"], 8)
    found = pl.concat(list(stored_sentences([tmp_path / "en", tmp_path / "fr"])))
    assert sorted(found.to_list()) == sorted([*(f"sentence {n}" for n in range(30)), "phrase"])
    (tmp_path / "a.txt").write_text("one\r\ntwo\n", encoding="utf-8")
    assert pl.concat(list(file_sentences([tmp_path / "a.txt"]))).to_list() == ["one", "two"]
    with pytest.raises(InputError, match="no such file"):
        list(file_sentences([tmp_path / "b.txt"]))
