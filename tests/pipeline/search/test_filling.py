"""Indexes filled in parts, and looked into by several workers, against those of one process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest
from search_sides import Several, folder, same, sides

from pipeline.search import faiss_index as index
from pipeline.search import filling, look_up
from pipeline.search.backends import faiss as backend
from pipeline.search.faiss_index import CPU, IndexFolderError, IndexForm, build_index, ensure_index
from pipeline.search.filling import separable
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.scratch import ScratchArrays
from pipeline.search.search import search
from pipeline.search.vectors import VectorError, normalised

BIG = 1 << 30
BATCH = 128
SEPARABLE = ["IVF16,Flat", "IVF16,SQfp16", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4x4"]
OTHERS = ["Flat", "HNSW16", "IVF8,PQ4x4fsr", "IVF8,Flat,RFlat"]


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(filling, "FILL_ROWS", BATCH)
    monkeypatch.setattr(index, "FILL_ROWS", BATCH)
    monkeypatch.setattr(look_up, "QUERY_ROWS", BATCH)
    monkeypatch.setattr(backend, "QUERY_ROWS", BATCH)


def job(factory: str, index_bytes: int = BIG, **given: Any) -> SearchJob:
    return SearchJob(
        4, 1 << 20, backend="faiss", index=factory, index_bytes=index_bytes, recall=0.9, sample=200, seed=3, **given
    )


@pytest.mark.parametrize("index_bytes", [BIG, 5_000])
@pytest.mark.parametrize("factory", [*SEPARABLE, *OTHERS])
def test_many_workers_give_the_index_and_the_neighbours_of_one_process(tmp_path: Path, factory: str, index_bytes: int):
    x, y = folder(tmp_path / "a", 1500, 1), folder(tmp_path / "b", 900, 2)
    alone = search(x, y, job(factory, index_bytes, indexes=tmp_path / "alone"))
    done: list[int] = []
    several = job(factory, index_bytes, indexes=tmp_path / "many", workers=SearchWorkers(Several()))
    counted = replace(
        several, scratch=ScratchArrays(tmp_path / "arrays"), advance=lambda count=1, note="": done.append(count)
    )
    found = search(x, y, counted)
    same(found.neighbors, alone.neighbors)
    assert (found.about, found.tuned) == (alone.about, alone.tuned)
    assert sum(done) == 1500
    assert contents(tmp_path / "many") == contents(tmp_path / "alone")
    on_disk = index_bytes < BIG and factory in SEPARABLE
    assert len(list((tmp_path / "many").rglob("lists.ivfdata"))) == 2 * on_disk
    same(search(x, y, several).neighbors, alone.neighbors)


@pytest.mark.parametrize("factory", SEPARABLE)
def test_lists_on_disk_hold_what_lists_in_memory_do(tmp_path: Path, factory: str):
    x, y = sides(300, 700, 8)
    memory, disk = (
        build_index(tmp_path / name, y, IndexForm(factory, index_bytes))
        for name, index_bytes in (("memory", BIG), ("disk", 5_000))
    )
    assert (tmp_path / "disk" / "lists.ivfdata").exists()
    assert not (tmp_path / "memory" / "lists.ivfdata").exists()
    queries = normalised(x, 0, len(x), "x", CPU)
    for one, other in zip(memory.search(queries, 4), disk.search(queries, 4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_index_says_nothing_of_where_it_was_made(tmp_path: Path):
    _, y = sides(10, 700, 8)
    for name in ("one", "other"):
        ensure_index(tmp_path / name, y, IndexForm("IVF16,Flat", 10_000))
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert not any(str(tmp_path).encode() in content for content in contents(tmp_path).values())


@pytest.mark.parametrize("factory", [*SEPARABLE, *OTHERS])
def test_which_parts_can_be_put_together(factory: str):
    assert separable(faiss.index_factory(8, factory, faiss.METRIC_INNER_PRODUCT)) == (factory in SEPARABLE)


def test_few_rows_and_more_workers_than_rows(tmp_path: Path):
    x, y = folder(tmp_path / "a", 200, 1), folder(tmp_path / "b", 2, 2)
    one = SelectedVectors(y.folder, y.rows[:1])
    for other in (y, one):
        alone = search(x, other, job("IVF1,Flat"))
        found = search(x, other, job("IVF1,Flat", workers=SearchWorkers(Several())))
        same(found.neighbors, alone.neighbors)


def test_a_vector_without_direction_is_named_and_no_index_is_left(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(index, "training_rows", lambda rows, factory, seed: np.arange(300))
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2, zero=True)
    y = SelectedVectors(y.folder, np.sort(y.rows))
    with pytest.raises(VectorError, match=r"the index, row 699: the vector is zero"):
        search(x, y, job("IVF1,Flat", indexes=tmp_path / "kept", workers=SearchWorkers(Several())))
    assert not list((tmp_path / "kept").iterdir())


def test_an_index_that_is_gone_is_one_line(tmp_path: Path):
    x, y = folder(tmp_path / "a", 300, 1), folder(tmp_path / "b", 200, 2)
    item = look_up.LookUp(True, (0, 10), look_up.KeptForm(tmp_path / "pruned", {}, 1, 0))
    with pytest.raises(IndexFolderError, match="FAISS can't read it") as caught:
        item.do(filling.Sides(x, y, SearchJob(4, 1 << 20)), lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_disk_without_room_for_the_lists_is_said(tmp_path: Path, monkeypatch):
    _, y = sides(10, 700, 8)
    monkeypatch.setattr(filling.shutil, "disk_usage", lambda path: SimpleNamespace(free=700 * 40 - 1))
    with pytest.raises(OSError, match=r"No space left on device: .*lists\.ivfdata"):
        build_index(tmp_path / "index", y, IndexForm("IVF16,Flat", 5_000))
    assert not list(tmp_path.iterdir())
