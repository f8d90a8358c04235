"""The dev set during training: what the student will be, not what dropout makes of it at the moment."""

from __future__ import annotations

import numpy as np
from gradient_worker import tiny_bert, tokens

from pipeline.encoders.model import embed
from pipeline.search.translation_retrieval import retrieve
from pipeline.training.collapse import spread
from pipeline.training.dev import DevScore, DevSet, dev_scores


def test_nothing_is_dropped_while_the_dev_set_is_scored_and_training_goes_on_dropping():
    model, part = tiny_bert(dropout=0.5), DevSet("en-fr", tokens(30, 1), tokens(30, 2))
    scores = dev_scores(model, [part], 4096)
    assert all(module.training for module in model.modules())
    model.eval()
    a, b = (embed(model, side, 4096) for side in (part.a, part.b))
    assert scores == {"en-fr": DevScore(retrieve(a, b).accuracy, spread(a, b))}
    model.train()
    assert not np.array_equal(embed(model, part.a, 4096), a)  # the same student would be scored otherwise
