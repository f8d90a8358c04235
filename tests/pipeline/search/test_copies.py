"""Copies take no place of a neighbourhood, whatever searches: held to a whole matrix whose cells of copies are empty."""

from __future__ import annotations

from pathlib import Path

import mining_reference as reference
import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors
from search_sides import Several, folder

from pipeline.mining.documents import restricted_neighbors, same_document
from pipeline.search import bounded, copies, tiles
from pipeline.search.copies import Copies, OwnRows
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.samples import sampling
from pipeline.search.scratch import ScratchArrays
from pipeline.search.search import search

CPU = torch.device("cpu")


def copies_of(a: list[int], b: list[int]) -> Copies:
    """Copies of rows with these texts; a text below 0 is like no other."""
    both = sorted({text for text in a if text >= 0} & set(b))
    sides = []
    for texts in (a, b):
        rows = [row for row, text in enumerate(texts) if text in both]
        sides += [np.array(rows, np.int64), np.array([both.index(texts[row]) for row in rows], np.int64)]
    return Copies(*sides)


def sides(n: int, m: int, seed: int = 0, texts: int = 60, d: int = 8):
    """Two sides in which copies have (nearly) the same vector, some texts stand several times, and what is to be found."""
    generator = np.random.default_rng(seed)
    x, y = (generator.standard_normal((rows, d)).astype(np.float32) for rows in (n, m))
    a, b = (generator.integers(-texts, texts, rows) for rows in (n, m))
    directions = generator.standard_normal((texts, d)).astype(np.float32)
    for vectors, labels in ((x, a), (y, b)):
        vectors[labels >= 0] = directions[labels[labels >= 0]] + 0.01 * vectors[labels >= 0]
    cosines = reference.cosines(x, y)
    cosines[(a[:, None] >= 0) & (a[:, None] == b[None])] = -np.inf
    return x, y, copies_of(a.tolist(), b.tolist()), cosines


def near(found, cosines: np.ndarray, k: int, missing: float = 0.0) -> None:
    """Neighbours of both directions against the matrix; no copy is ever one, and the similarities are the k greatest."""
    for similarity, row, matrix in (
        (found.forward_similarity, found.forward_row, cosines),
        (found.backward_similarity, found.backward_row, cosines.T),
    ):
        lines, columns = np.nonzero(row >= 0)
        assert np.isfinite(matrix[lines, row[lines, columns]]).all()
        best = -np.sort(-matrix, axis=1)[:, :k]
        best = np.pad(best, ((0, 0), (0, k - best.shape[1])), constant_values=-np.inf)
        if missing:
            assert (np.abs(similarity - best) < 1e-5).mean() > 1 - missing
        else:
            np.testing.assert_allclose(similarity, best, atol=2e-6)


def test_cells_are_those_of_the_matrix(monkeypatch: pytest.MonkeyPatch):
    a, b = [3, -1, 5, 3, 7, 5], [5, 3, 3, -2, 9, 3]
    found = copies_of(a, b)
    expected = {(i, j) for i, one in enumerate(a) for j, other in enumerate(b) if one == other}
    for at_once in (1, 2, 1 << 16):
        monkeypatch.setattr(copies, "CELLS", at_once)
        cells = [torch.stack(part, dim=1).tolist() for part in found.cells((0, 6), (0, 6), CPU)]
        assert sorted(tuple(cell) for part in cells for cell in part) == sorted(expected)
    cells = list(found.cells((2, 5), np.array([5, 0]), CPU))
    assert {(i.item(), j.item()) for part in cells for i, j in zip(*part, strict=True)} == {(0, 1), (1, 0)}
    assert list(found.cells((1, 2), (0, 6), CPU)) == []
    assert found.counts(np.arange(6)).tolist() == [3, 0, 1, 3, 0, 1]
    assert found.met(np.array([0, 1]), np.array([[5, 0, -1], [5, 0, -1]])).tolist() == [
        [True, False, False],
        [False] * 3,
    ]
    picked = found.picked(np.array([4, 3, 0]), np.array([2, 4]))
    assert [part.tolist() for part in vars(picked).values()] == [[1, 2], [0, 0], [0], [0]]


def test_a_row_of_a_set_in_itself_meets_itself_alone():
    own = OwnRows()
    ((one, other),) = own.cells((3, 6), (4, 9), CPU)
    assert (one.tolist(), other.tolist()) == ([1, 2], [0, 1])
    ((one, other),) = own.cells(np.array([7, 2]), (0, 5), CPU)
    assert (one.tolist(), other.tolist()) == ([1], [2])
    assert own.counts(np.arange(3)).tolist() == [1, 1, 1]
    assert own.met(np.array([4, 5]), np.array([[4, -1], [4, 5]])).tolist() == [[True, False], [False, True]]
    assert own.swapped() is own


@pytest.mark.parametrize("by_bytes", [False, True])
@pytest.mark.parametrize(("n", "m", "k"), [(300, 210, 4), (5, 3, 4), (64, 64, 1), (90, 200, 12)])
def test_exact_search(monkeypatch: pytest.MonkeyPatch, n: int, m: int, k: int, by_bytes: bool):
    monkeypatch.setattr(tiles, "CPU_TILE", 64)
    monkeypatch.setattr(bounded, "multiplies_bytes", lambda device: by_bytes)
    x, y, same, cosines = sides(n, m, seed=n + k)
    near(mutual_neighbors(x, y, k, 1 << 20, "cpu", copies=same), cosines, k)


def test_tiles_of_copies_are_multiplied_plainly_and_hidden_there_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tiles, "CPU_TILE", 256)
    monkeypatch.setattr(bounded, "multiplies_bytes", lambda device: True)
    x, y, same, cosines = sides(300, 280)
    x, y = 1 + 1e-3 * x, 1 + 1e-3 * y  # nearly all pairs are as good as each other
    cosines = np.where(np.isfinite(cosines), reference.cosines(x, y), -np.inf)
    plainly = []
    update = bounded.BoundedTiler._update_plainly
    monkeypatch.setattr(bounded.BoundedTiler, "_update_plainly", lambda *given: (plainly.append(1), update(*given))[1])
    near(mutual_neighbors(x, y, 4, 64 << 20, "cpu", copies=same), cosines, 4)
    assert plainly


def test_workers_and_files_bit_by_bit(tmp_path: Path):
    x, y = folder(tmp_path / "a", 700, 1), folder(tmp_path / "b", 330, 2)
    labels = np.random.default_rng(3).integers(-50, 50, 1030).tolist()
    same = copies_of(labels[:700], labels[700:])
    alone = mutual_neighbors(x, y, 4, 1 << 20, copies=same)
    for scratch, workers in ((ScratchArrays(), SearchWorkers(Several())), (ScratchArrays(tmp_path / "arrays"), None)):
        job = SearchJob(4, 1 << 20, backend="exact", scratch=scratch, workers=workers, copies=same)
        found = search(x, y, job).neighbors
        for name in vars(alone):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


@pytest.mark.parametrize("of_a", [True, False])
def test_samples(tmp_path: Path, of_a: bool):
    x, y = folder(tmp_path / "a", 400, 1), folder(tmp_path / "b", 330, 2)
    labels = np.random.default_rng(3).integers(-9, 9, 730).tolist()
    same = copies_of(labels[:400], labels[400:])
    whole = mutual_neighbors(x, y, 4, 1 << 20, copies=same)
    rows = np.array([7, 300, 0])
    expected = (whole.forward_similarity if of_a else whole.backward_similarity)[rows]
    for workers in (None, SearchWorkers(Several())):
        with sampling(x, y, SearchJob(4, 1 << 20, workers=workers, copies=same)) as sampler:
            np.testing.assert_allclose(sampler(of_a, rows)[0], expected, atol=2e-6)


@pytest.mark.parametrize("index", ["Flat", "IVF8,Flat", "IVF4,SQfp16", "IVF8,PQ8x4fsr"])
@pytest.mark.parametrize("texts", [2, 200])
def test_approximate_search(index: str, texts: int):
    x, y, same, cosines = sides(600, 500, texts=texts, d=16)
    job = SearchJob(4, backend="faiss", index=index, recall=1.0, sample=600, copies=same)
    near(search(x, y, job).neighbors, cosines, 4, missing=0.05 if "PQ" in index else 0.02)


def test_within_documents():
    x, y, same, cosines = sides(120, 90, texts=20)
    keys_a, keys_b = (np.array([f"d{row % 3}" for row in range(count)]) for count in (120, 90))
    found = restricted_neighbors(x, y, same_document(keys_a, keys_b), SearchJob(4, 1 << 20, device="cpu", copies=same))
    near(found, np.where(keys_a[:, None] == keys_b[None], cosines, -np.inf), 4)
