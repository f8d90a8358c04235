from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts import (
    KEY,
    KEY_DTYPE,
    SENTENCES,
    fixed_list_array,
    fixed_list_view,
    key_array,
    open_folder,
    open_shard,
    vector_schema,
    write_shard,
)
from pipeline.errors import ArtifactError
from pipeline.hashing import as_keys, text_key


def _sentences(texts: list[str]) -> pa.Table:
    return pa.Table.from_arrays([pa.array([text_key(text) for text in texts], KEY), pa.array(texts)], schema=SENTENCES)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_shard(tmp_path / name, _sentences(["x", "y"]), {"kind": "sentences", "language": "en"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_shard_is_one_record_batch_with_sorted_metadata(tmp_path: Path):
    chunked = pa.concat_tables([_sentences(["x"]), _sentences(["y"])])
    write_shard(tmp_path / "a", chunked, {"z": 1, "kind": "sentences"})
    opened = pa.ipc.open_file(str(tmp_path / "a"))
    assert opened.num_record_batches == 1
    assert opened.schema.metadata[b"softalign"] == b'{"format":1,"kind":"sentences","z":1}'


def test_vectors_are_a_view_of_the_memory_map(tmp_path: Path):
    values = np.arange(12, dtype=np.float16).reshape(4, 3)
    keys = as_keys(text_key(str(number)) for number in range(4))
    table = pa.Table.from_arrays([key_array(keys), fixed_list_array(values, pa.float16())], schema=vector_schema(3))
    write_shard(tmp_path / "v", table, {"kind": "vectors"})
    before = pa.total_allocated_bytes()
    shard = open_shard(tmp_path / "v")
    assert (shard.vectors == values).all()
    assert (shard.keys == keys).all()
    assert pa.total_allocated_bytes() == before


def test_a_sliced_list_column_gives_its_own_rows():
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    column = pa.chunked_array([fixed_list_array(values, pa.float32())[1:3]])
    assert (fixed_list_view(column, np.dtype(np.float32)) == values[1:3]).all()


def test_lists_of_keys_survive(tmp_path: Path):
    keys = as_keys(text_key(str(number)) for number in range(6)).reshape(3, 2)
    column = pa.chunked_array([fixed_list_array(keys, KEY)])
    assert (fixed_list_view(column, KEY_DTYPE) == keys).all()


def test_empty_tables_are_artifacts_too(tmp_path: Path):
    write_shard(tmp_path / "v", vector_schema(3).empty_table(), {"kind": "vectors"})
    shard = open_shard(tmp_path / "v")
    assert len(shard) == 0
    assert shard.vectors.shape == (0, 3)
    assert len(shard.keys) == 0


def test_nulls_are_refused():
    column = pa.chunked_array([pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))])
    with pytest.raises(ValueError, match="expected no nulls, found 1"):
        fixed_list_view(column, np.dtype(np.float32))


def test_missing_damaged_and_foreign_files_are_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match=r"missing.arrow: missing; run the stage"):
        open_shard(tmp_path / "missing.arrow")
    path = tmp_path / "00000.arrow"
    write_shard(path, _sentences(["x"] * 50), {"kind": "sentences"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match=r"00000.arrow: not a readable Arrow file"):
        open_shard(path)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SENTENCES) as writer:
        writer.write_table(_sentences(["x"]))
    with pytest.raises(ArtifactError, match="not one of softalign's"):
        open_shard(path)
    with pytest.raises(ArtifactError, match="no Arrow shards here"):
        open_folder(tmp_path / "nowhere")


def test_another_format_version_is_refused(tmp_path: Path):
    table = _sentences(["x"]).replace_schema_metadata({b"softalign": b'{"format":99}'})
    with pa.OSFile(str(tmp_path / "a"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ArtifactError, match="format version 99, expected 1"):
        open_shard(tmp_path / "a")
