"""What is shown can't steer a terminal, and its brackets are no markup."""

import io

from rich.console import Console

from pipeline.inspecting.view import Table, View
from softalign.interface.console import plain_lines, show

EVIL = View(
    "a [red]title[/red]",
    (("name", "\x1b[31mred"),),
    (
        Table("samples", ("text", "n"), (("[bold]x[/bold]\r\u202ey", "1"),), frozenset({"n"}), "a [note]"),
        Table("none", ("a",), ()),
    ),
)


def shown(terminal: bool) -> str:
    stream = io.StringIO()
    show(EVIL, Console(file=stream, force_terminal=terminal, color_system=None, width=80, highlight=False))
    return stream.getvalue()


def test_plain_output_is_tab_separated():
    assert shown(terminal=False).splitlines() == [
        "# a [red]title[/red]",
        "name\t\\x1b[31mred",
        "",
        "## samples",
        "text\tn",
        "[bold]x[/bold]\\r\\u202ey\t1",
        "(a [note])",
        "",
        "## none",
        "a",
        "(none)",
    ]


def test_terminal_output_keeps_brackets_and_escapes_what_steers():
    text = shown(terminal=True)
    for part in ("a [red]title[/red]", "\\x1b[31mred", "[bold]x[/bold]\\r\\u202ey", "a [note]", "(none)"):
        assert part in text
    assert not {"\r", "\u202e"} & set(text)


def test_tabs_inside_cells_do_not_add_columns():
    lines = plain_lines(View("t", (), (Table("x", ("a", "b"), (("1\t2", "3"),)),)))
    assert lines[-1] == "1\\t2\t3"
