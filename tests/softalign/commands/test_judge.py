"""`softalign judge` as a user runs it: the command line, and the page in a browser that is driven by keys."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.config.params import load_params
from pipeline.mining.judging.people import open_pairs
from softalign.app import app

run = CliRunner()
NASTY = '</script><script>document.title="broken"</script><!-- & "quoted" \u2028 שלום עולם'


def make_pairs(path: Path, count: int = 300, sets: bool = False) -> Path:
    generator = np.random.default_rng(0)
    scores = np.sort(generator.normal(1.1, 0.1, count))[::-1].astype(np.float32)
    columns: dict[str, Any] = {
        "score": scores,
        "text_a": [f"sentence {number} {NASTY}" for number in range(count)],
        "text_b": [f"phrase {number}" for number in range(count)],
    }
    if sets:
        columns["set"] = ["test"] * (count // 2) + ["mine"] * (count - count // 2)
    about = json.dumps({"kind": "mined", "languages": ["en", "he"], "threshold": 1.05})
    pq.write_table(pa.table(columns).replace_schema_metadata({"softalign": about}), path)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return make_pairs(tmp_path / "pairs.parquet")


def make(pairs: Path, *options: str) -> dict[str, Any]:
    out = pairs.with_suffix(".html")
    done = run.invoke(app, ["judge", "make", str(pairs), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', out.read_text("utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def answer(
    pairs: Path, data: dict[str, Any], right: Callable[[int], bool], name: str = "answers.json", **more: Any
) -> Path:
    path = pairs.parent / name
    given = {str(row): "translation" if right(row) else "no" for row, _, _ in data["questions"]}
    content = {"softalign": "judgements", "version": 1, "sample": data["sample"], "judge": "Ada", "answers": given}
    path.write_text(json.dumps(content | more), encoding="utf-8")
    return path


def use(pairs: Path, *arguments: str) -> Any:
    return run.invoke(app, ["judge", "use", str(pairs), *arguments])


def test_a_page_asks_about_a_sample_without_scores(pairs: Path):
    data = make(pairs, "--sample", "100")
    assert len(data["questions"]) == 100
    assert data["sample"]["decision"] == 1.05  # the file's own threshold
    page = pairs.with_suffix(".html").read_text("utf-8")
    scores = open_pairs(pairs).scores
    assert not [score for score in scores if f"{score:.4f}" in page]
    row, a, b = data["questions"][0]
    assert (a, b) == (f"sentence {row} {NASTY}", f"phrase {row}")
    assert [row for row, _, _ in data["questions"]] != sorted(row for row, _, _ in data["questions"])
    assert make(pairs, "--sample", "100") == data
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)


def test_answers_give_the_threshold_and_it_goes_into_params(pairs: Path, tmp_path: Path):
    data = make(pairs, "--sample", "200")
    answers = answer(pairs, data, lambda row: row < 200)
    params = tmp_path / "params.yaml"
    params.write_text((Path(__file__).parents[3] / "params.yaml").read_text("utf-8"), encoding="utf-8")
    done = use(pairs, str(answers), "--precision", "0.9", "--write", str(params))
    assert done.exit_code == 0, done.output
    facts = dict(line.split("\t")[:2] for line in done.stdout.splitlines() if line.count("\t") == 1)
    threshold = float(facts["threshold for 90%"])
    scores = open_pairs(pairs).scores
    kept = int((scores >= threshold - 1e-4).sum())
    assert 150 < kept < 225  # all 200 right ones and few of the others
    assert facts["answered"] == "200 of 200 asked"
    written = load_params(params).mine.threshold
    assert written is not None
    assert 0 <= threshold - written < 1e-4
    assert (scores >= written).sum() == int(facts["pairs kept"].split(" ")[0])
    assert "# documentation of image-generation nodes" in params.read_text("utf-8")  # comments stay


def test_a_precision_that_no_threshold_reaches_is_said_and_nothing_is_written(pairs: Path, tmp_path: Path):
    answers = answer(pairs, make(pairs), lambda row: row % 3 > 0)
    params = tmp_path / "params.yaml"
    params.write_text("kept", encoding="utf-8")
    done = use(pairs, str(answers), "--write", str(params))
    assert done.exit_code != 0
    assert "no threshold reaches 95.0% with 95 % confidence by 200 answers" in done.output
    assert params.read_text("utf-8") == "kept"


def test_answers_to_another_file_or_another_page_are_refused(pairs: Path, tmp_path: Path):
    data = make(pairs)
    answers = answer(pairs, data, lambda row: True)
    other = make_pairs(tmp_path / "other.parquet", count=299)
    done = use(other, str(answers))
    assert done.exit_code != 0
    assert "answers for other pairs (pairs.parquet)" in done.output
    second = answer(pairs, make(pairs, "--seed", "1"), lambda row: True, "second.json")
    done = use(pairs, str(answers), str(second))
    assert done.exit_code != 0
    assert "about another sample" in done.output


def test_another_threshold_in_the_file_does_not_make_answers_worthless(pairs: Path):
    before = open_pairs(pairs).digest
    table = pq.read_table(pairs)
    pq.write_table(table.append_column("accepted", pa.array([True] * len(table))), pairs)
    assert open_pairs(pairs).digest == before
    changed = table.set_column(2, "text_b", pa.array(["x", *table.column("text_b").to_pylist()[1:]]))
    pq.write_table(changed, pairs)
    assert open_pairs(pairs).digest != before


def test_the_judge_who_stops_in_the_middle_and_two_judges(pairs: Path):
    data = make(pairs)
    whole = answer(pairs, data, lambda row: row < 200)
    part = json.loads(whole.read_text("utf-8"))
    part["judge"], part["answers"] = "Bob", dict(list(part["answers"].items())[:40])
    (pairs.parent / "bob.json").write_text(json.dumps(part), encoding="utf-8")
    done = use(pairs, str(whole), str(pairs.parent / "bob.json"), "--precision", "0.5")
    assert done.exit_code == 0, done.output
    assert "agreement of Ada, Bob\tκ 1.00 over 40 pairs" in done.stdout
    alone = use(pairs, str(pairs.parent / "bob.json"), "--precision", "0.3")
    assert "answered\t40 of 200 asked" in alone.stdout


def test_sets_of_a_stage_s_pairs(tmp_path: Path):
    pairs = make_pairs(tmp_path / "pairs.parquet", sets=True)
    assert make(pairs)["sample"]["set"] == "mine"
    assert min(open_pairs(pairs).rows) == 150
    assert make(pairs, "--set", "test")["sample"]["set"] == "test"
    done = run.invoke(app, ["judge", "make", str(pairs), "--set", "dev", "--out", str(tmp_path / "x.html")])
    assert done.exit_code != 0
    assert "found 'dev'; expected one of those" in done.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"text", "not Parquet"),
        (pa.table({"score": [1.0], "text_a": ["a"]}), "has no column 'text_b'"),
        (pa.table({"score": [float("nan")], "text_a": ["a"], "text_b": ["b"]}), "no pair with a score"),
        (pa.table({"score": [1.0], "text_a": ["a"], "text_b": ["b"]}).slice(1), "no pair"),
    ],
    ids=["missing", "text", "no column", "no score", "empty"],
)  # fmt: skip
def test_files_that_cannot_be_judged(tmp_path: Path, content: Any, said: str):
    path = tmp_path / "pairs.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        pq.write_table(content, path)
    done = run.invoke(app, ["judge", "make", str(path), "--out", str(tmp_path / "x.html")])
    assert done.exit_code != 0
    assert said in done.output
    assert not (tmp_path / "x.html").exists()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian's packages chromium and chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for name in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update"):
        options.add_argument(f"--{name}")
    options.add_argument(f"--user-data-dir={tmp_path / 'browser'}")
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "saved")})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def press(browser: Any, keys: str) -> None:
    browser.switch_to.active_element.send_keys(keys)


def test_a_page_driven_by_keys_saves_answers_that_are_read(browser: Any, pairs: Path, tmp_path: Path):
    data = make(pairs, "--sample", "30")
    address = pairs.with_suffix(".html").as_uri()
    browser.get(address)
    assert browser.title == "Judging pairs.parquet"  # no sentence was run as a script
    shown = browser.find_element("id", "text-a").text
    assert "</script><script>" in shown
    assert browser.find_element("id", "text-b").get_attribute("dir") == "auto"

    given: dict[str, str] = {}
    for number, (row, _, _) in enumerate(data["questions"][:20]):
        press(browser, "123"[number % 3])
        given[str(row)] = ("translation", "partly", "no")[number % 3]
    # The last answer is taken back and given anew; a pair is skipped; the page is closed and opened again.
    press(browser, "u")
    press(browser, "1")
    given[str(data["questions"][19][0])] = "translation"
    press(browser, "s")
    browser.get("about:blank")
    browser.get(address)
    assert "20 answered" in browser.find_element("id", "place").text
    for row, _, _ in [*data["questions"][21:], data["questions"][20]]:
        press(browser, "3")
        given[str(row)] = "no"
    assert "All 30 answered" in browser.find_element("id", "place").text

    press(browser, "w")  # without a name nothing is saved
    assert "name" in browser.find_element("id", "note").text
    browser.find_element("id", "judge").send_keys("Ada 1")
    browser.find_element("id", "save").click()
    saved = tmp_path / "saved" / "answers-Ada-1.json"
    for _ in range(100):
        if saved.exists():
            break
        browser.implicitly_wait(0.1)
        browser.find_elements("id", "nothing")
    content = json.loads(saved.read_text("utf-8"))
    assert content["answers"] == given
    done = use(pairs, str(saved), "--precision", "0.05")
    assert done.exit_code == 0, done.output
    assert "answered\t30 of 30 asked" in done.stdout


@pytest.mark.parametrize("width", [400, 1100])
def test_the_page_fits_the_screen(browser: Any, pairs: Path, width: int):
    make(pairs, "--sample", "5")
    browser.set_window_size(width, 800)
    browser.get(pairs.with_suffix(".html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    bottom = browser.execute_script("return document.querySelector('nav').getBoundingClientRect().bottom")
    assert bottom <= browser.execute_script("return window.innerHeight") + 1


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2), ``#rrggbb`` or ``#rgb``."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = np.array([int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_all_ink_can_be_read_on_all_paper(pairs: Path):
    make(pairs, "--sample", "5")
    page = pairs.with_suffix(".html").read_text("utf-8")
    light, dark = (dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", scheme)) for scheme in re.findall(r":root \{.*", page))
    for colours in (light, dark):
        inks = colours.keys() - {"page", "card", "line"}
        found = {(ink, paper): contrast(colours[ink], colours[paper]) for ink in inks for paper in ("page", "card")}
        assert len(found) == 12
        assert min(found.values()) >= 4.5, found
    assert "opacity" not in page  # what would thin the ink


def test_the_next_pair_begins_at_its_first_sentence(browser: Any, tmp_path: Path):
    pairs = tmp_path / "long.parquet"
    text = ["long " * 2000] * 3
    pq.write_table(pa.table({"score": [1.2, 1.1, 1.0], "text_a": text, "text_b": text}), pairs)
    make(pairs)
    browser.get(pairs.with_suffix(".html").as_uri())
    for key in ("1", "s", "u"):
        browser.execute_script("scrollTo(0, 500)")
        assert browser.execute_script("return scrollY") == 500
        press(browser, key)
        assert browser.execute_script("return scrollY") == 0
