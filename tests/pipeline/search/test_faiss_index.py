import json

import numpy as np
import pytest

from pipeline.config.mine import Mine
from pipeline.console.errors import ParamsError
from pipeline.mining.mine import find_neighbors, mine
from pipeline.search.faiss_index import (
    IndexFolderError,
    approximate_neighbors,
    build_index,
    choose_factory,
    ensure_index,
    fingerprint,
    neighbor_recall,
    open_index,
    tune_effort,
)
from pipeline.search.neighbors import mutual_neighbors
from pipeline.search.vectors import StackedVectors, VectorError

BIG = 1 << 30


def sides(n=1500, m=1200, d=32, seed=0):
    generator = np.random.default_rng(seed)
    topics = generator.standard_normal((20, d))
    x = topics[generator.integers(0, 20, n)] + 0.5 * generator.standard_normal((n, d))
    y = topics[generator.integers(0, 20, m)] + 0.5 * generator.standard_normal((m, d))
    both = min(n, m) // 4
    y[:both] = x[:both] + 0.1 * generator.standard_normal((both, d))
    return x.astype(np.float16), y.astype(np.float16)


@pytest.mark.parametrize("factory", ["Flat", "IVF16,Flat", "IVF16,SQfp16", "OPQ16,IVF16,PQ16x4", "HNSW16"])
def test_full_effort_finds_the_exact_neighbours(tmp_path, factory):
    x, y = sides()
    forward = build_index(tmp_path / "y", y, factory, BIG)
    backward = build_index(tmp_path / "x", x, factory, BIG)
    for index in (forward, backward):
        index.effort = index.most_effort
    found, exact = approximate_neighbors(forward, backward, 4), mutual_neighbors(x, y, 4, BIG, "cpu")
    least = 0.5 if "PQ16" in factory else 0.97 if "HNSW" in factory else 1.0
    same = found.forward_row == exact.forward_row
    assert same.mean() >= least - 0.005  # cosines a bit apart may exchange neighbours
    assert np.allclose(found.forward_similarity[same], exact.forward_similarity[same], atol=2e-6)
    assert neighbor_recall(exact.backward_similarity, found.backward_similarity) >= least


def test_lists_on_disk_give_the_same(tmp_path):
    x, y = sides()
    memory = build_index(tmp_path / "memory", y, "IVF16,Flat", BIG)
    disk = build_index(tmp_path / "disk", y, "IVF16,Flat", 40_000)
    assert (tmp_path / "disk" / "lists.ivfdata").stat().st_size >= 1200 * 32 * 4
    assert not list((tmp_path / "disk").glob("part*"))
    again = open_index(tmp_path / "disk", y)
    queries = x[:50]
    backward = build_index(tmp_path / "x", queries, "Flat", BIG)
    for index in (disk, again):
        one, other = approximate_neighbors(memory, backward, 3), approximate_neighbors(index, backward, 3)
        assert np.array_equal(one.forward_row, other.forward_row)


def test_fewer_than_k_are_padded(tmp_path):
    x, y = sides(20, 3)
    found = approximate_neighbors(
        build_index(tmp_path / "y", y, "Flat", BIG), build_index(tmp_path / "x", x, "Flat", BIG), 5
    )
    assert np.all(found.forward_row[:, 3:] == -1)
    assert np.all(np.isneginf(found.forward_similarity[:, 3:]))
    assert np.all(found.backward_row >= 0)


def test_an_index_of_other_vectors_is_refused(tmp_path):
    x, y = sides()
    build_index(tmp_path / "index", y, "IVF16,Flat", BIG)
    open_index(tmp_path / "index", StackedVectors([y[:500], y[500:]]))
    changed = y.copy()
    changed[700, 3] += 1
    for other in (changed, y[:-1], x):
        with pytest.raises(IndexFolderError, match="belongs to other vectors"):
            open_index(tmp_path / "index", other)


def test_damage_is_named(tmp_path):
    _, y = sides()
    with pytest.raises(IndexFolderError, match="no index here"):
        open_index(tmp_path / "none", y)
    build_index(tmp_path / "index", y, "IVF16,Flat", BIG)
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
    ensure_index(tmp_path, y, "IVF16,Flat", BIG)
    (folder,) = tmp_path.iterdir()
    before = (folder / "index.faiss").stat().st_mtime_ns
    ensure_index(tmp_path, y, "IVF16,Flat", BIG)
    assert (folder / "index.faiss").stat().st_mtime_ns == before
    ensure_index(tmp_path / "again", y, "IVF16,Flat", BIG)
    (other,) = (tmp_path / "again").iterdir()
    assert (folder / "index.faiss").read_bytes() == (other / "index.faiss").read_bytes()


@pytest.mark.parametrize("name", ["index.faiss", "lists.ivfdata", "about.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_a_damaged_index_is_named_and_built_again(tmp_path, caplog, name, harm):
    _, y = sides()
    ensure_index(tmp_path, y, "IVF16,Flat", 40_000)
    (folder,) = tmp_path.iterdir()
    path = folder / name
    whole = path.read_bytes()
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"flip": flipped, "cut": whole[:-1], "empty": b""}[harm])
    ensure_index(tmp_path, y, "IVF16,Flat", 40_000)
    (line,) = caplog.text.splitlines()
    assert str(folder) in line
    assert line.endswith("it is built again")
    assert path.read_bytes() == whole
    caplog.clear()
    ensure_index(tmp_path, y, "IVF16,Flat", 40_000)
    assert caplog.text == ""


def test_other_vectors_seeds_kinds_and_versions_of_faiss_are_other_indexes(tmp_path, monkeypatch):
    _, y = sides()
    changed = y.copy()
    changed[700, 3] = np.nextafter(changed[700, 3], y.dtype.type(9))
    ensure_index(tmp_path, y, "IVF16,Flat", BIG)
    for count, (vectors, factory, seed) in enumerate(
        [(changed, "IVF16,Flat", 0), (y[:-1], "IVF16,Flat", 0), (y, "IVF8,Flat", 0), (y, "IVF16,Flat", 1)], start=2
    ):
        ensure_index(tmp_path, vectors, factory, BIG, seed)
        assert len(list(tmp_path.iterdir())) == count
    monkeypatch.setattr("faiss.__version__", "99.0")
    ensure_index(tmp_path, y, "IVF16,Flat", BIG)
    assert len(list(tmp_path.iterdir())) == 6


def test_effort_reaches_the_recall_asked_for(tmp_path):
    x, y = sides()
    index = build_index(tmp_path / "y", y, "IVF64,Flat", BIG)
    low = tune_effort(index, x, 4, 0.5, 256, BIG)
    high = tune_effort(index, x, 4, 0.99, 256, BIG)
    assert low.effort < high.effort == index.effort < 64
    assert high.recall >= 0.99
    assert low.recall >= 0.5
    flat = build_index(tmp_path / "flat", y, "Flat", BIG)
    assert tune_effort(flat, x, 4, 0.99, 64, BIG).recall == 1.0


def test_factory_by_size_and_memory():
    assert choose_factory(10_000, 384, BIG) == "Flat"
    assert choose_factory(1_000_000, 384, 4 << 30) == "IVF4096,Flat"
    assert choose_factory(1_000_000, 384, BIG) == "IVF4096,SQfp16"
    assert choose_factory(5_000_000, 384, BIG).startswith("OPQ64,IVF")
    assert choose_factory(5_000_000, 100, 1 << 20).startswith("OPQ4,")


def test_a_factory_string_that_faiss_refuses(tmp_path):
    _, y = sides(100, 100)
    with pytest.raises(ParamsError, match=r"mine\.index: FAISS can't make 'Nonsense'"):
        build_index(tmp_path / "y", y, "Nonsense", BIG)
    with pytest.raises(ParamsError, match="IVF4096"):
        build_index(tmp_path / "y", y, "IVF4096,Flat", BIG)
    assert not list(tmp_path.iterdir())


def test_bad_vectors_are_refused(tmp_path):
    _, y = sides()
    y[7] = 0
    with pytest.raises(VectorError, match="row 7: the vector is zero"):
        build_index(tmp_path / "y", y, "Flat", BIG)


def test_options_choose_the_search(tmp_path):
    x, y = sides()
    exact = mine(x, y, Mine())
    options = Mine(search="approximate", index="IVF16,Flat", recall=1.0, sample=2000)
    search = find_neighbors(x, y, options, tmp_path)
    assert search.about["of_b"]["factory"] == "IVF16,Flat"
    assert [tuned.recall for tuned in search.tuned] == [1.0, 1.0]
    found = mine(x, y, options)
    assert set(zip(found.row_a, found.row_b, strict=True)) == set(zip(exact.row_a, exact.row_b, strict=True))
    assert len(mine(x[:0], y, options)) == 0


def test_fingerprint_sees_shape_type_and_values():
    x = np.ones((4, 6), np.float16)
    assert fingerprint(x) == fingerprint(x.copy())
    assert (
        len({fingerprint(x), fingerprint(x.reshape(6, 4)), fingerprint(x.astype(np.float32)), fingerprint(2 * x)}) == 4
    )
