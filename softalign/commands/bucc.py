"""``softalign bucc``: sets like BUCC 2018's from parallel text, and mined pairs measured against gold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softalign.interface.options import PanelCommand, command
from softalign.interface.text_options import AlignedTexts, work_folder

app = typer.Typer(no_args_is_help=True)


@app.callback()
def bucc() -> None:
    """BUCC's mining task: make sets of parallel text, measure mined pairs."""


@app.command("make", cls=PanelCommand)
@command
def make(
    texts: AlignedTexts,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the sets.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn.")] = 0,
    gold_share: Annotated[
        float, typer.Option("--gold-share", min=0.0001, max=1, help="Sentences of a side that have a translation.")
    ] = 0.025,
    training_share: Annotated[
        float, typer.Option("--training-share", min=0, max=1, help="Of the pairs; the others are the test set's.")
    ] = 0.5,
) -> None:
    """Make a training and a test set of parallel text: planted pairs among sentences without a translation."""
    from pipeline.inspecting.view import Table, View
    from pipeline.mining.files.bucc import make_files
    from softalign.interface.console import show

    inputs = texts.read()
    with work_folder(out / "work") as work:
        made = make_files(inputs, out, work, seed, gold_share, training_share)
    rows = tuple((str(one.stem), f"{one.a:,}", f"{one.b:,}", f"{one.gold:,}") for one in made)
    columns = ("set", inputs[0].language, inputs[1].language, "gold pairs")
    show(View("BUCC-like sets", (), (Table("sentences", columns, rows, frozenset(columns[1:])),)))


@app.command("evaluate")
@command
def evaluate(
    gold: Annotated[Path, typer.Option("--gold", help="Gold pairs, `id TAB id`.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="Mined pairs: .parquet of `softalign mine`, or `id TAB id`.")],
    src: Annotated[
        Path | None, typer.Option("--src", help="The first side's sentences, to check ids and to unite copies.")
    ] = None,
    trg: Annotated[Path | None, typer.Option("--trg", help="The second side's.")] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="A frozen one, tuned elsewhere.")] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Tune the threshold on this gold.")] = False,
) -> None:
    """Measure mined pairs against gold: precision, recall and F1 with bootstrap intervals."""
    from pipeline.console.errors import UserError
    from pipeline.inspecting.view import View
    from pipeline.mining.files.bucc import evaluate_files
    from softalign.interface.console import show
    from softalign.interface.mining_view import gold_table

    if tune and threshold is not None:
        raise UserError("--tune and --threshold: give one")
    if (src is None) != (trg is None):
        raise UserError("--src and --trg: give both or neither")
    sentences = None if src is None or trg is None else (src, trg)
    result, used = evaluate_files(gold, pairs, sentences, threshold, tune)
    facts = [("gold", str(gold)), ("pairs", str(pairs))]
    if used is not None:
        facts.append(("threshold", f"{used:.6f}"))
    show(View("BUCC evaluation", tuple(facts), (gold_table(result),)))
