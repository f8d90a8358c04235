"""Search on a GPU: the neighbours of a CPU. What needs a card is skipped without one; what chooses it is not."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors, self_neighbors
from search_sides import sides

from pipeline.config.mine import Mine
from pipeline.mining.mine import mine, search_job
from pipeline.search import look_up
from pipeline.search.bounded import BoundedTiler, make_tiler
from pipeline.search.int8_vectors import multiplies_bytes
from pipeline.search.job import SearchJob
from pipeline.search.search import search
from pipeline.search.tiles import Plan, Tiler

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card")


@needs_card
@pytest.mark.parametrize(("rows", "k", "d"), [((9_000, 20_000), 4, 384), ((3_000, 500), 8, 64), ((700, 900), 12, 20)])
def test_a_card_finds_what_a_cpu_finds(rows: tuple[int, int], k: int, d: int):
    x, y = sides(*rows, d=d)
    one, other = (mutual_neighbors(x, y, k, 256 << 20, device) for device in ("cpu", "cuda"))
    for name in ("forward", "backward"):
        similarity = [getattr(found, f"{name}_similarity") for found in (one, other)]
        np.testing.assert_allclose(*similarity, atol=2e-6)
        assert (getattr(one, f"{name}_row") == getattr(other, f"{name}_row")).mean() > 0.999  # but for rounding
    pairs = [
        set(zip(found.row_a.tolist(), found.row_b.tolist(), strict=True))
        for found in (mine(x, y, Mine(), search_job(Mine(search="exact"), device=device)) for device in ("cpu", "cuda"))
    ]
    assert len(pairs[0] ^ pairs[1]) <= 2
    np.testing.assert_allclose(*(self_neighbors(x, k, 256 << 20, at).similarity for at in ("cpu", "cuda")), atol=2e-6)


@needs_card
def test_a_card_bounds_by_bytes_only_what_it_can_multiply():
    card = torch.device("cuda")
    assert type(make_tiler(Plan(64, 64), card, 384, 4)) is (BoundedTiler if multiplies_bytes(card) else Tiler)
    assert type(make_tiler(Plan(64, 64), card, 20, 4)) is Tiler


@pytest.fixture
def card_of_faiss(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """FAISS as if it had been built for a GPU; what is asked of it."""
    asked: list[str] = []

    def to_gpu(resources: Any, device: int, searcher: Any) -> Any:
        asked.append(type(faiss.downcast_index(searcher)).__name__)
        if "FastScan" in asked[-1]:
            raise RuntimeError("not implemented on GPUs")
        return SimpleNamespace(search=searcher.search, kept=searcher)

    def knn_gpu(resources: Any, *given: Any, **named: Any) -> Any:
        asked.append("knn")
        return faiss.knn(*given, **named)

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "resources", raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    monkeypatch.setattr(faiss, "knn_gpu", knn_gpu, raising=False)
    monkeypatch.setattr(faiss, "downcast_index", lambda index: getattr(index, "kept", None) or downcast(index))
    look_up.gpu_resources.cache_clear()
    yield asked
    look_up.gpu_resources.cache_clear()


downcast = faiss.downcast_index


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("Flat", "knn"),
        ("IVF8,Flat", "IndexIVFFlat"),
        ("IVF8,SQ8", "IndexIVFScalarQuantizer"),
        ("IVF8,PQ16x4fs", "IndexIVFPQFastScan"),
    ],
)
def test_faiss_searches_on_its_gpu_what_it_has_there_and_else_on_the_cpu(
    card_of_faiss: list[str], index: str, expected: str
):
    x, y = sides(600, 500)
    job = SearchJob(4, backend="faiss", index=index, recall=1.0, sample=600)
    found = search(x, y, job).neighbors
    assert card_of_faiss == [expected, expected]
    exact = mutual_neighbors(x, y, 4, 1 << 20, "cpu")
    assert (found.forward_similarity - exact.forward_similarity > -2e-6).mean() > 0.9
