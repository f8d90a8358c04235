from dataclasses import replace

from pipeline.reporting.inputs import MinedPair
from pipeline.reporting.notes import mining_notes


def found(**metrics):
    return MinedPair("en-fr", metrics, {}, "test", None, {})


def test_nothing_measured_is_nothing_said():
    assert mining_notes(found()) == []


def test_control_says_the_rate_and_where_it_falls():
    control = {"kind": "documents", "searched": 2000, "accepted": 30, "false_rate": 0.015}
    limits = {"threshold_at_0.01": 1.0712, "threshold_at_0.001": None}
    (note,) = mining_notes(found(control=control | limits))
    assert note == (
        "Control: of 2,000 sentences mined against other documents, where no translation is, 30 (1.5\xa0%) get a pair at the "
        "threshold, which is false. False pairs would fall to 1.0\xa0% at 1.0712."
    )
    (note,) = mining_notes(found(control={"kind": "partners", "searched": 7, **limits}))
    assert note.startswith("Control: 7 accepted sentences mined again")


def test_approximation_says_what_was_lost():
    lost = {
        "recall_forward": 0.95,
        "recall_pairs": 0.99,
        "recall_accepted": None,
        "threshold": 1.0,
        "margin_shift": 0.001,
    }
    (note,) = mining_notes(found(approximation={"search": {}, "lost": lost}))
    assert "95.0\xa0% of the neighbours were found, 99.0\xa0% of the pairs; scores are +0.0010 off" in note
    (note,) = mining_notes(found(approximation={"search": {}, "lost": lost | {"margin_shift": None}}))
    assert note.endswith("of the pairs.")


def test_an_infinite_threshold_is_explained():
    (note,) = mining_notes(replace(found(dev={"gold": 90}), made_by={"threshold": float("inf")}))
    assert note.startswith("The threshold is infinite, so nothing is accepted: of 90 true pairs none is among the")
    assert "are the files that the true pairs come from aligned" in note


def test_what_the_rules_left_out():
    assert mining_notes(found(left_out={})) == []
    (note,) = mining_notes(found(left_out={"copies_a": 1200, "copies_b": 1100, "urls": 2, "numbers": 31}))
    assert note == (
        "1,200 sentences of the first side and 1,100 of the second have the same text on the other side; they were not "
        "paired with each other. Best candidates that broke a rule, so that the next best was taken: numbers 31, urls 2."
    )
