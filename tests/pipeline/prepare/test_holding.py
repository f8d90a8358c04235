"""Near copies across the split: held-out pairs of which training has one are left out, counted and named."""

import io
import logging

import polars as pl
import pytest
import zstandard

from pipeline.artifacts.shards import open_folder
from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError
from pipeline.prepare.prepare import PrepareOutputs, prepare

# Of corpus "kept" nothing is held out, of corpus "asked" all: so each row of "asked" has a known reason.
KEPT = [
    ("Open page 17 of the manual", "Ouvrez le manuel au feuillet 17"),
    ("The lamp burns all night", "La lampe brûle toute la nuit"),
    ("Chapter ² begins here", "Ici commence ce chapitre-là"),
    ("A quiet river flows slowly past the old stone mill", "Coule une rivière tranquille"),
]

NEAR_COPIES = {
    "another number": (("Open page 9 of the manual", "Ouvrez donc ce livre"), "digits"),
    "a number of more parts": (("Open page 1,017.5 of the manual", "Ouvrez donc ce livre-ci"), "digits"),
    "case and punctuation besides": (("open PAGE 12 of the manual!", "Ouvrez enfin ce livre"), "digits"),
    "on the second side": (("Look it up there", "Ouvrez le manuel au feuillet 99"), "digits"),
    "a digit that is no ASCII": (("Chapter ³ begins here", "Voilà un chapitre"), "digits"),
    "one word": (("A quiet river flows slowly past the old stone hill", "Une rivière encore"), 0.8),
    "no number at all": (("Open page of the manual", "Ouvrez donc le livre bleu"), None),
    "another sentence": (("The wind blows cold today", "Le vent souffle fort ce jour"), None),
    "a text without numbers beside one with": (("The lamp burns all 2 nights", "Deux nuits durant, elle brûle"), None),
}


def write(path, rows):
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")


def config(near, memory_bytes=256 << 20):
    corpus = {"format": "tsv", "languages": ["en", "fr"]}
    heldout = {"share": 1.0, "orphans": 0.0, **({} if near is None else {"near": near})}
    return check_params(
        {
            "languages": ["en", "fr"],
            "pairs": ["en-fr"],
            "prepare": {
                "corpora": [
                    {"name": "kept", "path": "kept.tsv", "heldout": False, **corpus},
                    {"name": "asked", "path": "asked.tsv", **corpus},
                ],
                "clean": {"min_number_overlap": 0.0, "min_letters": 0.0},
                "heldout": heldout,
                "memory_bytes": memory_bytes,
            },
            "teacher": {"model": "x"},
        }
    )


def run(root, near, asked, kept=KEPT, **more):
    """The metrics of prepare, the held-out pairs' first sides, and the rejects of corpus "asked"."""
    write(root / "kept.tsv", kept)
    write(root / "asked.tsv", asked)
    names = ("sentences", "pairs", "monolingual", "heldout", "rejects")
    out = PrepareOutputs(*(root / "data" / name for name in names))
    metrics = prepare(config(near, **more), root, out)
    data = (out.rejects / "asked.tsv.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        lines = io.TextIOWrapper(reader, encoding="utf-8").read().splitlines()[1:]
    held = set(pl.concat([pl.from_arrow(shard.table) for shard in open_folder(out.heldout / "en-fr")])["a"])
    texts = pl.concat([pl.from_arrow(shard.table) for shard in open_folder(out.monolingual / "en")])
    shown = {row["text"] for row in texts.iter_rows(named=True) if row["id"] in held}
    return metrics, shown, [line.split("\t")[3:6] for line in lines]


@pytest.mark.parametrize("name", NEAR_COPIES)
@pytest.mark.parametrize("near", [None, 0.8, 0])
def test_a_near_copy_of_training_text_is_not_held_out(tmp_path, name, near):
    pair, found_by = NEAR_COPIES[name]
    metrics, shown, rejects = run(tmp_path, near, [pair])
    gone = (found_by == "digits" and near != 0) or (found_by == 0.8 and near == 0.8)
    assert shown == (set() if gone else {pair[0]})
    assert [reason for reason, *_ in rejects] == (["heldout-near"] if gone else [])
    assert metrics["corpora"]["asked"]["rejected"] == ({"heldout-near": 1} if gone else {})
    assert metrics["corpora"]["kept"]["kept"] == len(KEPT)  # training loses nothing
    expected = {"near": "digits" if near is None else near, "candidates": {"en-fr": 1}}
    assert metrics["heldout_near"] == {**expected, "left_out": {"en-fr": 1} if gone else {}}
    if gone:
        detail = rejects[0][1]
        assert detail == "but for numbers" if found_by == "digits" else detail.startswith("similarity about 0.")


def test_an_exact_copy_is_called_one_and_is_no_candidate(tmp_path):
    metrics, _, rejects = run(tmp_path, None, [("Open page 17 of the manual!", "Ouvrez donc ce livre")])
    assert [reason for reason, *_ in rejects] == ["heldout-seen"]
    assert metrics["heldout_near"] == {"near": "digits", "candidates": {}, "left_out": {}}


def test_near_copies_within_the_held_out_documents_stay(tmp_path):
    asked = [(f"Turn valve {number} to the left", f"Tournez la vanne {number} à gauche") for number in range(20)]
    metrics, shown, _ = run(tmp_path, 0.8, asked)
    assert len(shown) == 20
    assert metrics["heldout_near"]["left_out"] == {}


@pytest.mark.parametrize("near", ["digits", 0.8])
def test_memory_changes_nothing(tmp_path, near):
    kept = [(f"Open window {n} in room {n % 7}", f"Ouvrez la fenêtre {n} de la salle {n % 7}") for n in range(3_000)]
    asked = [(f"Open window {n} in room 9 {'soon' * (n % 2)}", f"Fenêtre numéro {n} ouverte") for n in range(3_000)]
    (tmp_path / "wide").mkdir()
    (tmp_path / "narrow").mkdir()
    wide = run(tmp_path / "wide", near, asked, kept)
    assert wide == run(tmp_path / "narrow", near, asked, kept, memory_bytes=1 << 20)
    assert wide[0]["heldout_near"]["candidates"] == {"en-fr": 3_000}
    assert 1_500 <= wide[0]["heldout_near"]["left_out"]["en-fr"] <= 3_000


def test_a_set_that_loses_most_of_itself_says_so(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    near = [(f"Open page {number} of the manual", f"Livre {number}, page ouverte") for number in range(100, 103)]
    run(tmp_path, None, [*near, ("The wind blows cold today", "Le vent souffle fort ce jour")])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("prepare: en-fr: 3 of 4 held-out pairs have a near copy in the training text")
    assert "prepare.heldout.near: 0 keeps them" in line
    caplog.clear()
    run(tmp_path, None, [near[0], ("The wind blows cold today", "Le vent souffle fort ce jour")])
    assert not caplog.records


@pytest.mark.parametrize(("near", "found"), [("digit", "'digit'"), (1.5, "1.5"), (-1, "-1"), (True, "True")])
def test_what_near_may_be(near, found):
    with pytest.raises(ParamsError, match=f"heldout.near.*found {found}"):
        config(near)
