import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from exact_search import mutual_neighbors
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining import linking
from pipeline.mining import margin as scoring
from pipeline.mining import retrieval as retrieving
from pipeline.mining.linking import competitive_links, link, link_in_files
from pipeline.mining.retrieval import candidates
from pipeline.search.neighbors import Neighbors
from pipeline.search.scratch import ScratchArrays
from tests.pipeline.search.test_neighbors import lattice


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_each_row_once_and_nothing_left(pairs):
    a, b = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)
    taken = competitive_links(a, b)
    kept_a, kept_b = a[taken].tolist(), b[taken].tolist()
    assert len(set(kept_a)) == len(kept_a)
    assert len(set(kept_b)) == len(kept_b)
    for position in np.flatnonzero(~taken):
        earlier = taken[:position]
        assert a[position] in a[:position][earlier] or b[position] in b[:position][earlier]


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from([1, 2, 4, 50]),
    st.sampled_from(["ratio", "distance", "cosine"]),
    st.sampled_from(["union", "intersection", "forward", "backward"]),
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
)
def test_files_give_the_links_of_memory(tmp_path_factory, n, m, k, score, retrieval, chunk, seed):
    """Vectors of few values: many ties, among scores too."""
    generator = np.random.default_rng(seed)
    neighbors = mutual_neighbors(lattice(generator, n, 3), lattice(generator, m, 3), k, 1 << 20, "cpu")
    room = ScratchArrays(tmp_path_factory.mktemp("room"))
    in_memory = link(candidates(neighbors, score, retrieval))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieving, "CHUNK", chunk)
        in_files = link_in_files(neighbors, score, retrieval, room, 1)  # a run of each chunk
    for one, other in zip(in_memory, in_files, strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert {path.name.partition(".")[0] for path in room.folder.iterdir()} == {"linked", "unlinked"}


def peak_of_linking(rows: int, folder: Path) -> int:
    """Bytes that linking allocates at most, of neighbours in files; one side's rows are copies, whose scores are equal."""
    generator, room = np.random.default_rng(rows), ScratchArrays(folder)
    similarity, row = room.array("similarity", np.float32, (rows, 4)), room.array("row", np.int64, (rows, 4))
    similarity[:] = np.sort(generator.integers(1, 9, (rows, 4)) / 8, axis=1)[:, ::-1]
    row[:] = (np.arange(rows)[:, None] + [0, 1, 2, 3]) % rows
    neighbors = Neighbors(similarity, row, similarity, row)
    tracemalloc.start()
    linked, _ = link_in_files(neighbors, "ratio", "union", room, 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows // 3 < len(linked) <= rows
    return peak


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, monkeypatch):
    for module in (retrieving, scoring, linking):
        monkeypatch.setattr(module, "CHUNK", 2_000)
    small, large = peak_of_linking(20_000, tmp_path / "small"), peak_of_linking(160_000, tmp_path / "large")
    assert large - small < 2 * 140_000 + 1_500_000, "a byte a row, and samples"
    assert large < 8_000_000, "eight times as much as is sorted at once; the candidates are 16 MB"
