"""A store elsewhere (fsspec's file system in memory), its cache, its faults; and a store without locks or hard links."""

from __future__ import annotations

import errno
import logging
import sys
import uuid
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from small import WORDS

from pipeline.ground.hashing import as_keys, text_key
from pipeline.store import remote as remote_store
from pipeline.store.local import IDENTITY_FILE, VectorStore, list_store, prune_store
from pipeline.store.remote import StoreError, cache_folder, remote_of
from stages.running.layout import Layout
from stages.running.lock import one_at_a_time

IDENTITY = {"model": "tiny", "dimension": 4}


def rows(start: int, stop: int):
    keys = as_keys(sorted(text_key(f"{WORDS[0]} {number}") for number in range(start, stop)))
    return keys, np.random.default_rng(start).standard_normal((len(keys), 4)).astype(np.float16)


@pytest.fixture
def url() -> str:
    return f"memory://store-{uuid.uuid4().hex}"


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(remote_store.time, "sleep", waits.append)
    return waits


def colleague(folder: Path, url: str) -> VectorStore:
    return VectorStore(cache_folder(url, folder), IDENTITY, 4)


def names(url: str) -> list[str]:
    system, root = fsspec.core.url_to_fs(url)
    return sorted(path.rsplit("/", 1)[-1] for path in system.find(root))


def test_what_one_adds_another_finds(tmp_path: Path, url: str):
    keys, vectors = rows(0, 50)
    colleague(tmp_path / "mine", url).add(keys, vectors)
    other = colleague(tmp_path / "theirs", url)
    assert not list(other.folder.glob("*.arrow"))
    found, there = other.lookup(keys)
    assert there.all()
    assert found.tobytes() == vectors.tobytes()
    assert len(list(other.folder.glob("*.arrow"))) == 1
    assert names(url)[1:] == [IDENTITY_FILE]


def test_only_segments_that_a_lookup_needs_are_brought(tmp_path: Path, url: str):
    keys, vectors = rows(0, 60)
    mine = colleague(tmp_path / "mine", url)
    mine.add(keys[:20], vectors[:20])
    mine.add(keys[40:], vectors[40:])
    other = colleague(tmp_path / "theirs", url)
    found, there = other.lookup(keys[:30])
    assert there.tolist() == [True] * 20 + [False] * 10
    assert found[:20].tobytes() == vectors[:20].tobytes()
    assert len(list(other.folder.glob("*.arrow"))) == 1


def test_segments_of_others_are_seen_when_the_list_is_old(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch):
    keys, vectors = rows(0, 20)
    mine, other = colleague(tmp_path / "mine", url), colleague(tmp_path / "theirs", url)
    assert not other.lookup(keys)[1].any()
    mine.add(keys, vectors)
    assert not other.lookup(keys)[1].any()
    monkeypatch.setattr(remote_store, "LIST_SECONDS", -1.0)
    assert other.lookup(keys)[1].all()


class Failing(MemoryFileSystem):
    """Fails the first so many calls of every operation that is named."""

    protocol = "failing"
    cachable = False
    failures: ClassVar[dict[str, list[Exception]]] = {}

    def _maybe(self, name: str) -> None:
        if self.failures.get(name):
            raise self.failures[name].pop(0)

    def put_file(self, *arguments, **options):
        self._maybe("put_file")
        return super().put_file(*arguments, **options)

    def get_file(self, *arguments, **options):
        self._maybe("get_file")
        return super().get_file(*arguments, **options)

    def ls(self, *arguments, **options):
        self._maybe("ls")
        return super().ls(*arguments, **options)


@pytest.fixture
def failing() -> type[Failing]:
    fsspec.register_implementation("failing", Failing, clobber=True)
    Failing.failures = {}
    return Failing


def slow(count: int) -> list[Exception]:
    return [OSError(errno.EBUSY, "Please reduce your request rate.") for _ in range(count)]


def test_slow_downs_are_waited_for(
    tmp_path: Path, failing: type[Failing], no_waiting: list[float], caplog: pytest.LogCaptureFixture
):
    url = f"failing://store-{uuid.uuid4().hex}"
    keys, vectors = rows(0, 20)
    failing.failures = {"put_file": slow(3), "get_file": slow(2), "ls": slow(1)}
    with caplog.at_level(logging.WARNING):
        colleague(tmp_path / "mine", url).add(keys, vectors)
        assert no_waiting == [0.5, 1.0, 2.0]
        assert colleague(tmp_path / "theirs", url).lookup(keys)[1].all()
    assert no_waiting == [0.5, 1.0, 2.0, 0.5, 0.5, 1.0]
    assert "reduce your request rate" in caplog.text


def test_a_store_that_never_answers_stops_the_run_and_loses_nothing(
    tmp_path: Path, failing: type[Failing], no_waiting: list[float]
):
    url = f"failing://store-{uuid.uuid4().hex}"
    keys, vectors = rows(0, 20)
    mine = colleague(tmp_path / "mine", url)
    failing.failures = {"put_file": slow(99)}
    with pytest.raises(StoreError, match=r"can't write .*, tried 6 times \(OSError: .*request rate") as caught:
        mine.add(keys, vectors)
    assert "\n" not in str(caught.value)
    assert no_waiting == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert mine.lookup(keys)[1].all()  # the cache has it
    assert names(url) == [IDENTITY_FILE]
    failing.failures = {}
    again = colleague(tmp_path / "mine", url)  # the next run sends what is left
    assert len(names(url)) == 2
    assert not list(again.folder.glob("*.unsent"))
    assert colleague(tmp_path / "theirs", url).lookup(keys)[1].all()


def test_no_access_is_said_at_once(tmp_path: Path, failing: type[Failing], no_waiting: list[float]):
    store = colleague(tmp_path, f"failing://store-{uuid.uuid4().hex}")
    failing.failures = {"ls": [PermissionError("Access Denied")]}
    with pytest.raises(StoreError, match=r"access denied: can't list .*Access Denied"):
        store.lookup(rows(0, 3)[0])
    assert no_waiting == []


def test_what_arrives_damaged_is_embedded_again(tmp_path: Path, url: str):
    keys, vectors = rows(0, 20)
    mine = colleague(tmp_path / "mine", url)
    mine.add(keys, vectors)
    system, root = fsspec.core.url_to_fs(url)
    [path] = [path for path in system.find(root) if path.endswith(".arrow")]
    system.pipe_file(path, system.cat_file(path)[:-40])
    other = colleague(tmp_path / "theirs", url)
    assert not other.lookup(keys)[1].any()
    assert not other.lookup(keys)[1].any()
    assert not list(other.folder.glob("*.arrow"))


def test_listing_and_pruning(tmp_path: Path, url: str):
    keys, vectors = rows(0, 3_000)
    mine = colleague(tmp_path / "mine", url)
    mine.add(keys, vectors)
    mine.use.end()
    other = cache_folder(url, tmp_path / "theirs")
    [entry] = list_store(other)
    assert entry.identity == '{"dimension":4,"model":"tiny"}'
    assert entry.vectors == pytest.approx(3_000, rel=0.05)
    assert entry.days_unused < 1
    assert prune_store(other, 1) == []
    assert [deleted.folder.name for deleted in prune_store(other, 0)] == [mine.folder.name]
    assert names(url) == []
    assert list_store(other) == []
    # A cache that still has them doesn't bring them back.
    assert colleague(tmp_path / "mine", url).lookup(keys)[1].all()
    assert names(url) == [IDENTITY_FILE]


def test_a_file_system_elsewhere_has_whole_segments_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keys, vectors = rows(0, 20)
    store = colleague(tmp_path / "cache", f"file://{tmp_path / 'shared'}")
    seen: list[str] = []
    original = type(store.remote.system).mv

    def mv(self, source, target, **options):
        seen.append(Path(source).name)
        assert not Path(target).exists()
        return original(self, source, target, **options)

    monkeypatch.setattr(type(store.remote.system), "mv", mv)
    store.add(keys, vectors)
    assert len(seen) == 1
    assert seen[0].startswith(".")
    assert sorted(path.suffix for path in (tmp_path / "shared").rglob("*") if path.is_file()) == [".arrow", ".json"]
    assert VectorStore(tmp_path / "shared", IDENTITY, 4).lookup(keys)[1].all()  # it is a store itself


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "abc://bucket/store",
            "SOFTALIGN_STORE: abc://bucket/store: Protocol not known: abc; expected a folder or a URL",
        ),
        (
            "s3://bucket/store",
            "SOFTALIGN_STORE: s3://bucket/store: Install s3fs to access S3; pip install 'softalign[s3]'",
        ),
    ],
)
def test_urls_that_nothing_opens(tmp_path: Path, url: str, problem: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(StoreError) as caught:
        colleague(tmp_path, url)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_a_cache_belongs_to_one_store(tmp_path: Path, url: str):
    cache_folder(url, tmp_path)
    cache_folder(url + "/", tmp_path)
    with pytest.raises(StoreError, match="names another store than SOFTALIGN_STORE"):
        cache_folder("memory://other", tmp_path)
    (tmp_path / "remote.json").write_text("[]")
    with pytest.raises(StoreError, match="delete the folder, it is a cache"):
        remote_of(tmp_path)
    assert remote_of(tmp_path / "nothing") is None


def test_the_layout_of_a_project_with_a_store_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("SOFTALIGN_STORE", url)
    store = Layout(tmp_path).store
    assert store.parent == tmp_path / "data" / "store"
    remote = remote_of(store)
    assert remote is not None
    assert remote.url == url
    monkeypatch.setenv("SOFTALIGN_STORE", str(tmp_path / "folder"))
    assert Layout(tmp_path).store == tmp_path / "folder"


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_or_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    def fail(*arguments, **options):
        raise OSError(number, "not here")

    monkeypatch.setattr("fcntl.flock", fail)
    monkeypatch.setattr("os.link", fail)
    keys, vectors = rows(0, 20)
    store = VectorStore(tmp_path / "store", IDENTITY, 4)
    store.add(keys[:10], vectors[:10])
    store.add(keys[10:], vectors[10:])
    found, there = VectorStore(tmp_path / "store", IDENTITY, 4).lookup(keys)
    assert there.all()
    assert found.tobytes() == vectors.tobytes()
    with one_at_a_time(tmp_path / "locks" / "train.lock", "train"):
        pass
    assert [entry.vectors for entry in list_store(tmp_path / "store")] == [20]
