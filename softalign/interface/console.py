"""What commands show: tables on a terminal, tab-separated lines in a pipe. Text is made harmless for both."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pipeline.console.plain_text import visible
from pipeline.inspecting.view import Table, View


def show(view: View, console: Console | None = None) -> None:
    """Show facts and tables on standard output."""
    console = console or Console(highlight=False)
    if console.is_terminal:
        _show_rich(view, console)
    else:
        console.file.write("\n".join(plain_lines(view)) + "\n")


def plain_lines(view: View) -> list[str]:
    """A view as lines: facts and rows with a tab between cells, a heading before each table."""
    lines = [f"# {visible(view.title)}"]
    lines += ["\t".join(map(visible, fact)) for fact in view.facts]
    for table in view.tables:
        lines += ["", f"## {visible(table.title)}", "\t".join(map(visible, table.columns))]
        lines += ["\t".join(map(visible, row)) for row in table.rows] or ["(none)"]
        if table.note:
            lines.append(f"({visible(table.note)})")
    return lines


def _show_rich(view: View, console: Console) -> None:
    # Text objects, never strings: a string's square brackets would be read as markup.
    console.print(Text(visible(view.title), style="bold"))
    if view.facts:
        facts = RichTable.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column(overflow="fold")
        for name, value in view.facts:
            facts.add_row(Text(visible(name)), Text(visible(value)))
        console.print(facts)
    for table in view.tables:
        console.print()
        console.print(Text(visible(table.title), style="bold"))
        console.print(_rich_table(table) if table.rows else Text("(none)", style="dim"))
        if table.note:
            console.print(Text(visible(table.note), style="dim"))


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(show_edge=False, header_style="dim", padding=(0, 1))
    for name in table.columns:
        right = name in table.numeric
        shown.add_column(Text(visible(name)), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(visible(cell)) for cell in row))
    return shown
