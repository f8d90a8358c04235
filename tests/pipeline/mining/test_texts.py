"""From artifacts to mined pairs, on sentences whose vectors are made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts.folders import TextFolder, VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.shards import (
    HELDOUT,
    KEY,
    MONOLINGUAL,
    fixed_list_array,
    key_array,
    shard_path,
    vector_schema,
    write_shard,
)
from pipeline.config.mine import Mine
from pipeline.console.errors import ArtifactError
from pipeline.evaluation.heldout import mining_metrics
from pipeline.ground.hashing import as_keys, pair_key, text_key
from pipeline.mining import texts
from pipeline.mining.sides import MiningRun
from pipeline.mining.texts import TextSide, choose_threshold, heldout_set, mine_set, own_text_set, write_mined
from pipeline.search import scratch as room
from pipeline.search.vectors import VectorError

COUNT = 40


def _side(
    folder: Path, language: str, to_mine: bool = False, documents: str = "", encoder: dict[str, str] | None = None
) -> TextSide:
    """Sentence n of either language has (nearly) the n-th of ``COUNT`` fixed directions, and document n % 4, if any."""
    directions = np.random.default_rng(0).normal(size=(COUNT, 24))
    noise = np.random.default_rng(len(language) + ord(language[0])).normal(size=(COUNT, 24)) * 0.1
    vectors = directions + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = sorted(range(COUNT), key=lambda number: text_key(f"{language} {number}"))
    keys = as_keys(text_key(f"{language} {number}") for number in order)
    rows = pa.Table.from_arrays(
        [
            key_array(keys),
            pa.array([f"{language} {number}" for number in order]),
            pa.array([to_mine] * COUNT),
            pa.array(["made-up"] * COUNT),
            pa.array([f"{language}.txt"] * COUNT),
            pa.array(order, pa.int64()),
            pa.array([documents and f"{documents}{number % 4 + 1}" for number in order]),
        ],
        schema=MONOLINGUAL,
    )
    write_shard(shard_path(folder / "texts" / language, 0), rows, {"kind": "monolingual"})
    table = pa.Table.from_arrays(
        [key_array(keys), fixed_list_array(vectors[order].astype(np.float16), pa.float16())], schema=vector_schema(24)
    )
    made_by = {"kind": "vectors", "encoder": encoder or {"model": "made-up"}}
    write_shard(shard_path(folder / "vectors" / language, 0), table, made_by)
    return TextSide(TextFolder(folder / "texts" / language), VectorFolder(folder / "vectors" / language))


def _heldout(folder: Path) -> HeldOutFolder:
    """Half of the sentences are dev, half test; every fifth has lost side a, every fifth plus one side b."""
    rows = sorted(
        (pair_key(text_key(f"en {n}"), text_key(f"fr {n}")), "dev" if n % 2 else "test", n) for n in range(COUNT)
    )
    table = pa.Table.from_arrays(
        [
            pa.array([row[0] for row in rows], KEY),
            pa.array([row[1] for row in rows]),
            pa.array([text_key(f"en {row[2]}") for row in rows], KEY),
            pa.array([text_key(f"fr {row[2]}") for row in rows], KEY),
            pa.array([row[2] % 5 != 0 for row in rows]),
            pa.array([row[2] % 5 != 1 for row in rows]),
            pa.array(["" for _ in rows]),
        ],
        schema=HELDOUT,
    )
    write_shard(shard_path(folder / "heldout", 0), table, {"kind": "heldout"})
    return HeldOutFolder(folder / "heldout")


def test_mining_finds_the_pairs_and_says_where_they_stand(tmp_path: Path):
    a, b, heldout = _side(tmp_path, "en"), _side(tmp_path, "fr"), _heldout(tmp_path)
    sets = [heldout_set(name, heldout, a, b) for name in ("dev", "test")]
    assert all(found is not None for found in sets)
    dev, test = (mine_set(found, a, b, MiningRun(Mine(k=2), seed=1)) for found in sets if found is not None)
    gold = [n for n in range(COUNT) if n % 2 == 0 and n % 5 not in (0, 1)]
    assert test.source.gold is not None
    assert len(test.source.gold) == len(gold)
    assert len(test.source.rows_a) == sum(1 for n in range(COUNT) if n % 2 == 0 and n % 5 != 0)
    threshold = choose_threshold(dev, None)
    assert threshold is not None
    quality = test.quality(threshold)
    assert quality is not None
    assert quality.f1 == 1.0
    path = tmp_path / "mined.parquet"
    write_mined(path, [dev, test], a, b, threshold, {"pair": "en-fr"})
    table = pq.read_table(path)
    rows = [row for row in table.to_pylist() if row["set"] == "test" and row["accepted"]]
    assert sorted(row["line_a"] for row in rows) == gold
    assert all(row["text_a"] == f"en {row['line_a']}" and row["text_b"] == f"fr {row['line_a']}" for row in rows)
    assert all(row["id_a"] == text_key(row["text_a"]) and row["gold"] for row in rows)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert json.loads(table.schema.metadata[b"softalign"])["threshold"] == threshold
    assert mining_metrics(path, "test", len(gold), threshold, 100, 1)["f1"] == 1.0


def test_the_same_pairs_are_the_same_bytes(tmp_path: Path):
    a, b = _side(tmp_path, "en", to_mine=True), _side(tmp_path, "fr", to_mine=True)
    source = own_text_set(a, b)
    assert source is not None
    for name in ("one", "two"):
        write_mined(tmp_path / name, [mine_set(source, a, b, MiningRun(Mine(), seed=1))], a, b, None, {"pair": "en-fr"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    table = pq.read_table(tmp_path / "one")
    assert table.num_rows == COUNT
    assert table.column("accepted").null_count == table.column("gold").null_count == COUNT


def test_an_approximate_search_says_what_it_lost(tmp_path: Path):
    a, b = _side(tmp_path, "en", to_mine=True), _side(tmp_path, "fr", to_mine=True)
    source = own_text_set(a, b)
    assert source is not None
    exact = mine_set(source, a, b, MiningRun(Mine(k=2), seed=1))
    flat = {"factory": "Flat"}
    assert exact.found.about == {"search": "faiss", "exact": True, "of_a": flat, "of_b": flat}
    assert exact.found.cost(None) is None
    approximate = mine_set(source, a, b, MiningRun(Mine(k=2, index="HNSW16", sample=COUNT), seed=1))
    lost = approximate.found.cost(1.0)
    assert (approximate.found.about["search"], approximate.found.about["exact"]) == ("faiss", False)
    assert lost is not None
    assert lost.sample == COUNT
    assert 0.9 <= lost.recall_pairs <= 1.0


def test_no_own_text_no_set_and_a_fixed_threshold_wins(tmp_path: Path):
    a, b = _side(tmp_path, "en"), _side(tmp_path, "fr")
    assert own_text_set(a, b) is None
    assert choose_threshold(None, 1.05) == 1.05
    assert choose_threshold(None, None) is None


def test_nothing_mined_is_an_empty_table_of_the_same_columns(tmp_path: Path):
    a, b = _side(tmp_path, "en"), _side(tmp_path, "fr")
    write_mined(tmp_path / "empty", [], a, b, None, {"pair": "en-fr"})
    assert pq.read_table(tmp_path / "empty").num_rows == 0


def test_vectors_of_other_sentences_are_refused(tmp_path: Path):
    a, b = _side(tmp_path, "en"), _side(tmp_path, "fr")
    with pytest.raises(ArtifactError, match="run stage embed again"):
        TextSide(a.texts, b.vectors)


def _own(a: TextSide, b: TextSide):
    source = own_text_set(a, b)
    assert source is not None
    return source


def test_vectors_of_two_models_are_refused(tmp_path: Path):
    a = _side(tmp_path, "en", to_mine=True)
    b = _side(tmp_path, "fr", to_mine=True, encoder={"model": "another"})
    with pytest.raises(VectorError, match="model is 'made-up' on side a and 'another' on side b; embed both with"):
        mine_set(_own(a, b), a, b, MiningRun(Mine(), seed=1))


def test_documents_shuffle_the_control_and_may_restrict_mining(tmp_path: Path):
    a, b = (_side(tmp_path, language, to_mine=True, documents="d") for language in ("en", "fr"))
    whole = mine_set(_own(a, b), a, b, MiningRun(Mine(), seed=1))
    control = whole.found.control(1.0)
    assert control is not None
    assert (control.kind, control.searched) == ("documents", COUNT)
    inside = mine_set(_own(a, b), a, b, MiningRun(Mine(within="document"), seed=1))
    assert inside.found.about == {
        "search": "exact",
        "exact": True,
        "within": "document",
        "without_candidates_a": 0,
        "without_candidates_b": 0,
    }
    path = tmp_path / "mined.parquet"
    write_mined(path, [inside], a, b, None, {})
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == COUNT
    assert all(row["line_a"] % 4 == row["line_b"] % 4 for row in rows)
    control = inside.found.control(1.0)
    assert control is not None
    assert control.kind == "documents"


def test_days_and_what_is_none(tmp_path: Path):
    a, b = (_side(tmp_path, language, to_mine=True, documents="2024-05-0") for language in ("en", "fr"))
    found = mine_set(_own(a, b), a, b, MiningRun(Mine(within="window", window=1), seed=1))
    day_a, day_b = (
        np.array(side.texts.column("line", rows)) % 4
        for side, rows in ((a, found.source.rows_a[found.pairs.row_a]), (b, found.source.rows_b[found.pairs.row_b]))
    )
    assert np.abs(day_a - day_b).max() <= 1
    a, b = (_side(tmp_path / "x", language, to_mine=True, documents="d") for language in ("en", "fr"))
    with pytest.raises(
        ArtifactError, match=r"mine.within is window, but a sentence's document is 'd\d'; expected a date"
    ):
        mine_set(_own(a, b), a, b, MiningRun(Mine(within="window"), seed=1))
    a, b = (_side(tmp_path / "y", language, to_mine=True) for language in ("en", "fr"))
    with pytest.raises(ArtifactError, match=r"no sentence has a document, and mine.within is document"):
        mine_set(_own(a, b), a, b, MiningRun(Mine(within="document"), seed=1))


def test_without_documents_partners_are_taken_away(tmp_path: Path):
    a, b = (_side(tmp_path, language, to_mine=True) for language in ("en", "fr"))
    control = mine_set(_own(a, b), a, b, MiningRun(Mine(), seed=1)).found.control(1.0)
    assert control is not None
    assert control.kind == "partners"


def test_the_stages_indexes_are_kept_and_one_of_other_vectors_is_built_again(tmp_path: Path, caplog):
    a, b = (_side(tmp_path, language, to_mine=True) for language in ("en", "fr"))
    options, root = Mine(search="faiss", index="IVF1,Flat"), tmp_path / "store" / "indexes"
    mine_set(_own(a, b), a, b, MiningRun(options, seed=1, indexes=root))
    folders = sorted(root.iterdir())
    assert len(folders) == 2
    before = [(folder / "index.faiss").stat().st_mtime_ns for folder in folders]
    mine_set(_own(a, b), a, b, MiningRun(options, seed=1, indexes=root))
    assert [(folder / "index.faiss").stat().st_mtime_ns for folder in folders] == before
    about = (folders[0] / "about.json").read_text()
    (folders[0] / "about.json").write_text((folders[1] / "about.json").read_text())
    (folders[1] / "about.json").write_text(about)
    mine_set(_own(a, b), a, b, MiningRun(options, seed=1, indexes=root))
    assert caplog.text.count("it is built again") == 2
    assert (folders[0] / "about.json").read_text() == about


@pytest.mark.parametrize("options", [Mine(), Mine(search="exact"), Mine(search="faiss", index="IVF1,Flat")])
def test_what_does_not_fit_into_memory_is_mined_in_files_with_the_same_result(tmp_path: Path, monkeypatch, options):
    """Down to the control and the report of what approximation lost."""
    first, second = (_side(tmp_path, language, to_mine=True) for language in ("en", "fr"))
    source = _own(first, second)
    in_memory = mine_set(source, first, second, MiningRun(options, scratch=tmp_path / "scratch"))
    assert not (tmp_path / "scratch").exists()
    monkeypatch.setattr(room, "COPIES", 10**9)
    in_files = mine_set(source, first, second, MiningRun(options, scratch=tmp_path / "scratch"))
    assert isinstance(in_files.pairs.score, np.memmap)
    for name in vars(in_memory.pairs):
        np.testing.assert_array_equal(getattr(in_files.pairs, name), getattr(in_memory.pairs, name))
    for threshold in (None, float(np.median(in_memory.pairs.score))):
        for judged in ("control", "cost"):
            one, other = (getattr(mined.found, judged)(threshold) for mined in (in_memory, in_files))
            assert repr(one) == repr(other)
    for name, found in (("memory", in_memory), ("files", in_files)):
        write_mined(tmp_path / name, [found], first, second, 1.0, {"pair": "en-fr"})
    assert (tmp_path / "memory").read_bytes() == (tmp_path / "files").read_bytes()


def test_what_is_written_in_parts_belongs_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Score, gold flag and text of a pair stand in one row, also past the first chunk."""
    monkeypatch.setattr(texts, "CHUNK", 5)
    a, b, heldout = _side(tmp_path, "en"), _side(tmp_path, "fr"), _heldout(tmp_path)
    source = heldout_set("dev", heldout, a, b)
    assert source is not None
    mined = mine_set(source, a, b, MiningRun(Mine(k=2), seed=1))
    assert len(mined.pairs) > 10
    threshold = float(np.median(mined.pairs.score))
    write_mined(tmp_path / "mined", [mined], a, b, threshold, {"pair": "en-fr"})
    rows = pq.read_table(tmp_path / "mined").to_pylist()
    flags = [row["gold"] for row in rows]
    assert flags == [row["line_a"] == row["line_b"] for row in rows]
    assert set(flags) == {True, False}
    for row, score, cosine in zip(rows, mined.pairs.score, mined.pairs.cosine, strict=True):
        assert (row["score"], row["cosine"]) == (np.float32(score), np.float32(cosine))
        assert row["accepted"] == (score >= threshold)
        assert (row["text_a"], row["text_b"]) == (f"en {row['line_a']}", f"fr {row['line_b']}")
