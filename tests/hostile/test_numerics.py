"""Numbers at the edges: each has a defined result or an error that says what was wrong."""

import numpy as np
import pytest
import torch
from exact_search import self_neighbors
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import term
from small import make_transformer

from pipeline.artifacts.tokens import TokenBatch
from pipeline.config.mine import Mine
from pipeline.encoders.model import StaticModel, embed
from pipeline.encoders.pooling import normalise, pool
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.labels.neighborhoods import soft_weights
from pipeline.losses.batch import Batch
from pipeline.losses.combine import build_loss
from pipeline.mining.mine import mine
from pipeline.search.vectors import VectorError
from pipeline.text.normalize import clean_text

TAUS = (1e-3, 0.1, 1e3)
CONTRASTIVE = ("soft", "hard", "kl")


def unit(rows: int, dimension: int, seed: int = 0, same: bool = False) -> torch.Tensor:
    vectors = torch.randn(1 if same else rows, dimension, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors.expand(rows, -1).clone(), dim=1)


def batch(rows: int, dtype: torch.dtype, same: bool) -> Batch:
    x, y = (unit(rows, 8, seed, same).to(dtype).requires_grad_() for seed in (1, 2))
    return Batch(x=x, y=y, labels=unit(rows, 6, 3, same), teacher=unit(rows, 6, 3, same), points=torch.arange(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("same", [False, True], ids=["different", "identical"])
@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("name", [*CONTRASTIVE, "mse", "similarity_mse"])
def test_losses_and_gradients_are_finite_at_any_temperature(name: str, rows: int, same: bool, dtype: torch.dtype):
    for teacher in TAUS if name == "soft" else (0.1,):
        for student in TAUS if name in CONTRASTIVE else (0.1,):
            options = {"teacher": teacher, "student": student} if name == "soft" else {}
            options = {"student": student} if name in {"hard", "kl"} else options
            made = batch(rows, dtype, same)
            loss = build_loss([term(name, 1.0, **options)], student_dimension=8, teacher_dimension=6)(made)
            loss.backward()
            assert torch.isfinite(loss), (name, teacher, student)
            assert torch.isfinite(made.x.grad).all()
            assert torch.isfinite(made.y.grad).all()
            if rows == 1 and name in CONTRASTIVE:
                assert loss.item() == pytest.approx(0, abs=1e-5)  # nothing to tell the one pair from


def test_half_precision_sums_do_not_overflow_in_the_mean():
    """128 tokens of 600 are 76,800 together, over float16's 65,504; their mean is 600."""
    hidden = torch.full((1, 128, 2), 600.0, dtype=torch.float16)
    hidden[..., 1] = -300.0
    pooled = pool(hidden, torch.ones(1, 128, dtype=torch.int64), "mean")
    assert pooled.tolist() == [[600.0, -300.0]]
    assert normalise(pooled)[0].tolist() == pytest.approx([2 / 5**0.5, -1 / 5**0.5])


@given(st.floats(1e-9, 1e15), st.integers(1, 40))
@settings(max_examples=25)
def test_a_static_vector_has_length_one_at_any_scale(scale: float, tokens: int):
    """Norms far over 65,504 too: vectors are normalised in float32 before they are stored in half precision."""
    model = StaticModel(unit(5, 8) * scale).eval()
    lists = [[number % 5 for number in range(tokens)]]
    vectors = embed(model, TokenBatch.from_lists(lists), 16).astype(np.float16).astype(np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0], abs=2e-3)


def test_sentences_of_no_token_one_token_and_ten_thousand(tmp_path):
    tokenizer = TextTokenizer(train_tokenizer(iter(["river stone moon lamp"] * 9), 300), "", 16, special_tokens=False)
    model = StaticModel(unit(300, 8)).eval()
    tokens = tokenizer(["", "river", "river " * 10_000, "q" * 10_000])
    assert tokens.lengths.tolist()[0] == 0
    assert tokens.lengths.tolist()[1] >= 1
    assert tokens.lengths.tolist()[2:] == [16, 16]  # cut at max_length
    vectors = embed(model, tokens, 8)
    assert not vectors[0].any()
    assert np.linalg.norm(vectors[1:], axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_script_that_no_token_knows_has_the_unknown_token_s_vector():
    """Not zero, not random: all such sentences are the same one, and the unknown share in the metrics says how many."""
    tokenizer = TextTokenizer(train_tokenizer(iter(["river stone moon lamp"] * 9), 300), "", 16, special_tokens=False)
    tokens = tokenizer(["ሰላም", "გამარჯობა", "\U00012000\U00012001"])
    assert set(tokens.tokens.tolist()) == {tokenizer.unknown}
    vectors = embed(StaticModel(unit(300, 8)).eval(), tokens, 8)
    assert np.allclose(vectors, vectors[0])
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)


def test_token_vectors_that_cancel_are_zero_and_zero_is_no_pair():
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    vectors = embed(StaticModel(weight).eval(), TokenBatch.from_lists([[0, 1], [0]]), 8)
    assert vectors.tolist() == [[0.0, 0.0], [1.0, 0.0]]
    with pytest.raises(VectorError, match="is zero"):
        mine(vectors, vectors, Mine(k=1))


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_vectors_that_are_not_finite_are_refused_by_mining(value: float, said: str):
    good = unit(4, 8).numpy()
    bad = good.copy()
    bad[2, 3] = value
    for sides in ((bad, good), (good, bad)):
        with pytest.raises(VectorError, match=said):
            mine(*sides, Mine(k=2))


@pytest.mark.parametrize("rows", [1, 3])
def test_more_neighbours_than_there_are(rows: int):
    vectors = unit(rows, 8).numpy()
    pairs = mine(vectors, vectors, Mine(k=50, score="cosine"))
    assert pairs.row_a.tolist() == pairs.row_b.tolist()
    assert sorted(pairs.row_a.tolist()) == list(range(rows))
    assert np.isfinite(pairs.score).all()


def test_identical_sentences_everywhere():
    """All margins are one; nothing is NaN, and each row has one partner."""
    vectors = np.repeat(unit(1, 8).numpy(), 6, axis=0)
    pairs = mine(vectors, vectors, Mine(k=4))
    assert np.allclose(pairs.score, 1.0)
    assert len(set(pairs.row_a.tolist())) == len(pairs)
    found = self_neighbors(vectors, 3, 1 << 20)
    assert np.allclose(found.similarity, 1.0, atol=1e-5)


@pytest.mark.parametrize("temperature", TAUS)
def test_weights_of_neighbourhoods_at_any_temperature(temperature: float):
    """A point and its neighbours share a mass of one; places without a neighbour have none of it."""
    similarity = np.array([[0.9, 0.2, -np.inf], [1.0, 1.0, 1.0], [-1.0, -np.inf, -np.inf]], dtype=np.float32)
    weights = soft_weights(similarity, temperature)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert (weights.sum(axis=1) <= 1 + 1e-6).all()
    assert weights[0, 2] == weights[2, 1] == weights[2, 2] == 0


def test_text_that_cleaning_leaves_nothing_of():
    import polars as pl

    frame = pl.DataFrame({"a": ["\u200b\u2060", " \u2028\t", "\x00\x1b", "\ufeff", "a\u202e b"]})
    assert frame.select(clean_text(pl.col("a")))["a"].to_list() == ["", "", "", "", "a b"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_batch_of_one_and_one_among_others(dtype: str, tmp_path):
    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    folder = make_transformer(tmp_path / "m")
    encoder = load_encoder(resolve_model("k", str(folder), None, tmp_path), EncoderSettings(max_length=16, dtype=dtype))
    texts = ["river", "stone moon lamp", "", "水"]
    together = encoder.encode_tokens(encoder.tokenize(texts))
    alone = np.concatenate([encoder.encode_tokens(encoder.tokenize([text])) for text in texts])
    assert np.isfinite(together).all()
    assert np.allclose(together, alone, atol=1e-6 if dtype == "float32" else 2e-2)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
