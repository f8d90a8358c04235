import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.markdown import difference, parse_blocks

ENGLISH = """> AI made this. [Edit](https://github.com/x/embedded-docs/edit/y.md)

# The **Node**

First line with `code` and [a link](http://x.y).
Second line.

![picture](u.png)

- item
  - inner

| A | B |
| --- | --- |
| c | |

```python
code = 1
```
<!-- comment -->
"""
FRENCH = ENGLISH
for english, french in {
    "The **Node**": "Le **nœud**",
    "First line": "Première ligne",
    "Second line.": "Deuxième ligne.",
    "item": "élément",
    "inner": "dedans",
    "| A | B |": "| À | Bé |",
    "| c | |": "| cé | |",
}.items():
    FRENCH = FRENCH.replace(english, french)


def test_blocks():
    blocks = parse_blocks(ENGLISH)
    assert [(block.kind, block.lines, block.line) for block in blocks] == [
        ("h1", ("The Node",), 3),
        ("p", ("First line with code and a link.", "Second line."), 5),
        ("ul/li/p", ("item",), 10),
        ("ul/li/ul/li/p", ("inner",), 11),
        ("table2/thead/tr/th", ("A",), 13),
        ("table2/thead/tr/th", ("B",), 13),
        ("table2/tbody/tr/td", ("c",), 15),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one<br>two", ("one two",)), ("one <br/> two", ("one  two",)), ("one<b>two</b>", ("onetwo",)),
        ("one<br>\ntwo", ("one", "two")), ("a&nbsp;b", ("a\u00a0b",)),
    ],
)  # fmt: skip
def test_tags_that_separate_leave_a_space(text, lines):
    assert parse_blocks(text)[0].lines == lines
    assert parse_blocks(f"| a |\n|---|\n| {text.splitlines()[0]} |")[1].lines[0] == lines[0]


def test_the_first_difference_is_told():
    first, second = parse_blocks("# a\n\nb\n\n- c\n"), parse_blocks("# a\n\nb\n\nc\n")
    assert difference(first, first) is None
    assert difference(first, second) == (5, "ul/li/p here, p in line 5 of the other side")
    assert difference(first, first[:2])[0] == 5
    assert difference(first[:2], first)[0] == 0


def save(root, document, **pages):
    (root / "docs" / document).mkdir(parents=True)
    for language, text in pages.items():
        (root / "docs" / document / f"{language}.md").write_text(text, encoding="utf-8")


def test_pages_are_paired_by_structure(tmp_path):
    save(tmp_path, "Good", en=ENGLISH, fr=FRENCH)
    save(tmp_path, "Shifted", en=ENGLISH, fr=FRENCH.replace("- élément", "élément"))
    save(tmp_path, "Alone", en=ENGLISH)
    rows = read("node-docs", ask(tmp_path, "docs", "en-fr"))
    assert sides(rows) == [
        ("The Node", "Le nœud"), ("First line with code and a link.", "Première ligne with code and a link."),
        ("Second line.", "Deuxième ligne."), ("item", "élément"), ("inner", "dedans"),
        ("A", "À"), ("B", "Bé"), ("c", "cé"),
    ]  # fmt: skip
    assert reasons(rows) == [(0, "missing-side"), (10, "structure")]
    good = [row for row in rows if row["doc"] == "Good"]
    assert [row["line"] for row in good] == [3, 5, 6, 10, 11, 13, 13, 15]
    assert good[0]["file"] == "docs/Good/en.md"
    assert (good[-1]["file_b"], good[-1]["line_b"]) == ("docs/Good/fr.md", 15)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such folder"):
        read("node-docs", ask(tmp_path, "docs", "en-fr"))
    with pytest.raises(UserError, match=r"the Python package 'no_such_package' is not installed"):
        read("node-docs", ask(tmp_path, None, "en-fr", package="no_such_package"))


def test_the_default_text_if_it_is_installed():
    pytest.importorskip("comfyui_embedded_docs")
    from pathlib import Path

    from pipeline.corpora.formats.node_docs import NodeDocsReader

    request = ask(Path(), None, "en-fr", package="comfyui_embedded_docs")
    reader = NodeDocsReader(package="comfyui_embedded_docs")
    units = reader.units(request)
    assert len(units) > 1000
    rows = [row for chunk in reader.read(units[0], request) for row in chunk.frame.iter_rows(named=True)]
    assert rows
    assert rows[0]["file"].endswith("/en.md")
