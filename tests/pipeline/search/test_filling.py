"""Indexes filled in parts, and looked into by several workers, against those of one process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from pipeline.config.mine import Mine
from pipeline.mining.mine import find_neighbors
from pipeline.search import faiss_index as index
from pipeline.search import filling
from pipeline.search.faiss_index import IndexFolderError, approximate_neighbors, build_index, ensure_index
from pipeline.search.filling import separable
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorError
from pipeline.search.workers import SearchWorkers
from tests.pipeline.search.test_exact_blocks import Several, folder, same
from tests.pipeline.search.test_faiss_index import sides

BIG = 1 << 30
BATCH = 128
SEPARABLE = ["IVF16,Flat", "IVF16,SQfp16", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4x4"]
OTHERS = ["Flat", "HNSW16", "IVF8,PQ4x4fs", "IVF8,Flat,RFlat"]


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(filling, "FILL_ROWS", BATCH)
    monkeypatch.setattr(index, "FILL_ROWS", BATCH)
    monkeypatch.setattr(index, "QUERY_ROWS", BATCH)


def options(factory: str, index_bytes: int = BIG) -> Mine:
    return Mine(search="approximate", index=factory, recall=0.9, sample=200, memory_bytes=1 << 20).model_copy(
        update={"index_bytes": index_bytes}
    )


@pytest.mark.parametrize("index_bytes", [BIG, 5_000])
@pytest.mark.parametrize("factory", [*SEPARABLE, *OTHERS])
def test_many_workers_give_the_index_and_the_neighbours_of_one_process(tmp_path: Path, factory: str, index_bytes: int):
    x, y = folder(tmp_path / "a", 1500, 1), folder(tmp_path / "b", 900, 2)
    wanted = options(factory, index_bytes)
    alone = find_neighbors(x, y, wanted, tmp_path / "alone", seed=3)
    done: list[int] = []
    found = find_neighbors(
        x,
        y,
        wanted,
        tmp_path / "many",
        3,
        lambda count=1, note="": done.append(count),
        room=Room(tmp_path / "room"),
        spread=SearchWorkers(Several()),
    )
    same(found.neighbors, alone.neighbors)
    assert (found.about, found.tuned) == (alone.about, alone.tuned)
    assert sum(done) == 1500 + 900
    assert contents(tmp_path / "many") == contents(tmp_path / "alone")
    on_disk = index_bytes < BIG and factory in SEPARABLE
    assert len(list((tmp_path / "many").rglob("lists.ivfdata"))) == 2 * on_disk
    again = find_neighbors(x, y, wanted, tmp_path / "many", 3, spread=SearchWorkers(Several()))
    same(again.neighbors, alone.neighbors)


@pytest.mark.parametrize("factory", SEPARABLE)
def test_lists_on_disk_hold_what_lists_in_memory_do(tmp_path: Path, factory: str):
    x, y = sides(300, 700, 8)
    found = []
    for name, index_bytes in (("memory", BIG), ("disk", 5_000)):
        one, other = (
            build_index(tmp_path / f"{name}-{side}", vectors, factory, index_bytes)
            for side, vectors in (("b", y), ("a", x))
        )
        found.append(approximate_neighbors(one, other, 4))
    assert (tmp_path / "disk-b" / "lists.ivfdata").exists()
    assert not (tmp_path / "memory-b" / "lists.ivfdata").exists()
    same(*found)


def test_an_index_says_nothing_of_where_it_was_made(tmp_path: Path):
    _, y = sides(10, 700, 8)
    for name in ("one", "other"):
        ensure_index(tmp_path / name, y, "IVF16,Flat", 10_000)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert not any(str(tmp_path).encode() in content for content in contents(tmp_path).values())


@pytest.mark.parametrize("factory", [*SEPARABLE, *OTHERS])
def test_which_parts_can_be_put_together(factory: str):
    assert separable(faiss.index_factory(8, factory, faiss.METRIC_INNER_PRODUCT)) == (factory in SEPARABLE)


def test_few_rows_and_more_workers_than_rows(tmp_path: Path):
    x, y = folder(tmp_path / "a", 200, 1), folder(tmp_path / "b", 2, 2)
    one = SelectedVectors(y.folder, y.rows[:1])
    for other in (y, one):
        alone = find_neighbors(x, other, options("IVF1,Flat"))
        found = find_neighbors(x, other, options("IVF1,Flat"), spread=SearchWorkers(Several()))
        same(found.neighbors, alone.neighbors)


def test_a_vector_without_direction_is_named_and_no_index_is_left(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(index, "training_rows", lambda rows, factory, seed: np.arange(300))
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2, zero=True)
    y = SelectedVectors(y.folder, np.sort(y.rows))
    with pytest.raises(VectorError, match=r"the index, row 699: the vector is zero"):
        find_neighbors(x, y, options("IVF1,Flat"), tmp_path / "kept", spread=SearchWorkers(Several()))
    assert not list((tmp_path / "kept").iterdir())


def test_an_index_that_is_gone_is_one_line(tmp_path: Path):
    x, y = folder(tmp_path / "a", 300, 1), folder(tmp_path / "b", 200, 2)
    item = index.LookUp(True, (0, 10), tmp_path / "pruned", {}, 1)
    with pytest.raises(IndexFolderError, match="FAISS can't read it") as caught:
        item.do(filling.Sides(x, y, 4, 1 << 20), lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_disk_without_room_for_the_lists_is_said(tmp_path: Path, monkeypatch):
    _, y = sides(10, 700, 8)
    monkeypatch.setattr(filling.shutil, "disk_usage", lambda path: SimpleNamespace(free=700 * 40 - 1))
    with pytest.raises(OSError, match=r"No space left on device: .*lists\.ivfdata"):
        build_index(tmp_path / "index", y, "IVF16,Flat", 5_000)
    assert not list(tmp_path.iterdir())
