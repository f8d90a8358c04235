import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console.errors import InputError
from pipeline.ground.languages import LanguagePair
from pipeline.mining.judging.answers import SampleDesign
from pipeline.mining.judging.people import open_pairs
from pipeline.reporting import judged_precision
from pipeline.reporting.inputs import ReportInputs
from pipeline.reporting.judged_precision import read_judged
from pipeline.reporting.render import render

TRAIN = {"steps": 1, "best_step": 1, "last_loss": 0.5, "dev_accuracy": None, "neighborhood_coverage": 0.5}


def mined(path: Path, offset: float) -> Path:
    scores = np.linspace(1.4, 1.0, 80) + offset
    texts = [f"{offset} {number}" for number in range(80)]
    pq.write_table(pa.table({"score": scores, "text_a": texts, "text_b": texts}), path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: mined(tmp_path / f"{name}.parquet", place) for place, name in enumerate(("en-fr", "en-ja"))}


def answers(mined_pairs: Path, path: Path, judge: str = "Ada", **changed_sample: Any) -> Path:
    found = open_pairs(mined_pairs)
    design = SampleDesign(pairs=mined_pairs.name, sha256=found.digest, set=None, size=40, seed=0, decision=None)
    drawn = [int(row) for stratum in found.sample(design) for row in stratum.drawn]
    content = {
        "softalign": "judgements",
        "version": 1,
        "sample": design.model_dump() | changed_sample,
        "judge": judge,
        "answers": {str(row): "translation" if row < 40 else "no" for row in drawn},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_judgements_find_their_pairs_by_what_was_judged(files: dict[str, Path], tmp_path: Path):
    # The Japanese pairs were judged from a copy with another name; two people judged the French ones.
    japanese = answers(files["en-ja"], tmp_path / "ja.json", pairs="copy.parquet")
    french = [answers(files["en-fr"], tmp_path / f"{judge}.json", judge) for judge in ("Ada", "Bob")]
    found = read_judged([japanese, *french], files)
    assert [(one.pair, one.judges, one.answered, one.asked) for one in found.pairs] == [
        ("en-fr", 2, 40, 40),
        ("en-ja", 1, 40, 40),
    ]
    assert found.pairs[0].curve.precision[0] == 1.0
    assert not found.stale


def test_judgements_of_pairs_that_are_no_more_are_left_out_and_said(
    files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    old = answers(files["en-fr"], tmp_path / "old.json", sha256="0" * 64)
    found = read_judged([old], files)
    assert (list(found.pairs), list(found.stale)) == ([], ["old.json"])
    assert "old.json judge other pairs than those mined now" in caplog.text
    page = render(ReportInputs("t", [], {"seed": 0}, {}, TRAIN, {}, judged=found))
    assert "old.json judges other pairs than those mined now" in page


def test_a_language_pair_of_which_nothing_was_mined_is_no_error(files: dict[str, Path], tmp_path: Path):
    japanese = answers(files["en-ja"], tmp_path / "ja.json", pairs="copy.parquet")
    pq.write_table(pq.read_table(files["en-fr"]).slice(0, 0), files["en-fr"])
    assert [one.pair for one in read_judged([japanese], files).pairs] == ["en-ja"]


def test_each_file_is_read_once(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    for name in ("read_judgements", "open_pairs"):
        function = getattr(judged_precision, name)
        monkeypatch.setattr(
            judged_precision, name, lambda path, *rest, f=function: (read.append(path.name), f(path, *rest))[1]
        )
    judges = [answers(files["en-fr"], tmp_path / f"{judge}.json", judge, pairs="en-fr") for judge in ("Ada", "Bob")]
    read_judged(judges, files)
    assert sorted(read) == ["Ada.json", "Bob.json", "en-fr.parquet"]


def test_a_file_that_holds_no_answers_is_an_error(files: dict[str, Path], tmp_path: Path):
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"none\.json"):
        read_judged([tmp_path / "none.json"], files)


def test_the_report_has_the_curve(files: dict[str, Path], tmp_path: Path):
    found = read_judged([answers(files["en-fr"], tmp_path / "a.json")], files)
    page = render(ReportInputs("t", [LanguagePair("en", "fr")], {"seed": 0}, {}, TRAIN, {}, judged=found))
    assert "en-fr: precision by 40 answers of 1 person, 40 pairs asked" in page
    assert 'aria-label="Judged precision of en-fr against threshold: ' in page


def test_nothing_judged_is_nothing(files: dict[str, Path]):
    found = read_judged([], files)
    assert (list(found.pairs), list(found.stale)) == ([], [])
