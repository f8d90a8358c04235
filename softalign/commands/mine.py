"""``softalign mine``: the stage of a language pair (``--pair``), or pairs in two texts by a model (``--src``, ``--trg``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

from softalign.interface.options import command, options, runs_stage
from softalign.interface.text_options import (
    KnownOptions,
    ModelReading,
    OutputOptions,
    SearchOptions,
    TextOptions,
    document_inputs,
    work_folder,
)

Within = Literal["corpus", "document", "window"]


@options("The stage (dvc repro runs what has changed)")
class MineStage:
    """The stage of one language pair."""

    pair: Annotated[str | None, Option(help="The language pair, as params.yaml names it.")] = None
    project: Annotated[Path, Option(help="The folder of params.yaml.")] = Path()


@options("Documents")
class DocumentOptions:
    """What may be paired with what, by the documents that sentences stand in."""

    documents: Annotated[
        str | None, Option(help="What names each row's document: a column (or two), or two files, A,B.")
    ] = None
    within: Annotated[
        Within | None, Option(help="Pair only inside documents (so with --documents), or days at most --window apart.")
    ] = None
    window: Annotated[int | None, Option(min=0, help="Days; documents are dates then.")] = None

    def kind(self) -> Within:
        """In what both sides of a pair have to stand.

        Raises:
            UserError: if the options contradict each other.
        """
        from pipeline.console.errors import UserError

        if self.window is not None and self.within not in (None, "window"):
            raise UserError(f"--window and --within {self.within}: a window is of days; give --within window")
        if self.within == "window" and self.window is None:
            raise UserError("--within window needs --window, a number of days")
        if self.within is not None:
            return self.within
        return "window" if self.window is not None else "document" if self.documents is not None else "corpus"


@options("Text")
class MineTexts:
    """Two texts that are mined, with what model and how, and where the pairs go."""

    model: Annotated[
        str | None,
        Option(help="A sentence-transformers folder, or a name on the Hugging Face hub.", rich_help_panel="Model"),
    ] = None
    reading: ModelReading
    src: Annotated[str | None, Option(help="Text of the first language: a file, folder or glob.")] = None
    trg: Annotated[str | None, Option(help="Text of the second language.")] = None
    texts: TextOptions
    searched: SearchOptions
    retrieval: Annotated[
        Literal["union", "intersection", "forward", "backward"],
        Option(help="Whose best candidates are proposed; union is LASER's max.", rich_help_panel="Search"),
    ] = "union"
    threshold: Annotated[
        float | None, Option(help="Only pairs of at least this score.", rich_help_panel="Thresholds")
    ] = None
    gold: Annotated[
        Path | None, Option(help="BUCC's gold pairs of ids, to measure against.", rich_help_panel="Thresholds")
    ] = None
    tune_gold: Annotated[
        bool, Option("--tune-gold", help="Tune the threshold on --gold.", rich_help_panel="Thresholds")
    ] = False
    known: KnownOptions
    within: DocumentOptions
    output: OutputOptions


@command
def mine(ctx: typer.Context, stage: MineStage, texts: MineTexts) -> None:
    """Mine translation pairs, from two files of text with any model, or as the stage of one language pair.

    By itself: softalign mine --model models/student --src a.en --trg b.fr --out pairs.parquet. As a stage: softalign
    mine --pair en-fr, outside DVC; `dvc repro` runs what has changed.
    """
    own = frozenset({"--pair", "--project"})
    if runs_stage(ctx, own, "runs the stage of a project", "mines files"):
        mine_stage(stage)
    else:
        mine_texts(texts)


def mine_stage(options: MineStage) -> None:
    """Run the stage of one language pair.

    Raises:
        UserError: if no pair is named, or the stage can't be run.
    """
    from pipeline.console.errors import UserError
    from stages.mine import run
    from stages.running.command import run_in_project

    pair = options.pair
    if pair is None:
        raise UserError("nothing to mine: give --pair (the stage), or --model, --src, --trg and --out")
    run_in_project(f"mine-{pair}", lambda opened: run(opened, pair), options.project)


def mine_texts(options: MineTexts) -> None:
    """Mine two texts, write the pairs, and show what was found.

    Raises:
        UserError: if something lacks, or can't be read, meant or written.
    """
    from pipeline.console.errors import UserError
    from pipeline.mining.files.mine import Judges, mine_files
    from softalign.interface.console import show
    from softalign.interface.mining_view import summary

    src, trg, model, gold = options.src, options.trg, options.model, options.gold
    if src is None or trg is None or model is None:
        missing = next(name for name, value in (("src", src), ("trg", trg), ("model", model)) if value is None)
        raise UserError(f"--{missing} is missing")
    if options.tune_gold and (gold is None or options.threshold is not None):
        raise UserError("--tune-gold needs --gold" if gold is None else "--tune-gold and --threshold: give one")
    section = options.searched.mine(
        retrieval=options.retrieval,
        threshold=options.threshold,
        within=options.within.kind(),
        window=options.within.window or 0,
    )
    inputs = options.texts.read(src, trg)
    outputs = options.output.checked(inputs)
    documents = document_inputs(options.within.documents, inputs)
    judges = Judges(gold, options.tune_gold, options.known.read(inputs), documents)
    judges.check(inputs, section)
    encoder = options.reading.open(model)
    with work_folder(outputs.first) as work:
        result = mine_files(inputs, encoder, section, outputs, work, options.output.vectors, judges)
        show(summary(result, "mined pairs"))
