from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ground.hashing import (
    as_keys,
    code_hash,
    folder_hash,
    fraction,
    identity_hash,
    locate,
    pair_key,
    shard_count,
    shard_of,
    text_key,
)

KEYS = st.lists(st.binary(min_size=16, max_size=16), max_size=40)


def test_a_key_is_blake2b_of_the_text():
    assert text_key("abc").hex() == "cf4ab791c62b8d2b2109c90275287816"
    assert len(pair_key(text_key("a"), text_key("b"))) == 16
    assert pair_key(text_key("a"), text_key("b")) != pair_key(text_key("b"), text_key("a"))


@given(KEYS, KEYS)
def test_locate_finds_what_a_dictionary_finds(present: list[bytes], wanted: list[bytes]):
    ordered = sorted(set(present))
    rows = {key: row for row, key in enumerate(ordered)}
    wanted = wanted + present[::2]
    found = locate(as_keys(ordered), as_keys(wanted))
    assert found.tolist() == [rows.get(key, -1) for key in wanted]


@given(KEYS, st.sampled_from([1, 2, 8, 64]))
def test_shards_are_ranges_of_sorted_keys(keys: list[bytes], count: int):
    ordered = as_keys(sorted(keys))
    shards = shard_of(ordered, count)
    assert (np.diff(shards) >= 0).all()
    assert ((shards >= 0) & (shards < count)).all()
    assert (shard_of(ordered, count * 2) // 2 == shards).all()


def test_keys_that_end_in_zero_bytes_stay_apart():
    keys = as_keys([b"\x01" + b"\0" * 15, b"\x01" + b"\0" * 14 + b"\x01"])
    assert locate(keys, keys).tolist() == [0, 1]


@pytest.mark.parametrize(("rows", "expected"), [(0, 1), (10, 1), (11, 2), (40, 4), (41, 8)])
def test_shard_count(rows: int, expected: int):
    assert shard_count(rows, 10) == expected


def test_fraction_is_uniform():
    places = np.array([fraction(text_key(str(number))) for number in range(4000)])
    assert ((places >= 0) & (places < 1)).all()
    assert abs(places.mean() - 0.5) < 0.02


def test_folder_hash_sees_names_and_contents_but_not_places(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("x")
    assert folder_hash(tmp_path / "one") == folder_hash(tmp_path / "two")
    (tmp_path / "two" / "a").write_text("y")
    assert folder_hash(tmp_path / "one") != folder_hash(tmp_path / "two")


def test_identity_does_not_depend_on_order():
    assert identity_hash({"a": 1, "b": 2}) == identity_hash({"b": 2, "a": 1})


def test_code_counts_by_what_it_does(tmp_path: Path):
    (tmp_path / "room").mkdir()
    module = tmp_path / "room" / "step.py"
    sources = {
        "plain": "def step(x):\n    return x + 1\n",
        "commented": '"""What it is."""\n\n\ndef step(x):\n    """Docstring."""\n    # why\n    return x + 1\n',
        "changed": "def step(x):\n    return x + 2\n",
        "other text": 'def step(x):\n    return "x"\n',
    }
    found = {}
    for name, text in sources.items():
        module.write_text(text, encoding="utf-8")
        found[name] = code_hash(tmp_path, ["room/*.py"])
    assert found["plain"] == found["commented"]
    assert len({found["plain"], found["changed"], found["other text"]}) == 3
    (tmp_path / "room" / "page.html").write_text("no code", encoding="utf-8")
    assert code_hash(tmp_path, ["room/*"]) == found["other text"]
    module.rename(tmp_path / "room" / "other.py")
    assert code_hash(tmp_path, ["room/*.py"]) != found["other text"]
