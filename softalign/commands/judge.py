"""``softalign judge``: a page on which people judge mined pairs, and the threshold that their answers defend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softalign.interface.options import command

if TYPE_CHECKING:
    from pipeline.inspecting.view import Table
    from pipeline.mining.judging.people import JudgedFile

app = typer.Typer(no_args_is_help=True)


@app.callback()
def judge() -> None:
    """Judge mined pairs by hand, and find the threshold that reaches a precision."""


PairsArgument = Annotated[Path, typer.Argument(metavar="PAIRS", help="Mined or scored pairs, as Parquet.")]

SHOWN = 12
"""Rows of the curve that are shown."""


@app.command("make")
@command
def make(
    pairs: PairsArgument,
    out: Annotated[Path, typer.Option("--out", help="The page: one HTML file that works offline.")],
    sample: Annotated[int, typer.Option("--sample", min=1, help="Pairs to ask about.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sample and of its order.")] = 0,
    near: Annotated[
        float | None,
        typer.Option(
            "--near", help="The score near which the threshold is expected; without it, that of PAIRS, if any."
        ),
    ] = None,
    set_name: Annotated[
        str | None, typer.Option("--set", help="Of a stage's pairs: mine, test or dev; mine where there is one.")
    ] = None,
) -> None:
    """Write a page that asks, of a sample of pairs, whether each is a translation."""
    from pipeline.artifacts.parquet import read_about
    from pipeline.inspecting.view import View
    from pipeline.mining.judging.people import make_page, open_pairs
    from softalign.interface.console import show

    found = open_pairs(pairs, set_name)
    decision = _number(read_about(pairs).get("threshold")) if near is None else near
    asked = make_page(found, out, sample, seed, decision)
    facts = [("pairs", f"{len(found.rows):,}"), ("asked about", f"{asked:,}")]
    if found.unscored:
        facts.append(("left out, without a score", f"{found.unscored:,}"))
    facts.append(("more of them near", "the lower scores" if decision is None else f"{decision:.4f}"))
    facts.append(("next", f"open {out} in a browser; then softalign judge use {pairs} ANSWERS.json"))
    show(View(str(out), tuple(facts)))


@app.command("use")
@command
def use(
    pairs: PairsArgument,
    answers: Annotated[list[Path], typer.Argument(metavar="ANSWERS", help="What the page saved; a file a judge.")],
    precision: Annotated[
        float, typer.Option("--precision", min=0.0, max=1.0, help="What the kept pairs' precision shall be at least.")
    ] = 0.95,
    partly: Annotated[str, typer.Option("--partly", help="Whether 'partly' counts as right: yes or no.")] = "no",
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="PARAMS", help="Write the threshold into mine.threshold of this params.yaml."),
    ] = None,
) -> None:
    """Precision against threshold from answers, and the lowest threshold that reaches a precision with 95 % confidence."""
    from pipeline.console.errors import UserError
    from pipeline.inspecting.view import View
    from pipeline.mining.judging.answers import read_judgements
    from pipeline.mining.judging.people import RIGHT, open_pairs, use_answers
    from softalign.interface.console import show

    if partly not in RIGHT:
        raise UserError(f"--partly: found {partly!r}; expected yes or no")
    given = {file: read_judgements(file) for file in answers}
    found = use_answers(open_pairs(pairs, given[answers[0]].sample.set), given, partly)
    place = found.curve.choose(precision)
    show(View(str(pairs), tuple(_facts(found, precision, place)), tuple(_tables(found))))
    if write is not None and place is not None:
        _write_threshold(write, float(found.curve.threshold[place]))
    if place is None:
        raise UserError(_none(found, precision))


def _number(value: object) -> float | None:
    import math

    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _facts(found: JudgedFile, precision: float, place: int | None) -> list[tuple[str, str]]:
    curve, verdicts = found.curve, found.verdicts
    facts = [("pairs", f"{len(found.pairs.rows):,}"), ("answered", f"{len(verdicts.value):,} of {found.asked:,} asked")]
    facts += [(f"answers of {judge}", f"{len(given):,}") for judge, given in sorted(verdicts.judges.items())]
    facts += [("counted once", f"{path} says what another file of the same judge says") for path in verdicts.repeated]
    for (one, other), (kappa, both) in verdicts.kappas().items():
        facts.append(
            (f"agreement of {one}, {other}", f"κ {kappa:.2f} over {both:,} pairs" if both else "no pair of both")
        )
    facts.append(("precision of all pairs", _interval(found, len(curve.threshold) - 1)))
    if place is not None:
        facts += [
            (f"threshold for {precision:.0%}", f"{curve.threshold[place]:.4f}"),
            ("precision there", f"{_interval(found, place)}, at least {curve.bound[place]:.1%} however it was chosen"),
            ("pairs kept", f"{curve.kept[place]:,} of {len(found.pairs.rows):,}"),
            ("to halve the interval", f"{curve.more_for_half(place):,} more answers"),
        ]
    return facts


def _interval(found: JudgedFile, place: int) -> str:
    curve = found.curve
    return f"{curve.precision[place]:.1%} (95 %: {curve.low[place]:.1%} to {curve.high[place]:.1%})"


def _tables(found: JudgedFile) -> list[Table]:
    import numpy as np

    from pipeline.inspecting.view import Table

    curve = found.curve
    shown = np.unique(np.linspace(0, len(curve.threshold) - 1, SHOWN).round().astype(int))
    rows = tuple(
        (
            f"{curve.threshold[at]:.4f}",
            f"{curve.kept[at]:,}",
            f"{curve.answered[at]:,}",
            f"{100 * curve.precision[at]:.1f}",
            f"{100 * curve.low[at]:.1f}",
            f"{100 * curve.high[at]:.1f}",
            f"{100 * curve.bound[at]:.1f}",
        )
        for at in shown.tolist()
    )
    columns = ("threshold", "pairs kept", "answered", "precision", "95 % from", "to", "at least")
    note = "from, to: Wilson's interval at this threshold; at least: with 95 % confidence at all thresholds together"
    return [Table("precision against threshold, in per cent", columns, rows, frozenset(columns), note)]


def _none(found: JudgedFile, precision: float) -> str:
    curve = found.curve
    best = int(curve.bound.argmax())
    return (
        f"--precision: no threshold reaches {precision:.1%} with 95 % confidence by {len(found.verdicts.value):,} answers; "
        f"the best bound is {curve.bound[best]:.1%}, at {curve.threshold[best]:.4f}. Expected a lower precision, or more "
        "answers (softalign judge make --sample)"
    )


def _write_threshold(path: Path, threshold: float) -> None:
    """Set ``mine.threshold`` in a params.yaml, and leave all else (comments, order) as it is."""
    import math
    from io import StringIO

    from ruamel.yaml import YAML

    from pipeline.config.params import load_params
    from pipeline.ground.atomic import write_text

    load_params(path)
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 1000
    document = yaml.load(path.read_text(encoding="utf-8"))
    # Rounded down: the pair that stands at the threshold stays in.
    document.setdefault("mine", {})["threshold"] = math.floor(threshold * 1e6) / 1e6
    out = StringIO()
    yaml.dump(document, out)
    write_text(path, out.getvalue())
    load_params(path)
