"""``softalign choices``: what params.yaml and ``--out`` can name, with the keys of each; installed packages' too."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softalign.interface.options import command

if TYPE_CHECKING:
    from pipeline.ground.registry import Registry

COLUMNS = ("name", "what", "its own keys")


@command
def choices(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write them as a page of Markdown.")] = None,
) -> None:
    """Show the losses, corpus formats, kinds of benchmarks and forms of output that there are, with their keys."""
    from pipeline.ground.atomic import write_text
    from pipeline.inspecting.view import Table, View
    from softalign.interface.console import show

    if out is not None:
        write_text(out, page())
        return
    tables = tuple(Table(title, COLUMNS, tuple(rows(things))) for title, things in registries())
    show(View("choices", (), tables))


def registries() -> list[tuple[str, Registry[Any]]]:
    """Everything that is chosen by name, under the key that names it."""
    from pipeline.config.evaluate import BENCHMARKS
    from pipeline.config.prepare import FORMATS
    from pipeline.config.train import LossTerm
    from pipeline.mining.outputs import PAIR_FORMATS
    from pipeline.search.search import BACKENDS

    return [
        ("Losses: `name` in `train.loss`", LossTerm.things),
        ("Corpus formats: `format` in `prepare.corpora` and `prepare.text`", FORMATS),
        ("Kinds of benchmarks: `kind` in `evaluate.benchmarks`", BENCHMARKS),
        ("Search backends: `search` in `mine` and `neighborhoods`, beside `auto`", BACKENDS),
        ("Forms of output: the suffix of `--out` (mine, score, align)", PAIR_FORMATS),
    ]


def rows(things: Registry[Any]) -> list[tuple[str, str, str]]:
    """A row for each thing, from its class alone."""
    return [(name, _first_sentence(thing), ", ".join(_keys(thing, things))) for name, thing in things.all().items()]


def page() -> str:
    """All of it as Markdown."""
    lines = [
        "# What can be chosen by name",
        "",
        "Written by `softalign choices --out docs/choices.md` from the code.",
        "",
    ]
    for title, things in registries():
        lines += [f"## {title}", "", f"| {' | '.join(COLUMNS)} |", "|---|---|---|"]
        lines += [f"| `{name}` | {_cell(what)} | {_cell(keys)} |" for name, what, keys in rows(things)] + [""]
    return "\n".join(lines)


def _keys(thing: Any, things: Registry[Any]) -> list[str]:
    fields = getattr(thing, "model_fields", {})
    common = getattr(things.base, "model_fields", {})
    return [f"{name}: {_default(field)}" for name, field in fields.items() if name not in common]


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _first_sentence(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")
