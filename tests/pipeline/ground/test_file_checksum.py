import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from pipeline.artifacts.parquet import FORMAT, read_made_by, sealed_metadata
from pipeline.console.errors import ArtifactError, DamagedError, VersionError
from pipeline.ground.file_checksum import BLANK, blank, check_seal, file_digest, seal
from pipeline.ground.folder_checksums import CHECKSUMS, check_folder, write_checksums


def sealed_json(path: Path, **values: object) -> bytes:
    path.write_text(json.dumps({**values, **blank()}, separators=(",", ":")), encoding="utf-8")
    seal(path)
    return path.read_bytes()


def test_the_checksum_is_xxh3_of_the_bytes_with_zeros_in_its_place(tmp_path: Path):
    content = sealed_json(tmp_path / "a", x=1)
    digest = json.loads(content)["xxh3"]
    assert digest == xxhash.xxh3_128_hexdigest(content.replace(digest.encode(), BLANK.encode()))
    check_seal(tmp_path / "a")


def test_a_checksum_across_two_blocks_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    content = sealed_json(tmp_path / "a", text="x" * 100)
    for block in (7, 64, len(content) - 10):
        monkeypatch.setattr("pipeline.ground.file_checksum.BLOCK", block)
        monkeypatch.setattr("pipeline.ground.file_checksum._checked", set())
        check_seal(tmp_path / "a")


def test_a_file_without_a_place_can_t_be_sealed(tmp_path: Path):
    (tmp_path / "a").write_text("{}")
    with pytest.raises(ValueError, match="no place for a checksum"):
        seal(tmp_path / "a")
    with pytest.raises(DamagedError, match="its checksum is missing"):
        check_seal(tmp_path / "a")


def test_a_change_after_the_check_is_seen_by_the_next_check(tmp_path: Path):
    content = sealed_json(tmp_path / "a", x=1)
    check_seal(tmp_path / "a")
    (tmp_path / "a").write_bytes(content.replace(b'"x":1', b'"x":2'))
    with pytest.raises(DamagedError, match="not the one in it; run the stage"):
        check_seal(tmp_path / "a")


# Parquet


def parquet(path: Path, **made_by: object) -> bytes:
    texts = ['a row that looks like "xxh3":"' + BLANK + '"', "another"]
    table = pa.table({"text": texts}).replace_schema_metadata(sealed_metadata({"kind": "mined", **made_by}))
    pq.write_table(table, path, compression="none")
    seal(path)
    return path.read_bytes()


def test_every_flipped_byte_of_a_parquet_file_is_found(tmp_path: Path):
    path = tmp_path / "en-fr.parquet"
    whole = parquet(path, pair="en-fr")
    assert read_made_by(path, {"pair": "en-fr"}) == {"kind": "mined", "pair": "en-fr", "format": FORMAT}
    assert pq.read_table(path)["text"].to_pylist()[0].endswith(BLANK + '"')
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(ArtifactError):
            read_made_by(path, {"pair": "en-fr"}, formats=(1, FORMAT))


def test_a_cut_parquet_file_and_one_in_another_s_place(tmp_path: Path):
    path = tmp_path / "en-fr.parquet"
    whole = parquet(path, pair="en-ja")
    with pytest.raises(ArtifactError, match='its pair is "en-ja", expected "en-fr"'):
        read_made_by(path, {"pair": "en-fr"})
    for left in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:left])
        with pytest.raises(DamagedError, match="not a readable Parquet file"):
            read_made_by(path, {})


def test_parquet_of_other_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "old.parquet"
    table = pa.table({"text": ["a"]})
    pq.write_table(table.replace_schema_metadata({"softalign": json.dumps({"kind": "mined"})}), path)
    with pytest.raises(VersionError, match="format version 1, expected 2; run its stage again"):
        read_made_by(path, {})
    assert read_made_by(path, {}, formats=(1, FORMAT)) == {"kind": "mined"}
    pq.write_table(table, path)
    with pytest.raises(ArtifactError, match="not one of softalign's"):
        read_made_by(path, {})
    monkeypatch.setattr("pipeline.artifacts.parquet.FORMAT", 3)
    parquet(path)
    monkeypatch.undo()
    with pytest.raises(VersionError, match="format version 3, expected 2; upgrade softalign"):
        read_made_by(path, {})


# Folders


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    write_checksums(tmp_path)
    return tmp_path


def test_checksums_are_lines_that_xxhsum_reads(model: Path):
    lines = (model / CHECKSUMS).read_text().splitlines()
    assert lines == [
        f"{xxhash.xxh3_128_hexdigest(b'{}')}  1_Pooling/config.json",
        f"{xxhash.xxh3_128_hexdigest(b'weights')}  model.safetensors",
    ]
    assert file_digest(model / "model.safetensors") == xxhash.xxh3_128_hexdigest(b"weights")
    (model / "README.md").write_text("a file that came later")
    check_folder(model)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", b"weightz", "model.safetensors: damaged or changed"),
        ("1_Pooling/config.json", b"", "config.json: damaged or changed"),
        ("1_Pooling/config.json", None, "config.json: missing, though checksums.xxh3 notes it"),
        (CHECKSUMS, b"abc", "checksums.xxh3: damaged: a line is no checksum"),
        (CHECKSUMS, b"0" * 32 + b"  ../../etc/passwd\n", "checksums.xxh3: damaged: a line is no checksum"),
    ],
)
def test_a_damaged_model_is_named(model: Path, name: str, content: bytes | None, said: str):
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(content)
    with pytest.raises(DamagedError) as raised:
        check_folder(model)
    assert said in str(raised.value)


def test_a_model_without_checksums_is_nobody_s_business(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    check_folder(tmp_path)
