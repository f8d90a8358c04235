"""``softalign score``: the margin of every pair of a bitext that one already has."""

from __future__ import annotations

from typing import Annotated

import typer

from softalign.interface.options import command
from softalign.interface.text_options import (
    AlignedTexts,
    KnownOptions,
    ModelOption,
    ModelReading,
    OutputOptions,
    SearchOptions,
    work_folder,
)


@command
def score(
    texts: AlignedTexts,
    model: ModelOption,
    reading: ModelReading,
    searched: SearchOptions,
    known: KnownOptions,
    output: OutputOptions,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="Only pairs of at least this score.", rich_help_panel="Output")
    ] = None,
) -> None:
    """Score every pair of an aligned bitext against the neighbourhoods of both sides, in the order of its lines."""
    from pipeline.mining.files.score import score_files
    from softalign.interface.console import show
    from softalign.interface.mining_view import summary

    section = searched.mine()
    inputs = texts.read()
    outputs = output.checked(inputs)
    planted = known.read(inputs)
    encoder = reading.open(model)
    with work_folder(outputs.first) as work:
        result = score_files(inputs, encoder, section, outputs, work, output.vectors, min_score, planted)
        show(summary(result, "scored pairs"))
