import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.console.errors import InputError, UserError
from pipeline.mining.judging.answers import Judgements, cohen_kappa, join_judgements, read_judgements

SAMPLE = {"pairs": "p.parquet", "sha256": "ab", "set": None, "size": 3, "seed": 0, "decision": None}
GOOD: dict[str, Any] = {
    "softalign": "judgements",
    "version": 1,
    "sample": SAMPLE,
    "judge": "Ada",
    "answers": {"0": "translation", "7": "no"},
}
TRANSLATION = frozenset({"translation"})


def written(path: Path, **changed: Any) -> Path:
    path.write_text(json.dumps(GOOD | changed), encoding="utf-8")
    return path


def joined(tmp_path: Path, *parts: dict[str, Any], right: frozenset[Any] = TRANSLATION) -> Any:
    files: dict[Path, Judgements] = {}
    for number, part in enumerate(parts):
        path = written(tmp_path / f"{number}.json", **part)
        files[path] = read_judgements(path)
    return join_judgements(files, {0, 3, 7}, right)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"softalign": "other"}, "softalign: found 'other'"),
        ({"version": 2}, "version: found '2'"),
        ({"judge": ""}, "judge"),
        ({"answers": {"0": "maybe"}}, "answers.0: found 'maybe'"),
        ({"answers": {"0": 1}}, "answers.0"),
        ({"more": 1}, "more"),
        ({"sample": SAMPLE | {"size": 0}}, "sample.size"),
        ({"sample": {"pairs": "p"}}, "sample.sha256"),
    ],
)
def test_a_file_edited_by_hand_is_named_with_its_key(tmp_path: Path, changed: dict[str, Any], said: str):
    with pytest.raises(InputError) as error:
        read_judgements(written(tmp_path / "a.json", **changed))
    assert said in str(error.value)
    assert "a.json" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"answers": {"1": "no", "1": "translation"}}', "\ud7ff" * 3])
def test_what_is_no_file_of_answers_is_refused(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json"):
        read_judgements(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_judgements(tmp_path / "none.json")


def test_rows_that_were_not_asked_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="row 5, which was not asked"):
        joined(tmp_path, {"answers": {"5": "no"}})
    for key in ("-1", "07", "x", "1.0", "٣"):
        with pytest.raises(InputError, match="number of a row"):
            joined(tmp_path, {"answers": {key: "no"}})


def test_judges_are_averaged_and_partly_counts_as_asked(tmp_path: Path):
    parts = ({}, {"judge": "Bob", "answers": {"0": "partly", "3": "translation"}})
    assert joined(tmp_path, *parts).value == {0: 0.5, 3: 1.0, 7: 0.0}
    assert joined(tmp_path, *parts, right=frozenset({"translation", "partly"})).value == {0: 1.0, 3: 1.0, 7: 0.0}


def test_a_judge_who_contradicts_himself_is_named_and_one_who_repeats_himself_counts_once(tmp_path: Path):
    found = joined(tmp_path, {}, {"answers": {"7": "no"}})
    assert [path.name for path in found.repeated] == ["1.json"]
    assert found.value == {0: 1.0, 7: 0.0}
    more = joined(tmp_path, {"answers": {"0": "no"}}, {"answers": {"3": "no"}})
    assert more.value == {0: 0.0, 3: 0.0}
    assert not more.repeated
    with pytest.raises(InputError, match="Ada says 'partly' of row 7, and 'no' in another file"):
        joined(tmp_path, {}, {"answers": {"7": "partly"}})


def test_no_answer_at_all_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="nothing is answered"):
        joined(tmp_path, {"answers": {}})


def test_kappa_by_hand(tmp_path: Path):
    yes, no = "translation", "no"
    # 20 pairs: both yes 8, both no 7, first yes second no 3, first no second yes 2: agreement .75, chance .55·.5 + .45·.5.
    first = [yes] * 8 + [no] * 7 + [yes] * 3 + [no] * 2
    second = [yes] * 8 + [no] * 7 + [no] * 3 + [yes] * 2
    assert cohen_kappa(first, second) == pytest.approx((0.75 - 0.5) / 0.5)
    assert cohen_kappa([yes] * 3, [yes] * 3) == 1.0
    assert cohen_kappa([yes, no], [no, yes]) == -1.0
    found = joined(tmp_path, {}, {"judge": "Bob", "answers": {"0": "translation", "7": "no"}})
    assert found.kappas() == {("Ada", "Bob"): (1.0, 2)}
