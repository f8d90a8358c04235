import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artifacts.shards import METADATA_KEY
from pipeline.console.errors import VersionError
from pipeline.ground.hashing import as_keys, text_key
from pipeline.store import local
from pipeline.store.local import IDENTITY_FILE, VectorStore, list_store, prune_store

WORKER = Path(__file__).parents[2] / "helpers" / "store_worker.py"
ROOT = WORKER.parents[2]


def _keys(numbers: list[int]):
    return as_keys(sorted(text_key(str(number)) for number in numbers))


def _vectors(keys, dimension: int = 4):
    return np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(len(keys), 16)[:, :dimension].astype(np.float16)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), unique=True, max_size=20), max_size=5))
def test_what_was_added_is_found_and_nothing_else(tmp_path_factory, parts: list[list[int]]):
    store = VectorStore(tmp_path_factory.mktemp("store"), {"model": "m"}, 4)
    for part in parts:
        keys = _keys(part)
        store.add(keys, _vectors(keys))
    everything = _keys(list(range(61)))
    vectors, found = store.lookup(everything)
    known = {text_key(str(number)) for part in parts for number in part}
    assert found.tolist() == [key.ljust(16, b"\0") in known for key in everything]
    assert (vectors[found] == _vectors(everything[found])).all()
    assert not vectors[~found].any()


def test_identities_do_not_meet(tmp_path: Path):
    keys = _keys([1, 2])
    VectorStore(tmp_path, {"model": "m", "prefix": ""}, 4).add(keys, _vectors(keys))
    _, found = VectorStore(tmp_path, {"model": "m", "prefix": "query: "}, 4).lookup(keys)
    assert not found.any()


def test_adding_twice_writes_one_segment(tmp_path: Path):
    store = VectorStore(tmp_path, {"model": "m"}, 4)
    keys = _keys([1, 2, 3])
    for _ in range(2):
        store.add(keys, _vectors(keys))
    assert len(list(store.folder.glob("*.arrow"))) == 1


def test_list_and_prune(tmp_path: Path):
    keys = _keys([1, 2, 3])
    VectorStore(tmp_path, {"model": "m"}, 4).add(keys, _vectors(keys))
    (entry,) = list_store(tmp_path)
    assert entry.vectors == 3
    assert '"model":"m"' in entry.identity
    assert prune_store(tmp_path, unused_days=1) == []
    assert len(prune_store(tmp_path, unused_days=0)) == 1
    assert list_store(tmp_path) == []


def _two_segments(root: Path) -> tuple[VectorStore, Path, Path]:
    store = VectorStore(root, {"model": "m"}, 4)
    paths = []
    for numbers in ([1, 2, 3], [4, 5, 6]):
        before = set(store.folder.glob("*.arrow"))
        store.add(_keys(numbers), _vectors(_keys(numbers)))
        paths += set(store.folder.glob("*.arrow")) - before
    return store, paths[0], paths[1]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda first, second: _flip(first), "damaged: its bytes give the checksum"),
        (lambda first, second: first.write_bytes(b""), "empty"),
        (lambda first, second: first.write_bytes(first.read_bytes()[:700]), "damaged"),
        (lambda first, second: first.write_bytes(second.read_bytes()), "doesn't hold the keys that its name promises"),
    ],
)
def test_a_damaged_segment_costs_its_own_vectors_and_one_line(tmp_path: Path, caplog, harm, said: str):
    store, first, second = _two_segments(tmp_path)
    whole = first.read_bytes()
    harm(first, second)
    everything = _keys([1, 2, 3, 4, 5, 6])
    vectors, found = store.lookup(everything)
    assert found.tolist() == [key in set(_keys([4, 5, 6])) for key in everything]
    assert (vectors[found] == _vectors(everything[found])).all()
    (line,) = caplog.text.splitlines()
    assert first.name in line
    assert said in line
    assert line.endswith("its vectors are embedded again")
    store.add(everything[~found], _vectors(everything[~found]))
    caplog.clear()
    assert store.lookup(everything)[1].all()
    assert caplog.text == ""
    assert first.read_bytes() == whole


def test_a_segment_of_another_encoder_is_not_used(tmp_path: Path, caplog):
    store, first, _ = _two_segments(tmp_path)
    other, theirs, _ = _two_segments(tmp_path / "other")
    assert theirs.name == first.name
    stranger = VectorStore(tmp_path, {"model": "else"}, 4)
    (stranger.folder / first.name).write_bytes(first.read_bytes())
    assert not stranger.lookup(_keys([1, 2, 3]))[1].any()
    assert "belongs to another encoder" in caplog.text
    assert store.identity == other.identity


def test_a_damaged_identity_is_written_again(tmp_path: Path, caplog):
    store, *_ = _two_segments(tmp_path)
    whole = (store.folder / IDENTITY_FILE).read_bytes()
    _flip(store.folder / IDENTITY_FILE)
    assert VectorStore(tmp_path, {"model": "m"}, 4).lookup(_keys([1, 2, 3]))[1].all()
    assert "not the identity that the folder is named by" in caplog.text
    assert (store.folder / IDENTITY_FILE).read_bytes() == whole


def _as_version(path: Path, version: int) -> None:
    """Rewrite a segment as another version would have it, without a checksum."""
    table = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()
    made_by = json.loads(table.schema.metadata[METADATA_KEY])
    made_by = {key: value for key, value in made_by.items() if key != "xxh3"} | {"format": version}
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(made_by, separators=(",", ":"))})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def test_segments_of_the_first_version_are_read_and_checked_by_their_names(tmp_path: Path, caplog):
    store, first, second = _two_segments(tmp_path)
    for path in (first, second):
        _as_version(path, 1)
    assert store.lookup(_keys([1, 2, 3, 4, 5, 6]))[1].all()
    content = bytearray(first.read_bytes())
    (place,) = [
        place for place in range(len(content)) if content[place : place + 24] == _vectors(_keys([1, 2, 3])).tobytes()
    ]
    content[place] ^= 1
    first.write_bytes(content)
    assert store.lookup(_keys([1, 2, 3, 4, 5, 6]))[1].sum() == 3
    assert "not the content that its name promises" in caplog.text


def test_a_newer_softalign_s_segments_are_refused_with_what_to_do(tmp_path: Path):
    store, first, _ = _two_segments(tmp_path)
    _as_version(first, 3)
    with pytest.raises(
        VersionError, match=r"written by a newer softalign .*; upgrade softalign, or set SOFTALIGN_STORE"
    ):
        store.lookup(_keys([1, 2, 3]))


def test_what_a_process_uses_is_not_pruned(tmp_path: Path):
    store = VectorStore(tmp_path, {"model": "m"}, 4)
    store.add(_keys([1]), _vectors(_keys([1])))
    (entry,) = list_store(tmp_path)
    assert entry.used_by == (f"process {os.getpid()} on {os.uname().nodename}",)
    assert prune_store(tmp_path, 0) == []
    store.use.end()
    assert list_store(tmp_path)[0].used_by == ()
    assert len(prune_store(tmp_path, 0)) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_was_read_lately_counts_as_used(tmp_path: Path):
    store = VectorStore(tmp_path, {"model": "m"}, 4)
    store.add(_keys([1]), _vectors(_keys([1])))
    for path in store.folder.iterdir():
        os.utime(path, (time.time() - 864_000,) * 2)
    assert list_store(tmp_path)[0].days_unused > 9
    VectorStore(tmp_path, {"model": "m"}, 4).lookup(_keys([1]))
    assert list_store(tmp_path)[0].days_unused < 1


def test_a_store_pruned_under_a_process_is_written_anew(tmp_path: Path):
    store = VectorStore(tmp_path, {"model": "m"}, 4)
    store.add(_keys([1]), _vectors(_keys([1])))
    store.use.end()
    prune_store(tmp_path, 0)
    assert not store.lookup(_keys([1]))[1].any()
    store.add(_keys([1]), _vectors(_keys([1])))
    assert store.lookup(_keys([1]))[1].all()
    assert [entry.vectors for entry in list_store(tmp_path)] == [1]


def test_a_store_that_is_pruned_while_it_is_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = local.write_text

    def pruned_first(path: Path, text: str) -> None:
        monkeypatch.setattr(local, "write_text", written)
        path.parent.rmdir()
        raise FileNotFoundError(path)

    monkeypatch.setattr(local, "write_text", pruned_first)
    store = VectorStore(tmp_path, {"model": "m"}, 4)
    store.add(_keys([1]), _vectors(_keys([1])))
    assert [entry.vectors for entry in list_store(tmp_path)] == [1]


def test_processes_share_a_store_without_losing_or_tearing_anything(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    store = VectorStore(tmp_path, {"model": "m"}, 4)  # in use until the end, so that the pruning processes leave it
    running = [
        subprocess.Popen([sys.executable, str(WORKER), what, str(tmp_path), str(number), "25"], env=environment)
        for number, what in enumerate(["use", "use", "use", "prune", "prune"])
    ]
    assert [process.wait(timeout=300) for process in running] == [0] * 5
    vectors, found = store.lookup(_keys(list(range(500))))
    assert found.sum() > 300
    assert (vectors[found] == _vectors(_keys(list(range(500)))[found])).all()
    assert not [
        path for path in tmp_path.rglob("*") if path.name.startswith(".") or path.suffix in {".tmp", ".damaged"}
    ]
