"""What holds for every search backend: a table of all that are registered, held to a whole matrix of cosines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mining_reference as reference
import numpy as np
import pytest
from pydantic import ValidationError
from search_sides import Several, folder, same, sides
from toy_packages import install

from pipeline.config.labels import Neighborhoods
from pipeline.config.mine import Mine
from pipeline.mining.mine import mine, search_job
from pipeline.search import search as front
from pipeline.search.copies import Copies
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.neighbors import neighbor_recall
from pipeline.search.scratch import ScratchArrays
from pipeline.search.search import BACKENDS, chosen, search, search_itself
from pipeline.search.vectors import VectorError

FORMS = {"faiss": ["Flat", "IVF16,Flat", "IVF8,PQ16x4fs", "HNSW16", "auto"]}
"""FAISS' indexes beside the backend's own choice."""

CASES = [(name, form) for name in BACKENDS.names() for form in [None, *FORMS.get(name, [])]]
MISSING = {"IVF8,PQ16x4fs": 0.1, "HNSW16": 0.05}
"""The share of neighbours that may be missing though all is looked at: codes exchange them, a graph's walk ends."""


@pytest.fixture(params=CASES, ids=str)
def job(request: pytest.FixtureRequest) -> SearchJob:
    """A job that asks for every neighbour."""
    name, form = request.param
    return SearchJob(4, 1 << 20, backend=name, index=form, recall=1.0, sample=10_000)


def held(found: Any, cosines: np.ndarray, job: SearchJob) -> None:
    """What was found against the matrix (-inf: no neighbours), but for the share that may be missing."""
    for similarity, row, matrix in (
        (found.forward_similarity, found.forward_row, cosines),
        (found.backward_similarity, found.backward_row, cosines.T),
    ):
        line, place = np.nonzero(row >= 0)
        assert np.allclose(
            similarity[line, place], matrix[line, row[line, place]], atol=2e-6
        )  # exact cosines, no copies
        assert np.isneginf(similarity[row < 0]).all()
        assert (similarity[:, 1:] <= similarity[:, :-1]).all()
        best = -np.sort(-matrix, axis=1)[:, : job.k]
        best = np.pad(best, ((0, 0), (0, job.k - best.shape[1])), constant_values=-np.inf)
        wrong = (similarity != best) & ~(np.abs(similarity - np.where(np.isfinite(best), best, 9)) < 2e-6)
        assert wrong.sum() <= MISSING.get(str(job.index), 0.0) * wrong.size


def test_the_neighbours_are_those_of_the_whole_matrix(job: SearchJob):
    x, y = sides(700, 500)
    found = search(x, y, job)
    held(found.neighbors, reference.cosines(x, y), job)
    assert found.about["search"] == job.backend
    assert found.about["exact"] == (not found.tuned)
    json.dumps(found.about)


def test_ties_of_an_exact_search_go_to_the_lower_row(job: SearchJob):
    """Cosines of vectors of ±1 are sixteenths: many ties, and no rounding."""
    generator = np.random.default_rng(3)
    x, y = (generator.choice([-1.0, 1.0], size=(rows, 16)).astype(np.float16) for rows in (300, 400))
    y[200:230] = y[0]
    found = search(x, y, job)
    if found.about["exact"]:
        cosines = reference.cosines(x, y)
        assert found.neighbors.forward_row.tolist() == reference.top(cosines, 4)
        assert found.neighbors.backward_row.tolist() == reference.top(cosines.T, 4)


def test_copies_are_never_neighbours(job: SearchJob):
    x, y = sides(400, 300)
    y[:50] = x[:50]
    copies = Copies(*(np.arange(50),) * 4)
    cosines = reference.cosines(x, y)
    cosines[np.arange(50), np.arange(50)] = -np.inf
    held(search(x, y, replace(job, copies=copies)).neighbors, cosines, job)


def test_workers_files_and_a_second_time_give_the_same_bits(tmp_path: Path, job: SearchJob):
    x, y = folder(tmp_path / "a", 700, 1), folder(tmp_path / "b", 330, 2)
    job = replace(job, index=None if job.index is None else job.index.replace("PQ16", "PQ4"), indexes=tmp_path / "kept")
    alone, done = search(x, y, job), []
    many = replace(
        job,
        workers=SearchWorkers(Several()),
        scratch=ScratchArrays(tmp_path / "arrays"),
        advance=lambda count=1, note="": done.append(count),
    )
    found = search(x, y, many)
    same(found.neighbors, alone.neighbors)
    assert (found.about, found.tuned) == (alone.about, alone.tuned)
    assert sum(done) == 700


@pytest.mark.parametrize(("n", "m"), [(0, 30), (30, 0), (0, 0), (3, 2)])
def test_fewer_than_k_leave_empty_places(job: SearchJob, n: int, m: int):
    x, y = sides(40, 40)
    job = replace(job, index=None if job.index is None or "," in job.index else job.index)  # too few to train lists on
    found = search(x[:n], y[:m], job).neighbors
    assert found.forward_row.shape == (n, 4)
    assert found.backward_row.shape == (m, 4)
    held(found, reference.cosines(x[:n], y[:m]), job)


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_vector_without_direction_is_named(job: SearchJob, side: str):
    x, y = sides(200, 200)
    (x if side == "a" else y)[137] = np.nan
    with pytest.raises(VectorError, match=r"row 137: the vector holds NaN"):
        search(x, y, job)


def test_sides_of_different_dimensions_are_refused(job: SearchJob):
    with pytest.raises(VectorError, match="dimension 4, side b of 5"):
        search(np.ones((2, 4), np.float16), np.ones((2, 5), np.float16), job)


def test_a_set_in_itself_has_the_others_as_neighbours(job: SearchJob):
    x, _ = sides(500, 10)
    x[100:110] = x[100]
    done: list[int] = []
    found = search_itself(x, replace(job, advance=lambda count=1, note="": done.append(count)))
    cosines = reference.cosines(x, x)
    np.fill_diagonal(cosines, -np.inf)
    best = -np.sort(-cosines, axis=1)[:, :4]
    assert (found.neighbors.row != np.arange(500)[:, None]).all()
    assert (np.abs(found.neighbors.similarity - best) > 2e-6).mean() <= MISSING.get(str(job.index), 0.0)
    assert sum(done) == 500
    assert found.about["search"] == job.backend
    assert search_itself(x[:0], job).neighbors.row.shape == (0, 4)


def test_the_pairs_are_those_of_exact_search(job: SearchJob):
    x, y = sides(700, 500)
    exact, found = (mine(x, y, Mine(), one) for one in (SearchJob(4, 1 << 20, backend="exact"), job))
    missing = set(zip(exact.row_a, exact.row_b, strict=True)) - set(zip(found.row_a, found.row_b, strict=True))
    assert len(missing) <= MISSING.get(str(job.index), 0.0) * len(exact)


FAST, SLOW = 500_000 * 500_000, 100_000 * 100_000


@pytest.mark.parametrize(
    ("given", "rows", "expected"),
    [
        ({}, (10_000, 10_000), ("faiss", "Flat")),
        ({}, (10_001, 10_000), ("exact", None)),
        ({}, (100_000, 100_000), ("exact", None)),
        ({}, (1_000, 10_000_001), ("faiss", "auto")),
        ({"k": 9}, (100_000, 100_001), ("faiss", "auto")),
        ({"backend": "exact"}, (10, 10), ("exact", None)),
        ({"backend": "faiss"}, (10**6, 10**6), ("faiss", None)),
        ({"index": "HNSW32"}, (10, 10), ("faiss", "HNSW32")),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_auto_follows_its_table(monkeypatch, given: dict[str, Any], rows: tuple[int, int], expected: Any, fast: bool):
    monkeypatch.setattr(front, "bounds_pay", lambda device, dimension, k: fast and k <= 8)
    job = chosen(SearchJob(**{"k": 4, **given}), rows, 384)
    if fast and expected == ("faiss", "auto") and given.get("k", 4) <= 8:
        expected = ("exact", None)
    assert (job.backend, job.index) == expected
    assert chosen(SearchJob(4), (500_001, 500_000), 384).backend == "faiss"


def test_a_recall_that_an_index_can_t_reach_is_said(caplog: pytest.LogCaptureFixture, monkeypatch):
    x, y = sides()
    monkeypatch.setattr("pipeline.search.tuning.MOST_CANDIDATES", 256)
    job = SearchJob(4, backend="faiss", index="PCA2,IVF16,PQ2x4fs", recall=0.9)
    found = search(x, y, job)
    assert min(one.recall for one in found.tuned) < 0.9
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    shares = [f"{100 * one.recall:.1f} %" for one in found.tuned]
    for line, share in zip(said, shares, strict=True):
        assert line.startswith(f"the index PCA2,IVF16,PQ2x4fs finds {share} of a sample's neighbours, expected 90.0 %")
    caplog.clear()
    assert min(one.recall for one in search(x, y, replace(job, index="IVF16,Flat")).tuned) >= 0.9
    assert caplog.text == ""


@pytest.mark.parametrize("workers", [False, True])
def test_what_a_sample_needed_is_what_all_rows_get(workers: bool, tmp_path: Path):
    """Lists and candidates: the share found is that of the sample, here of all rows."""
    own = [np.random.default_rng(seed).standard_normal((900, 32)) for seed in (1, 2)]
    x, y = ((side + 2 * np.random.default_rng(9).standard_normal(32)).astype(np.float16) for side in own)
    crew = SearchWorkers(Several()) if workers else None
    job = SearchJob(4, backend="faiss", index="IVF16,PQ16x4fs", recall=0.95, sample=900, workers=crew, indexes=tmp_path)
    found, exact = search(x, y, job), search(x, y, replace(job, backend="exact")).neighbors
    assert found.about["of_a"]["candidates"] > 32
    pairs = ("forward", exact.forward_similarity), ("backward", exact.backward_similarity)
    for tuned, (name, true) in zip(found.tuned, pairs, strict=True):
        share = neighbor_recall(true, getattr(found.neighbors, f"{name}_similarity"))
        assert share == pytest.approx(tuned.recall, abs=1e-3) and share >= 0.95


def test_an_index_chosen_by_size_has_the_finest_codes_if_others_don_t_do(monkeypatch: pytest.MonkeyPatch, caplog):
    own = [np.random.default_rng(seed).standard_normal((600, 32)) for seed in (1, 2)]
    x, y = ((side + 6 * np.random.default_rng(9).standard_normal(32)).astype(np.float16) for side in own)
    monkeypatch.setattr("pipeline.search.faiss_index.FLAT_ROWS", 500)
    monkeypatch.setattr("pipeline.search.tuning.MOST_CANDIDATES", 60)
    job = SearchJob(1, backend="faiss", index="auto", recall=0.95, sample=600)
    found = search(x, y, job)
    assert found.about["of_a"]["factory"] == found.about["of_b"]["factory"] == "IVF32,PQ32x4fsr"
    assert min(one.recall for one in found.tuned) >= 0.95 and caplog.text == ""
    assert search(x, y, replace(job, recall=0.3)).about["of_a"]["factory"] == "IVF32,PQ16x4fsr"


def test_the_index_is_kept_and_used_again(tmp_path: Path, monkeypatch):
    x, y = sides()
    job = SearchJob(4, backend="faiss", index="IVF16,PQ16x4fs", recall=0.9, indexes=tmp_path)
    first = search(x, y, job)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr("pipeline.search.faiss_index.train", None)
    same(search(x, y, job).neighbors, first.neighbors)


TOY = """
    import numpy as np

    from pipeline.search.backend import SearchBackend
    from pipeline.search.neighbors import Neighbors, Search, ordered

    class Whole(SearchBackend):
        "All cosines at once."

        name = "whole"

        def neighbors(self, x, y, job):
            unit = [side / np.linalg.norm(side.astype(np.float32), axis=1, keepdims=True) for side in (x[:], y[:])]
            cosines = (unit[0] @ unit[1].T).astype(np.float32)
            rows = np.arange(len(x))
            copies = None if job.copies is None else job.copies.met(rows, np.tile(np.arange(len(y)), (len(x), 1)))
            cosines = cosines if copies is None else np.where(copies, -np.inf, cosines)
            found = []
            for matrix in (cosines, cosines.T):
                similarity, row = ordered(matrix, np.tile(np.arange(matrix.shape[1]), (len(matrix), 1)), job.k)
                found += [similarity, np.where(np.isneginf(similarity), -1, row)]
            job.done(len(x))
            return Search(Neighbors(*found), {"search": self.name, "exact": True})
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchJob:
    """A backend of an installed package."""
    install(tmp_path, monkeypatch, "toy-search", {"softalign.search": "whole = toy_search:Whole"}, TOY)
    return SearchJob(4, backend="whole")


CONTRACT: list[Callable[[SearchJob], None]] = [
    test_the_neighbours_are_those_of_the_whole_matrix,
    test_ties_of_an_exact_search_go_to_the_lower_row,
    test_copies_are_never_neighbours,
    test_a_set_in_itself_has_the_others_as_neighbours,
    test_the_pairs_are_those_of_exact_search,
]


@pytest.mark.parametrize("contract", CONTRACT)
def test_a_backend_that_a_package_brings_passes_too(toy: SearchJob, contract: Callable[[SearchJob], None]):
    contract(toy)


def test_params_name_every_backend_and_refuse_others(toy: SearchJob):
    for name in BACKENDS.names():
        assert search_job(Mine(search=name)).backend == name
    x, y = sides(60, 50)
    assert search(x, y, toy).about["package"].startswith("toy-search ")
    assert len(mine(x, y, Mine(search="whole"))) == len(mine(x, y, Mine(search="exact")))
    for section in (Mine, Neighborhoods):
        known = ", ".join(["auto", *BACKENDS.names()])
        with pytest.raises(ValidationError, match=f"no search backend 'annoy'; expected one of {known}"):
            section(search="annoy")


def test_what_params_said_earlier_still_holds_or_is_refused_with_what_to_write():
    assert Mine(search="approximate").search == "faiss"
    assert Mine(search="approximate", index="IVF4096,PQ64", recall=0.9, index_bytes=1 << 30).index == "IVF4096,PQ64"
    assert Mine(search="exact").search == "exact"
    assert Neighborhoods(search="approximate", index="auto").search == "faiss"
    for section in (Mine, Neighborhoods):
        with pytest.raises(ValidationError, match=r"write search: faiss, or index: null"):
            section(search="exact", index="Flat")
