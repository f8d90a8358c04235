"""Looking into every kind of artifact."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from artifacts_made import EN, FR, write_artifacts, write_average_neighborhoods

from pipeline.artifacts.shards import open_shard, write_shard
from pipeline.console.errors import ArtifactError, InputError
from pipeline.ground.hashing import as_keys, text_key
from pipeline.inspecting.inspect import inspect
from pipeline.inspecting.surroundings import Surroundings
from pipeline.inspecting.view import Table, View, ViewRequest, flatten, size_text, value_text
from pipeline.store.local import VectorStore


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("project"))


def look(project: Path, name: str, rows: int = 5, query: str | None = None) -> View:
    data = project / "data"
    tokenizers = {"student": data / "tokenizer" / "tokenizer.json"}
    around = Surroundings((data / "sentences", data / "monolingual"), data / "pairs", tokenizers)
    return inspect(project / name, around, ViewRequest(rows, query))


def cells(table: Table, column: str) -> list[str]:
    place = table.columns.index(column)
    return [row[place] for row in table.rows]


def test_sentences(project: Path):
    view = look(project, "data/sentences/en")
    facts = dict(view.facts)
    assert facts["what"] == "unique sentences"
    assert (facts["rows"], facts["shards"], facts["made by: language"]) == ("3", "1", "en")
    assert sorted(cells(view.tables[0], "text")) == sorted(EN)


def test_one_shard_is_shown_as_its_folder_is(project: Path):
    folder, shard = look(project, "data/sentences/en"), look(project, "data/sentences/en/00000.arrow")
    assert folder.facts == shard.facts
    assert folder.tables == shard.tables


def test_rows_are_as_many_as_wanted(project: Path):
    assert len(look(project, "data/sentences/fr", rows=2).tables[0].rows) == 2


def test_query_picks_texts_whatever_their_case(project: Path):
    assert cells(look(project, "data/sentences/fr", query="RIVIÈRE").tables[0], "text") == ["Une rivière."]
    assert look(project, "data/sentences/fr", query="nowhere").tables[0].rows == ()


@pytest.mark.parametrize("kind", ["pairs", "heldout"])
def test_keys_of_pairs_become_texts(project: Path, kind: str):
    table = look(project, f"data/{kind}/en-fr").tables[0]
    assert sorted(zip(cells(table, "en"), cells(table, "fr"), strict=True)) == sorted(zip(EN, FR, strict=True))
    picked = look(project, f"data/{kind}/en-fr", query="arbre").tables[0]
    assert cells(picked, "en") == [EN[1]]


def test_pairs_without_their_sentences_say_so(project: Path, tmp_path: Path):
    shutil.copytree(project / "data" / "pairs" / "en-fr", tmp_path / "en-fr")
    table = inspect(tmp_path / "en-fr", Surroundings(), ViewRequest()).tables[0]
    assert set(cells(table, "en")) == {"(not in the sentences here)"}


def test_text_to_embed(project: Path):
    view = look(project, "data/monolingual/en")
    assert dict(view.facts)["what"] == "text to embed"
    assert view.tables[0].rows == (("Held out.", "no", "mine", "text.en", "3", "doc"),)


def test_tokens_have_their_strings(project: Path):
    view = look(project, "data/tokens/student/en")
    assert dict(view.facts)["tokens"] == "6 (2.0 a sentence)"
    first = view.tables[0].rows[0]
    assert first[:2] == ("2", "[UNK]·0 river·1")
    assert first[2] in EN


def test_vectors_have_norms_and_texts(project: Path):
    view = look(project, "data/teacher/en", query="river")
    facts = dict(view.facts)
    assert facts["dimension"] == "4"
    assert facts["norms"] == "1.0000 to 1.0000, mean 1.0000 (3 looked at)"
    assert [(row[0], row[2]) for row in view.tables[0].rows] == [("1.0000", "A river.")]


def test_vectors_that_are_not_finite_are_counted(project: Path, tmp_path: Path):
    shard = open_shard(project / "data" / "teacher" / "en" / "00000.arrow")
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(np.full(12, np.nan, dtype=np.float16)), type=shard.table.schema.field("vector").type
    )
    table = pa.Table.from_arrays([shard.table.column("id").chunk(0), vectors], schema=shard.table.schema)
    write_shard(tmp_path / "00000.arrow", table, {"kind": "vectors"})
    facts = dict(inspect(tmp_path, Surroundings(), ViewRequest()).facts)
    assert facts["not finite"] == "3 of 3 looked at"
    assert "norms" not in facts


def test_neighborhoods_in_words(project: Path):
    view = look(project, "data/neighborhoods/en-fr", query="river")
    assert dict(view.facts)["mean weight on neighbours"] == "0.3750 (3 points looked at)"
    (table,) = view.tables
    assert table.rows[0] == ("0.6250", "1.0000", "A river.")
    assert [row[:2] for row in table.rows[1:]] == [("0.2500", "0.7500"), ("0.1250", "0.5000")]
    assert {row[2] for row in table.rows[1:]} == {EN[1], EN[2]}


def test_neighborhoods_of_pairs_show_both_sides(project: Path, tmp_path: Path):
    copied = tmp_path / "project"
    shutil.copytree(project, copied)
    write_average_neighborhoods(copied)
    view = look(copied, "data/neighborhoods/average/en-fr", query="calme")
    assert [table.rows[0][2] for table in view.tables] == [f"{EN[1]} ↔ {FR[1]}"]


def test_mined_pairs_best_near_and_worst(project: Path):
    view = look(project, "data/mined/en-fr.parquet", rows=2)
    assert dict(view.facts)["set test"] == "8 pairs, 6 accepted"
    best, near, worst = view.tables
    assert cells(best, "score") == ["1.6250", "1.5000"]
    assert cells(near, "score") == ["1.0000", "0.8750"]
    assert cells(worst, "score") == ["0.7500", "0.8750"]
    (found,) = look(project, "data/mined/en-fr.parquet", query="TEXT A3").tables
    assert cells(found, "text_b") == ["text b3"]


def test_a_folder_with_one_artifact_shows_it(project: Path):
    assert dict(look(project, "data/mined").facts)["what"] == "mined pairs"


def test_metrics_series_rejects_tokenizer(project: Path):
    metrics = look(project, "metrics/evaluate.json", query="F1").tables[0]
    assert metrics.rows == (("mining.mean_f1", "0.85"), ("mining.pairs.en-fr.f1", "0.85"))
    series = look(project, "plots/train/plots/metrics/loss.tsv", rows=1)
    assert [table.rows for table in series.tables] == [(("10", "3.0"),), (("20", "1.5"),)]
    rejects = look(project, "data/rejects/mine.tsv.zst", query="COPY")
    assert rejects.tables[0].rows == (("t.en", "7", "en-fr", "copy", "", "same", "same"),)
    tokenizer = look(project, "data/tokenizer", query="tree river")
    assert tokenizer.tables[0].rows == (("2", "tree"), ("1", "river"))


def test_overview_lists_every_artifact(project: Path):
    view = look(project, "data")
    rows = {row[0]: row[1:] for row in view.tables[0].rows}
    assert rows["sentences/fr"][:3] == ("unique sentences", "3", "1")
    assert rows["mined/en-fr.parquet"][:2] == ("mined pairs", "8")
    assert rows["cost/train.json"][0] == "metrics"
    assert len(rows) == int(dict(view.facts)["artifacts"]) == 16


def test_store(tmp_path: Path):
    store = VectorStore(tmp_path / "store", {"model": "tiny"}, 4)
    store.add(as_keys([text_key("a")]), np.ones((1, 4), dtype=np.float16))
    view = inspect(tmp_path / "store", Surroundings(), ViewRequest())
    assert dict(view.facts)["vectors"] == "1"
    assert view.tables[0].rows[0][-1] == "model=tiny"
    (segments,) = (tmp_path / "store").iterdir()
    assert dict(inspect(segments, Surroundings(), ViewRequest()).facts)["what"] == "vectors"


def test_model(tiny_teacher: Path):
    view = inspect(tiny_teacher, Surroundings(), ViewRequest())
    assert dict(view.facts)["modules"] == "Transformer → Pooling → Normalize"
    assert ("embeddings.position_embeddings.weight", "F32", "80 × 32") in view.tables[0].rows


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("00000.arrow", b"ARROW1\0\0 cut short", "not a readable Arrow file"),
        ("a.parquet", b"PAR1", "not a readable Parquet file"),
        ("metrics.json", b"{", "not JSON"),
        ("mine.tsv.zst", b"no zstd", "can't be read as tab-separated text"),
        ("series.tsv", b"\xff\xfe", "can't be read as tab-separated text"),
        ("tokenizer.json", b"{}", "not a tokenizer"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, name: str, content: bytes, problem: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        inspect(tmp_path / name, Surroundings(), ViewRequest())
    assert str(caught.value).startswith(f"{tmp_path / name}: {problem}")
    assert "\n" not in str(caught.value)


def test_what_is_no_artifact(tmp_path: Path):
    with pytest.raises(InputError, match="no such file or folder"):
        inspect(tmp_path / "missing", Surroundings(), ViewRequest())
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="not an artifact; expected an Arrow shard"):
        inspect(tmp_path / "notes.txt", Surroundings(), ViewRequest())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="no artifact here"):
        inspect(tmp_path / "empty", Surroundings(), ViewRequest())


def test_pair_names_are_split_where_both_languages_are_known(tmp_path: Path):
    for language in ("en", "zh-Hant"):
        (tmp_path / language).mkdir()
    around = Surroundings((tmp_path,))
    assert around.split_pair("en-zh-Hant") == ("en", "zh-Hant")
    assert around.split_pair("en-ko") == (None, None)


def test_words_for_values():
    assert list(flatten({"a": {"b": 1, "c": {}}})) == [("a.b", 1), ("a.c", {})]
    assert [value_text(value) for value in (True, None, 1234, 0.25, "x")] == ["yes", "none", "1,234", "0.25", "x"]
    assert [size_text(size) for size in (12, 2048, 5 << 20, 3 << 40)] == ["12 bytes", "2.0 KiB", "5.0 MiB", "3.0 TiB"]
