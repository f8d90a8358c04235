"""What is refused, and how it is said."""

import re

import pytest
import torch
from loss_batches import make_batch, term, unit

from pipeline.config.params import check_params
from pipeline.config.train import LossTerm
from pipeline.console.errors import ParamsError
from pipeline.losses.batch import Batch, Columns
from pipeline.losses.combine import build_loss
from pipeline.losses.terms.mse import MSE


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], r"^train\.loss: List should have at least 1 item"),
        ([{"name": "sotf"}], r"^train\.loss\.0\.name: found 'sotf'; there is no loss 'sotf'; did you mean 'soft'\? known: "
         r"corpus, hard, kl, mse, own, similarity_mse, soft$"),
        ([{"name": "zzz"}], r"^train\.loss\.0\.name: .*expected one of corpus, hard, kl, mse, own, similarity_mse, soft$"),
        ([{"name": 3}], r"^train\.loss\.0\.name: found 3; input should be a valid string"),
        ([{"weight": 2.0}], r"^train\.loss\.0\.name: missing"),
        (["soft"], r"^train\.loss\.0: found 'soft'; input should be a valid dictionary"),
        ([{"name": "soft"}, {"name": "mse"}, {"name": "soft"}], r"^train: loss: soft stands there twice"),
        ([{"name": "soft", "weight": 0.0}], r"^train\.loss\.0\.weight: found 0\.0; input should be greater than 0"),
        ([{"name": "soft", "weight": float("nan")}], r"^train\.loss\.0\.weight: found nan"),
        ([{"name": "kl"}, {"name": "hard", "tau": 1.0}], r"^train\.loss\.1\.tau: unknown key; allowed here: name, weight, "
         r"temperature, tcm, margin, mask_duplicates$"),
        ([{"name": "soft", "margin": 0.1}], r"^train\.loss\.0\.margin: unknown key \(it is one of hard\); allowed"),
        ([{"name": "hard", "anchors": 5}], r"^train\.loss\.0\.anchors: unknown key \(it is one of corpus\); "),
        ([{"name": "corpus", "tcm": 1.0}], r"^train\.loss\.0\.tcm: unknown key"),
        ([{"name": "mse", "tcm": 1.0}], r"^train\.loss\.0\.tcm: unknown key \(it is one of hard, kl, similarity_mse, soft\)"),
        ([{"name": "mse", "typo": None}], r"^train\.loss\.0\.typo: unknown key; allowed here: name, weight$"),
        ([{"name": "soft", "temperature": {"teacher": 0.0}}], r"^train\.loss\.0\.temperature\.teacher: found 0\.0; input"),
        ([{"name": "soft", "temperature": {"theirs": 1.0}}], r"^train\.loss\.0\.temperature\.theirs: unknown key; allowed "
         r"here: teacher, student$"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_used(terms, message):
    params = {
        "languages": ["en", "fr"], "pairs": ["en-fr"], "teacher": {"model": "m"}, "train": {"loss": terms},
        "prepare": {"corpora": [{"name": "c", "format": "moses", "path": "c.{lang}"}]},
    }  # fmt: skip
    with pytest.raises(ParamsError) as caught:
        check_params(params, "p")
    assert "\n" not in str(caught.value)
    assert re.search(message, str(caught.value).removeprefix("p: "))


def test_what_is_another_losss_option_may_stand_there_as_null():
    assert LossTerm.model_validate({"name": "mse", "tcm": None}) == MSE()


def rows(count, dimension=5):
    return unit(count, dimension, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": rows(5)}, r"x is \[6, 5\] and y is \[5, 5\]"),
        ({"x": rows(0), "y": rows(0)}, r"with n > 0"),
        ({"labels": rows(5)}, r"labels are \[5, 5\], expected \[6, e\]"),
        ({"teacher": rows(5)}, r"teacher is \[5, 5\], expected \[6, t\]"),
        ({"points": torch.zeros(6)}, r"points are torch.float32\[6\], expected torch.int64\[6\]"),
        ({"offset": 1}, "offset is 1 without columns"),
        ({"columns": Columns(rows(8), rows(8), rows(8)), "offset": 3}, "6 rows from 3 on are not all among 8 columns"),
        ({"columns": Columns(rows(8, 4), rows(8, 4), rows(8))}, "columns and rows differ"),
    ],
)
def test_batches_whose_shapes_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        Batch(**({"x": rows(6), "y": rows(6), "labels": rows(6)} | arguments))


def test_masking_needs_points():
    loss = build_loss([term("hard", mask_duplicates=True)], student_dimension=5, teacher_dimension=3)
    with pytest.raises(ValueError, match="needs the batch's points"):
        loss(make_batch())


def test_mse_needs_the_teachers_vectors():
    with pytest.raises(ValueError, match="holds no teacher vectors"):
        build_loss([term("mse")], student_dimension=5, teacher_dimension=5)(Batch(rows(6), rows(6), rows(6)))
