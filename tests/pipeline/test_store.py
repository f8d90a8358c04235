from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.hashing import as_keys, text_key
from pipeline.store import VectorStore, list_store, prune_store


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
