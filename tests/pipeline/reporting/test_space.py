"""The space in numbers: similarities, principal components, retrieval between languages without pairs of their own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts.shards import HELDOUT, fixed_list_array, key_array, shard_path, vector_schema, write_shard
from pipeline.ground.hashing import as_keys, pair_key, text_key
from pipeline.ground.languages import LanguagePair
from pipeline.reporting.plots import COLOURS
from pipeline.reporting.shared_sentences import SharedSentences, one_to_one
from pipeline.reporting.space import measure_similarities, project, read_space
from pipeline.reporting.space_plots import heat_map_plot, projection_plot, similarity_histogram

PAIRS = [LanguagePair("en", "fr"), LanguagePair("en", "ko")]


def write_vectors(folder: Path, language: str, rows: np.ndarray) -> None:
    keys = as_keys(sorted(text_key(f"{language} {n}") for n in range(len(rows))))
    place = {text_key(f"{language} {n}"): n for n in range(len(rows))}
    vectors = np.stack([rows[place[key]] for key in keys.tolist()]).astype(np.float16)
    table = pa.Table.from_arrays(
        [key_array(keys), fixed_list_array(vectors, pa.float16())], schema=vector_schema(rows.shape[1])
    )
    write_shard(shard_path(folder / language, 0), table, {"kind": "vectors", "encoder": {}, "language": language})


def write_heldout(folder: Path, pair: LanguagePair, numbers: list[int]) -> None:
    rows = sorted(
        (pair_key(a, b), a, b) for a, b in ((text_key(f"{pair.a} {n}"), text_key(f"{pair.b} {n}")) for n in numbers)
    )
    ids, a, b = (list(column) for column in zip(*rows, strict=True))
    size = len(rows)
    held = [ids, ["test"] * size, a, b, [True] * size, [True] * size, ["doc"] * size]
    table = pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(held, HELDOUT, strict=True)], schema=HELDOUT)
    write_shard(shard_path(folder / pair.name, 0), table, {"kind": "heldout", "languages": [pair.a, pair.b]})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve sentences in three languages; English and French are equal, Korean swaps the first two."""
    vectors = np.eye(12, dtype=np.float32)
    swapped = vectors[[1, 0, *range(2, 12)]]
    for language, rows in (("en", vectors), ("fr", vectors), ("ko", swapped)):
        write_vectors(tmp_path / "embeddings", language, rows)
    write_heldout(tmp_path / "heldout", PAIRS[0], list(range(10)))
    write_heldout(tmp_path / "heldout", PAIRS[1], [*range(8), 10, 11])
    return tmp_path


def test_languages_without_pairs_meet_through_english(data: Path):
    shared = SharedSentences(data / "heldout", PAIRS)
    assert (shared.pivot, shared.languages) == ("en", ["en", "fr", "ko"])
    french, korean = shared.pair("fr", "ko")
    expected = {(text_key(f"fr {n}"), text_key(f"ko {n}")) for n in range(8)}
    assert set(zip(french.tolist(), korean.tolist(), strict=True)) == expected
    assert len(shared.pair("ko", "en")[0]) == 10


def test_one_to_one_keeps_the_first_of_each_sentence():
    a, b = one_to_one(
        as_keys([b"a" * 16, b"a" * 16, b"b" * 16, b"c" * 16]), as_keys([b"x" * 16, b"y" * 16, b"x" * 16, b"z" * 16])
    )
    assert a.tolist() == [b"a" * 16, b"c" * 16]
    assert b.tolist() == [b"x" * 16, b"z" * 16]


def test_heat_map_by_hand(data: Path):
    space = read_space(data / "embeddings", data / "heldout", PAIRS)
    found = space.heat_map
    assert found is not None
    assert found.languages == ("en", "fr", "ko")
    assert found.accuracy == ((None, 1.0, 0.8), (1.0, None, 0.75), (0.8, 0.75, None))
    assert found.sentences == (8, 10)
    assert [one.pair for one in space.similarities] == ["en-ko", "en-fr"]  # the least distance first
    assert space.projection is not None
    assert space.projection.fitted == 8


def test_nothing_held_out_is_nothing_to_see(tmp_path: Path):
    for pair in PAIRS:
        table = pa.Table.from_arrays([pa.array([], f.type) for f in HELDOUT], schema=HELDOUT)
        write_shard(shard_path(tmp_path / pair.name, 0), table, {"kind": "heldout", "languages": [pair.a, pair.b]})
    space = read_space(tmp_path / "none", tmp_path, PAIRS)
    assert (space.similarities, space.projection, space.heat_map) == ([], None, None)


def test_similarities_by_hand():
    x = np.eye(3, dtype=np.float32)
    found = measure_similarities("en-fr", x, x[[0, 2, 1]])
    assert found.translations[-1] == pytest.approx(1 / 3)
    assert found.nearest[-1] == pytest.approx(2 / 3)
    assert found.above == pytest.approx(2 / 6)
    for values in (found.translations, found.others, found.nearest):
        assert sum(values) == pytest.approx(1)
    assert measure_similarities("en-fr", x, x).above == 1.0


def test_projection_finds_the_plane_and_does_not_depend_on_a_turn():
    generator = np.random.default_rng(0)
    flat = generator.normal(size=(2, 30, 2)) * [3.0, 1.0]
    turn, _ = np.linalg.qr(generator.normal(size=(8, 8)))
    vectors = np.concatenate([flat, np.zeros((2, 30, 6))], axis=2) @ turn
    places, explained = project(vectors.astype(np.float32), plotted=30)
    assert places.shape == (2, 30, 2)
    assert sum(explained) == pytest.approx(1, abs=1e-6)
    assert explained[0] > explained[1]
    distance = np.linalg.norm(places[0] - places[1], axis=1)
    assert distance == pytest.approx(np.linalg.norm(flat[0] - flat[1], axis=1), abs=1e-4)
    assert project(vectors.astype(np.float32), plotted=5)[0].shape == (2, 5, 2)


def test_plots_take_the_page_s_colours(data: Path):
    space = read_space(data / "embeddings", data / "heldout", PAIRS)
    drawn = [
        similarity_histogram(space.similarities[0]),
        projection_plot(space.projection),
        heat_map_plot("h", space.heat_map),
    ]
    assert drawn[1] == projection_plot(space.projection)
    for svg in drawn:
        assert not set(COLOURS) & set(re.findall(r"#[0-9a-f]{6}", svg))
        assert 'role="img" aria-label=' in svg
