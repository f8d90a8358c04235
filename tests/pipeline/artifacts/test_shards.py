import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts.shards import (
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
from pipeline.console.errors import ArtifactError, DamagedError, VersionError
from pipeline.ground.hashing import as_keys, text_key


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
    (metadata,) = opened.schema.metadata.values()
    assert re.fullmatch(rb'\{"format":2,"kind":"sentences","xxh3":"[0-9a-f]{32}","z":1\}', metadata)


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
    for left in (len(whole) // 2, len(whole) - 1, len(whole) - 400, 9):
        path.write_bytes(whole[:left])
        with pytest.raises(DamagedError, match=r"00000.arrow: (damaged|not a readable Arrow file)"):
            open_shard(path)
    path.write_bytes(b"")
    with pytest.raises(DamagedError, match=r"00000.arrow: empty; run the stage"):
        open_shard(path)
    path.write_bytes(b"id,text\n")
    with pytest.raises(DamagedError, match=r"00000.arrow: not a readable Arrow file"):
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
    with pytest.raises(VersionError, match=r"newer softalign \(format version 99, this one reads 2\); upgrade"):
        open_shard(tmp_path / "a")
    table = _sentences(["x"]).replace_schema_metadata({b"softalign": b'{"format":1,"kind":"sentences"}'})
    with pa.OSFile(str(tmp_path / "b"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(VersionError, match="format version 1, expected 2; run its stage again"):
        open_shard(tmp_path / "b")


def test_a_sealed_shard_of_a_newer_version_is_refused_and_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipeline.artifacts.shards.FORMAT", 3)
    write_shard(tmp_path / "a", _sentences(["x"]), {"kind": "sentences"})
    monkeypatch.undo()
    with pytest.raises(VersionError, match=r"newer softalign \(format version 3"):
        open_shard(tmp_path / "a")


def test_every_flipped_bit_is_found(tmp_path: Path):
    path = tmp_path / "00000.arrow"
    write_shard(path, _sentences(["x", "yes"]), {"kind": "sentences", "artifact": "sentences/en"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (1, 128) if place % 8 else (1, 2, 4, 8, 16, 32, 64, 128):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(DamagedError):
                open_shard(path)
    path.write_bytes(whole)
    assert len(open_shard(path)) == 2


def test_text_that_looks_like_a_checksum_is_left_as_it_is(tmp_path: Path):
    texts = ['"xxh3":"' + "0" * 32 + '"', 'before "xxh3":"' + "1" * 32]
    write_shard(tmp_path / "00000.arrow", _sentences(texts), {"kind": "sentences"})
    assert open_shard(tmp_path / "00000.arrow").table.column("text").to_pylist() == texts


def _folders(root: Path) -> None:
    for language in ("en", "fr"):
        for number in range(3):
            made_by = {"kind": "sentences", "language": language, "artifact": f"sentences/{language}"}
            path = root / "sentences" / language / f"{number:05d}.arrow"
            write_shard(path, _sentences([f"{language} {number}"]), made_by, of=3)


def _swap(one: Path, other: Path) -> None:
    aside = one.with_suffix(".aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda en, fr: _swap(en / "00000.arrow", en / "00002.arrow"), "shard 2 of 3, found as shard 0 of 3: swapped"),
        (
            lambda en, fr: _swap(en / "00001.arrow", fr / "00001.arrow"),
            "a shard of sentences/fr, found in sentences/en",
        ),
        (
            lambda en, fr: (en / "00002.arrow").unlink(),
            "shard 0 of 3, found as shard 0 of 2: swapped, or one is missing",
        ),
        (lambda en, fr: _swap(en, fr), "a shard of sentences/fr, found in sentences/en"),
        (
            lambda en, fr: write_shard(en / "00001.arrow", _sentences(["x"]), {"kind": "pairs"}, of=3),
            'its artifact is null, that of 00000.arrow "sentences/en"',
        ),
    ],
)
def test_a_shard_in_another_s_place_is_named(tmp_path: Path, harm: Callable[[Path, Path], object], said: str):
    _folders(tmp_path)
    en, fr = (tmp_path / "sentences" / language for language in ("en", "fr"))
    assert len(open_folder(en)) == 3
    harm(en, fr)
    with pytest.raises(ArtifactError) as raised:
        open_folder(en)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_shard_is_read_whole_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "00000.arrow"
    write_shard(path, _sentences(["x"]), {"kind": "sentences"})
    open_shard(path)
    monkeypatch.setattr("pipeline.ground.file_checksum._digest", lambda *_: pytest.fail("read again"))
    open_shard(path)
