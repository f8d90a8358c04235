import json
from itertools import product

import faiss
import numpy as np
import pytest
from exact_search import mutual_neighbors, one_way
from search_sides import sides

from pipeline.console.errors import ParamsError
from pipeline.search.copies import OwnRows
from pipeline.search.faiss_index import (
    CPU,
    IndexFolderError,
    IndexForm,
    build_index,
    choose_factory,
    ensure_index,
    fingerprint,
    open_index,
    proposed,
)
from pipeline.search.job import SearchJob
from pipeline.search.look_up import search_rows
from pipeline.search.neighbors import neighbor_recall, neighbor_recalls
from pipeline.search.tuning import tune_effort
from pipeline.search.vectors import PickedVectors, VectorError, normalised

BIG = 1 << 30


def form(factory: str, index_bytes: int = BIG, seed: int = 0) -> IndexForm:
    return IndexForm(factory, index_bytes, seed)


@pytest.mark.parametrize(
    ("factory", "least"),
    [
        ("IVF16,Flat", 1.0),
        ("IVF16,SQfp16", 1.0),
        ("IVF16,PQ16x4fsr", 0.95),
        ("IVF16,PQ16x4fs,RFlat", 0.9),
        ("OPQ16,IVF16,PQ16x4", 0.5),
        ("PCA16,IVF16,Flat", 0.3),
        ("HNSW16", 0.97),
        ("HNSW16_SQ8", 0.9),
    ],
)
def test_full_effort_finds_the_neighbours_and_every_cosine_is_exact(tmp_path, factory, least):
    x, y = sides()
    index = build_index(tmp_path / "y", y, form(factory))
    index.effort = index.most_effort
    similarity, row = index.search(normalised(x, 0, len(x), "x", CPU), 4)
    exact = mutual_neighbors(x, y, 4, BIG, "cpu")
    assert neighbor_recall(exact.forward_similarity, similarity) >= least
    wide = [side.astype(np.float64) / np.linalg.norm(side.astype(np.float64), axis=1, keepdims=True) for side in (x, y)]
    line, place = np.nonzero(row >= 0)
    cosines = np.einsum("nd,nd->n", wide[0][line], wide[1][row[line, place]])
    assert np.allclose(similarity[line, place], cosines, atol=2e-6)


def test_lists_on_disk_give_the_same(tmp_path):
    x, y = sides()
    queries = normalised(x, 0, 50, "x", CPU)
    memory = build_index(tmp_path / "memory", y, form("IVF16,Flat"))
    disk = build_index(tmp_path / "disk", y, form("IVF16,Flat", 40_000))
    assert (tmp_path / "disk" / "lists.ivfdata").stat().st_size >= 1200 * 32 * 4
    assert not list((tmp_path / "disk").glob("part*"))
    for index in (disk, open_index(tmp_path / "disk", y)):
        for one, other in zip(memory.search(queries, 3), index.search(queries, 3), strict=True):
            assert np.array_equal(one, other)


def test_fewer_than_k_are_padded(tmp_path):
    x, y = sides(20, 3)
    for factory in ("IVF1,Flat", "IVF1,SQ8"):
        similarity, row = build_index(tmp_path / factory, y, form(factory)).search(normalised(x, 0, 20, "x", CPU), 5)
        assert np.all(row[:, 3:] == -1)
        assert np.all(np.isneginf(similarity[:, 3:]))
        assert np.all(row[:, :3] >= 0)


def test_an_index_of_other_vectors_is_refused(tmp_path):
    x, y = sides()
    build_index(tmp_path / "index", y, form("IVF16,Flat"))
    open_index(tmp_path / "index", PickedVectors(y, np.arange(len(y))))
    changed = y.copy()
    changed[700, 3] += 1
    for other in (changed, y[:-1], x):
        with pytest.raises(IndexFolderError, match="belongs to other vectors"):
            open_index(tmp_path / "index", other)


def test_damage_is_named(tmp_path):
    _, y = sides()
    with pytest.raises(IndexFolderError, match="no index here"):
        open_index(tmp_path / "none", y)
    build_index(tmp_path / "index", y, form("IVF16,Flat"))
    (tmp_path / "index" / "index.faiss").write_bytes(b"IwFlx")
    with pytest.raises(IndexFolderError, match=r"index.faiss: damaged: its checksum"):
        open_index(tmp_path / "index", y)
    (tmp_path / "index" / "index.faiss").unlink()
    with pytest.raises(IndexFolderError, match=r"index.faiss: missing; build the index again"):
        open_index(tmp_path / "index", y)
    about = json.loads((tmp_path / "index" / "about.json").read_text())
    (tmp_path / "index" / "about.json").write_text(json.dumps({**about, "version": 0}))
    with pytest.raises(IndexFolderError, match="format 0"):
        open_index(tmp_path / "index", y)


def test_an_index_is_used_again_and_is_the_same_when_built_again(tmp_path):
    _, y = sides()
    ensure_index(tmp_path, y, form("IVF16,Flat"))
    (folder,) = tmp_path.iterdir()
    before = (folder / "index.faiss").stat().st_mtime_ns
    ensure_index(tmp_path, y, form("IVF16,Flat"))
    assert (folder / "index.faiss").stat().st_mtime_ns == before
    ensure_index(tmp_path / "again", y, form("IVF16,Flat"))
    (other,) = (tmp_path / "again").iterdir()
    assert (folder / "index.faiss").read_bytes() == (other / "index.faiss").read_bytes()


@pytest.mark.parametrize("name", ["index.faiss", "lists.ivfdata", "about.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_a_damaged_index_is_named_and_built_again(tmp_path, caplog, name, harm):
    _, y = sides()
    ensure_index(tmp_path, y, form("IVF16,Flat", 40_000))
    (folder,) = tmp_path.iterdir()
    path = folder / name
    whole = path.read_bytes()
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": flipped, "cut": whole[:-1], "empty": b""}[harm])
    ensure_index(tmp_path, y, form("IVF16,Flat", 40_000))
    (line,) = caplog.text.splitlines()
    assert str(folder) in line
    assert line.endswith("it is built again")
    assert path.read_bytes() == whole
    caplog.clear()
    ensure_index(tmp_path, y, form("IVF16,Flat", 40_000))
    assert caplog.text == ""


def test_other_vectors_seeds_kinds_and_versions_of_faiss_are_other_indexes(tmp_path, monkeypatch):
    _, y = sides()
    changed = y.copy()
    changed[700, 3] = np.nextafter(changed[700, 3], y.dtype.type(9))
    ensure_index(tmp_path, y, form("IVF16,Flat"))
    for count, (vectors, factory, seed) in enumerate(
        [(changed, "IVF16,Flat", 0), (y[:-1], "IVF16,Flat", 0), (y, "IVF8,Flat", 0), (y, "IVF16,Flat", 1)], start=2
    ):
        ensure_index(tmp_path, vectors, form(factory, seed=seed))
        assert len(list(tmp_path.iterdir())) == count
    monkeypatch.setattr("faiss.__version__", "99.0")
    ensure_index(tmp_path, y, form("IVF16,Flat"))
    assert len(list(tmp_path.iterdir())) == 6


def tuned(index, x, y, recall, sample):
    job = SearchJob(4, BIG, recall=recall, sample=sample)
    return tune_effort(index, x, job, None, lambda rows: one_way(x, rows, y, 4, BIG))


def test_effort_reaches_the_recall_asked_for(tmp_path):
    x, y = sides()
    index = build_index(tmp_path / "y", y, form("IVF64,Flat"))
    low, high = (tuned(index, x, y, recall, 256) for recall in (0.5, 0.99))
    assert low.effort < high.effort == index.effort < 64
    assert high.recall >= 0.99
    assert low.recall >= 0.5
    whole = build_index(tmp_path / "whole", y, form("HNSW16"))
    assert tuned(whole, x, y, 0.9, 64).recall >= 0.9


def much_alike(rows: int, seed: int) -> np.ndarray:
    """Vectors as many encoders make them: all in one direction, and little of each its own."""
    own = np.random.default_rng(seed).standard_normal((rows, 32))
    return (own + 2 * np.random.default_rng(99).standard_normal(32)).astype(np.float16)


@pytest.mark.parametrize(
    ("factory", "copied"), [("IVF16,PQ16x4fs", False), ("IVF16,PQ16x4fs", True), ("PQ16x4fs", False)]
)
def test_codes_that_tell_little_propose_more_candidates(tmp_path, factory, copied):
    x, y = much_alike(400, 1), much_alike(2000, 2)
    if copied:
        x, y = y[:400], y
    index = build_index(tmp_path / "y", y, form(factory))
    job, copies = SearchJob(4, BIG, recall=0.95, sample=400), OwnRows() if copied else None
    exact = one_way(x, np.arange(400), y, 4, BIG, copies=copies)[0]

    def found() -> float:
        asked = normalised(x, 0, 400, "x", CPU)
        return neighbor_recall(exact, search_rows(index, asked, np.arange(400), 4, copies)[0])

    index.effort = index.most_effort
    assert found() < 0.9  # 32 candidates for 4 neighbours, of all lists
    result = tune_effort(index, x, job, copies, lambda rows: (exact[rows], rows))
    assert index.more > 0
    assert found() == pytest.approx(result.recall) and result.recall >= 0.95
    # No more than that: with a quarter less, codes miss more than half of what may be missed.
    index.effort, index.more = index.most_effort, (index.more + 32) * 4 // 5 - 32 - 2
    assert found() < 0.975


def test_candidates_come_as_the_codes_order_them_and_in_any_cut(tmp_path, monkeypatch):
    x, y = much_alike(100, 1), much_alike(1500, 2)
    index = build_index(tmp_path / "y", y, form("IVF16,PQ8x4fs"))
    index.effort, asked = index.most_effort, normalised(x, 0, 100, "x", CPU)
    cosines, rows = index.propose(asked, 60)
    fewer = index.propose(asked, 40)
    # All but some of those that the codes can't tell apart.
    assert np.mean([len(np.intersect1d(*pair)) for pair in zip(rows[:, :40], fewer[1], strict=True)]) > 39
    expected = np.einsum("qd,qcd->qc", asked.numpy(), normalised(y, 0, 1500, "y", CPU).numpy()[rows])
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    index.more = 28  # with 32 for 4 neighbours
    whole = index.search(asked, 4)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :4]
    np.testing.assert_allclose(whole[0], np.take_along_axis(cosines, order, axis=1), atol=1e-6)
    monkeypatch.setattr("pipeline.search.faiss_index.PROPOSED", 60 * 7)
    sizes, propose = list[int](), index.propose

    def noted(queries, count):
        sizes.append(len(queries))
        return propose(queries, count)

    monkeypatch.setattr(index, "propose", noted)
    np.testing.assert_array_equal(index.search(asked, 4)[1], whole[1])
    assert sizes == [7] * 14 + [2]


def test_a_small_sample_has_to_be_surer_than_a_large_one(tmp_path):
    """The share less 1.645 standard errors has to reach what is asked for; a sample of all rows has no error."""
    x, y = sides(1500, 1200, seed=4)
    index = build_index(tmp_path / "y", y, form("IVF64,Flat"))
    few, all_rows = tuned(index, x, y, 0.9, 40), tuned(index, x, y, 0.9, 1500)
    assert few.recall > 0.9 + 0.01
    assert 0.9 <= all_rows.recall < few.recall + 0.05
    exact = one_way(x, np.arange(1500), y, 4, BIG)[0]
    index.effort = all_rows.effort
    whole = index.search(normalised(x, 0, 1500, "x", CPU), 4)[0]
    assert neighbor_recall(exact, whole) == pytest.approx(all_rows.recall)


def test_recall_and_its_error_by_hand():
    exact = np.array([[0.9, 0.8], [0.7, 0.6], [0.5, -np.inf]], np.float32)
    found = np.array([[0.9, 0.8], [0.7, 0.1], [0.5, 0.4]], np.float32)
    share, error = neighbor_recalls(exact, found[:, :2])
    # the third row has one neighbour, and what was found beside it is none: 2 + 1 + 1 of 5
    assert share == pytest.approx(4 / 5)
    hits, counts = np.array([2, 1, 1]), np.array([2, 2, 1])
    assert error == pytest.approx(np.sqrt(((hits - 0.8 * counts) ** 2).sum() / 2 / 3) / (5 / 3))
    assert neighbor_recalls(exact[:0], found[:0]) == (1.0, 0.0)


def test_factory_by_size_and_memory():
    assert choose_factory(10_000, 384, BIG, 4) == "Flat"
    assert choose_factory(1_000_000, 384, BIG, 4) == "IVF2048,PQ192x4fsr"
    assert choose_factory(11_000_000, 384, BIG, 4) == "IVF4096,PQ128x4fsr"
    assert choose_factory(50_000_000, 384, BIG, 4) == "OPQ64,IVF16384,PQ64"
    assert choose_factory(400_000_000, 384, 1 << 40, 4).startswith("IVF32768_HNSW32,PQ192x4fsr")
    assert choose_factory(5_000_000, 100, 1 << 20, 4).startswith("OPQ4,")
    assert choose_factory(20_000, 7, BIG, 4) == "OPQ1,IVF256,PQ1"
    assert choose_factory(1_000_000, 384, BIG, 16) == "IVF2048,PQ192x4fsr"
    assert choose_factory(1_000_000, 384, BIG, 17) == "IVF2048,PQ384x4fsr"
    assert choose_factory(11_000_000, 384, BIG, 64) == "IVF4096,PQ128x4fsr"
    assert [proposed(k) for k in (1, 4, 8, 64)] == [8, 32, 48, 160]


@pytest.mark.parametrize("dimension", [2, 6, 64, 100])
def test_every_form_that_is_chosen_can_be_made(dimension):
    for index_bytes, k in product((1 << 20, BIG), (4, 64)):
        factory = choose_factory(1_000_000, dimension, index_bytes, k)
        faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)


def test_a_factory_string_that_faiss_refuses(tmp_path):
    _, y = sides(100, 100)
    with pytest.raises(ParamsError, match=r"mine\.index: FAISS can't make 'Nonsense'"):
        build_index(tmp_path / "y", y, form("Nonsense"))
    with pytest.raises(ParamsError, match="IVF4096"):
        build_index(tmp_path / "y", y, form("IVF4096,Flat"))
    assert not list(tmp_path.iterdir())


def test_bad_vectors_are_refused(tmp_path):
    _, y = sides()
    y[7] = 0
    with pytest.raises(VectorError, match="row 7: the vector is zero"):
        build_index(tmp_path / "y", y, form("HNSW16"))


def test_fingerprint_sees_shape_type_and_values():
    x = np.ones((4, 6), np.float16)
    assert fingerprint(x) == fingerprint(x.copy())
    assert (
        len({fingerprint(x), fingerprint(x.reshape(6, 4)), fingerprint(x.astype(np.float32)), fingerprint(2 * x)}) == 4
    )
