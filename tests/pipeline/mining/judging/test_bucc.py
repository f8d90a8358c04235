import numpy as np
import pytest

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError
from pipeline.mining.judging.bucc import (
    check_offset,
    gold_flags,
    make_set,
    read_gold,
    read_sentences,
    read_set,
    write_set,
)
from pipeline.mining.judging.threshold import tune
from pipeline.mining.mine import mine


def corpus(count=4000):
    return [f"a {n}" for n in range(count)], [f"b {n}" for n in range(count)]


def test_a_made_set_holds_what_it_says():
    a, b = corpus()
    made = make_set(a, b, ("en", "fr"), seed=3)
    assert len(made.gold) == pytest.approx(0.025 * len(made.a), rel=0.02)
    assert abs(len(made.a) - len(made.b)) <= 1
    for i, j in made.gold.tolist():
        assert made.a.texts[i][2:] == made.b.texts[j][2:]
    both = {text[2:] for text in made.a.texts} & {text[2:] for text in made.b.texts}
    assert len(both) == len(made.gold)
    assert made.a.ids[0] == "en-000000001"
    again = make_set(a, b, ("en", "fr"), seed=3)
    assert again.a.texts == made.a.texts
    assert make_set(a, b, ("en", "fr"), seed=4).a.texts != made.a.texts


def test_repeated_sentences_are_no_hidden_gold():
    made = make_set(["x", "x", "y", "z", " "], ["1", "2", "2", "1", "3"], ("en", "fr"), seed=0)
    assert len(made.a) + len(made.b) == 2 + len(made.gold)
    assert len(make_set([], [], ("en", "fr"), seed=0).gold) == 0
    with pytest.raises(ValueError, match="expected pairs"):
        make_set(["x"], [], ("en", "fr"), seed=0)


def test_files_come_back(tmp_path):
    made = make_set(*corpus(500), ("en", "fr"), seed=1)
    write_set(tmp_path / "en-fr.training", made, "en", "fr")
    read = read_set(tmp_path / "en-fr.training", "en", "fr")
    assert (read.a.ids, read.a.texts, read.b.texts) == (made.a.ids, made.a.texts, made.b.texts)
    assert np.array_equal(read.gold, made.gold)
    (tmp_path / "en-fr.training.gold").unlink()
    assert read_set(tmp_path / "en-fr.training", "en", "fr").gold is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("fr-1\tun\nno tab\n", r":2: found 'no tab'; expected an id"),
        ("fr-1\tun\nfr-1\tdeux\n", r":2: the id 'fr-1' stands on line 1 already"),
        ("\tun\n", r":1: .*expected an id"),
    ],
)
def test_bad_sentences_are_named(tmp_path, content, message):
    (tmp_path / "x.fr").write_text(content)
    with pytest.raises(InputError, match=message):
        read_sentences(tmp_path / "x.fr")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a1\tb1\na9\tb1\n", r":2: the id 'a9' is not in .*x\.a"),
        ("b1\ta1\n", r":1: the id 'b1' is not in .*x\.a \(the other side has it"),
        ("a1\n", r":1: .*expected two ids"),
        ("a1\tb1\na1\tb1\n", r":2: this pair stands on line 1"),
    ],
)
def test_bad_gold_is_named(tmp_path, content, message):
    (tmp_path / "x.a").write_text("a1\tone\na2\ttwo\n")
    (tmp_path / "x.b").write_text("b1\tun\nb2\tdeux\tet plus\r\n")
    a, b = read_sentences(tmp_path / "x.a"), read_sentences(tmp_path / "x.b")
    assert b.texts[1] == "deux\tet plus"
    (tmp_path / "gold").write_text(content)
    with pytest.raises(InputError, match=message):
        read_gold(tmp_path / "gold", a, b)
    with pytest.raises(InputError, match="no such file"):
        read_gold(tmp_path / "none", a, b)


def test_ids_off_by_one_are_seen(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 16)).astype(np.float32)
    y = x + 0.1 * generator.standard_normal((200, 16)).astype(np.float32)
    pairs = mine(x, y, Mine())
    gold = np.stack([np.arange(50, 150)] * 2, axis=1)
    check_offset(tmp_path, pairs, gold)
    for side, step, name in ((0, 1, "first"), (1, -1, "second")):
        moved = gold.copy()
        moved[:, side] += step
        with pytest.raises(InputError, match="off by one"):
            check_offset(tmp_path, pairs, moved)
        assert name in ("first", "second")
    check_offset(tmp_path, pairs, np.stack([np.arange(50), np.arange(50)[::-1]], axis=1))


def test_end_to_end_on_planted_vectors():
    a, b = corpus(6000)
    made = make_set(a, b, ("en", "fr"), seed=0)
    vectors = np.random.default_rng(1).standard_normal((6000, 24)).astype(np.float32)
    x = vectors[[int(text[2:]) for text in made.a.texts]]
    y = vectors[[int(text[2:]) for text in made.b.texts]]
    y = y + 0.2 * np.random.default_rng(2).standard_normal(y.shape).astype(np.float32)
    pairs = mine(x, y, Mine())
    tuned = tune(pairs.score, gold_flags(pairs, made.gold), len(made.gold))
    assert tuned.quality.f1 > 0.95
