"""`import softalign`: the names that users need, and that none costs start-up time before it is used."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import softalign


def test_all_names_are_there_with_documentation():
    for name in softalign.__all__:
        assert getattr(softalign, name) is not None
        if name != "__version__":
            assert len(getattr(softalign, name).__doc__) > 40
    assert set(softalign.__all__) == set(dir(softalign))
    with pytest.raises(AttributeError, match="no attribute 'miner'; it has"):
        softalign.miner  # noqa: B018


def test_importing_it_loads_nothing_heavy():
    heavy = "torch numpy polars pyarrow faiss transformers"
    program = f"import softalign, sys; print([name for name in '{heavy}'.split() if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_mine_and_score_arrays():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((60, 16)).astype(np.float32)
    order = generator.permutation(60)
    y = (x + 0.1 * generator.standard_normal((60, 16)))[order].astype(np.float32)
    pairs = softalign.mine(x, y, k=4)
    assert (order[pairs.row_b] == pairs.row_a).all()
    assert len(pairs) == 60
    aligned = softalign.score(x[order], y)
    np.testing.assert_allclose(np.sort(aligned)[::-1], pairs.score, rtol=1e-5)
    assert softalign.score(x, y).mean() < aligned.mean()
    with pytest.raises(ValueError, match="60 and 59 rows"):
        softalign.score(x, y[:59])
    with pytest.raises(ValidationError, match="kk"):
        softalign.mine(x, y, kk=3)


def test_neighborhoods_by_hand():
    # Three vectors at 0, 60 and 120 degrees: cosines 0.5 between neighbours, -0.5 between the outer two.
    angles = np.radians([0, 60, 120])
    found = softalign.neighborhoods(np.stack([np.cos(angles), np.sin(angles)], axis=1), k=2, temperature=0.5)
    assert found.row[[0, 2]].tolist() == [[1, 2], [1, 0]]
    assert sorted(found.row[1].tolist()) == [0, 2]  # both at 60 degrees: in float16 either may be the nearer
    np.testing.assert_allclose(found.similarity[0], [0.5, -0.5], atol=1e-3)
    exponent = np.exp(np.array([1, 0.5, -0.5]) / 0.5)
    np.testing.assert_allclose(found.weight[0], (exponent / exponent.sum())[1:], atol=1e-3)


def test_an_encoder_gives_vectors(tiny_teacher: Path):
    encoder = softalign.load_encoder(str(tiny_teacher))
    vectors = encoder.encode(["a river", "a stone"])
    assert vectors.shape == (2, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
