"""Every reader of outside bytes, on mutated valid files: rows, rejects or one line, whatever the bytes. Briefly here; for as
long as wanted with ``bench/fuzz.py``."""

from pathlib import Path

import pytest
from fuzz_targets import EDGES, KINDS, all_targets, apply_edits, check, clean
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = all_targets()
SLOW = tuple(name for name in TARGETS if name.startswith(("transformer", "static", "inspect")))


@pytest.mark.parametrize("name", TARGETS)
def test_valid_files_are_read(name: str, tmp_path: Path):
    """What the fuzzer starts from reaches the readers' insides."""
    assert "read" in {check(TARGETS[name], tmp_path, seed) for seed in TARGETS[name].seeds()}


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_rows_rejects_or_one_line(name: str, tmp_path_factory: pytest.TempPathFactory):
    target = TARGETS[name]
    seeds = target.seeds()
    folder = tmp_path_factory.mktemp("fuzz")
    share = st.floats(0, 1, allow_nan=False, width=16)
    pieces = st.sampled_from([*EDGES, *target.words]) | st.binary(min_size=1, max_size=8)
    edits = st.lists(st.tuples(st.sampled_from(KINDS), share, share, pieces), min_size=1, max_size=5)

    @settings(
        max_examples=4 if name in SLOW else 15, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(st.sampled_from(seeds), edits)
    def mutated(seed: bytes, how: list) -> None:
        check(target, folder, apply_edits(seed, how))

    mutated()
    clean(folder)


def test_edits_by_hand():
    assert apply_edits(b"abcd", [("flip", 0.25, 0, b"\x00")]) == b"a" + bytes([ord("b") ^ 1]) + b"cd"
    assert apply_edits(b"abcd", [("insert", 1.0, 0, b"--")]) == b"abcd--"
    assert apply_edits(b"abcd", [("delete", 0.0, 1.0, b"x")]) == b""
    assert apply_edits(b"abcd", [("repeat", 0.0, 0.0, b"\x00")]) == b"aabcd"
    assert apply_edits(b"\x01\x00\x00\x00", [("integer", 0.0, 0, b"\x82")]) == b"\x03\x00\x00\x00"
