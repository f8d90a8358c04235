"""``softalign mine``: the stage of a language pair (``--pair``), or pairs in two texts by a model (``--src``, ``--trg``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from softalign.interface.mining_view import summary
from softalign.interface.options import command, runs_stage
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


@dataclass(frozen=True, kw_only=True)
class MineStage:
    """The stage of one language pair.

    Attributes:
        pair: the pair's name in params.yaml; None: texts are mined, not a project's vectors.
        project: the folder that holds params.yaml.
    """

    PANEL: ClassVar[str] = "The stage (dvc repro runs what has changed)"

    pair: Annotated[str | None, typer.Option("--pair", help="The language pair, as params.yaml names it.")] = None
    project: Annotated[Path, typer.Option("--project", help="The folder of params.yaml.")] = Path()


@dataclass(frozen=True, kw_only=True)
class DocumentOptions:
    """What may be paired with what, by the documents that sentences stand in.

    Attributes:
        documents: a column (or two) that names each row's document, or two files with a line for each row.
        within: in what both sides of a pair have to stand; None: what the other two options imply.
        window: the most days between the documents of a pair, which are dates then.
    """

    PANEL: ClassVar[str] = "Documents"

    documents: Annotated[
        str | None,
        typer.Option("--documents", help="What names each row's document: a column (or two), or two files, A,B."),
    ] = None
    within: Annotated[
        Within | None,
        typer.Option(
            "--within", help="Pair only inside documents (so with --documents), or days at most --window apart."
        ),
    ] = None
    window: Annotated[int | None, typer.Option("--window", min=0, help="Days; documents are dates then.")] = None

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


@dataclass(frozen=True, kw_only=True)
class MineTexts:
    """Two texts that are mined, with what model and how, and where the pairs go.

    Attributes:
        src: the first language's text: a file, folder or glob.
        trg: the second language's.
        texts: the form of both.
        model: a folder, or a name on the hub.
        reading: how the model reads a sentence.
        searched: how neighbours are searched and pairs are scored.
        retrieval: whose best candidates are proposed.
        threshold: the least score of a pair that is written.
        gold: BUCC's gold pairs, to measure against.
        tune_gold: whether the threshold is tuned on them.
        known: known pairs, to estimate a threshold.
        within: what may be paired with what.
        output: where the pairs go.
    """

    PANEL: ClassVar[str] = "Text"

    src: Annotated[str | None, typer.Option("--src", help="Text of the first language: a file, folder or glob.")] = None
    trg: Annotated[str | None, typer.Option("--trg", help="Text of the second language.")] = None
    texts: TextOptions
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A sentence-transformers folder, or a name on the Hugging Face hub.",
            rich_help_panel="Model",
        ),
    ] = None
    reading: ModelReading
    searched: SearchOptions
    retrieval: Annotated[
        Literal["union", "intersection", "forward", "backward"],
        typer.Option(
            "--retrieval",
            help="Whose best candidates are proposed; union is LASER's max.",
            rich_help_panel=SearchOptions.PANEL,
        ),
    ] = "union"
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Only pairs of at least this score.", rich_help_panel=KnownOptions.PANEL),
    ] = None
    gold: Annotated[
        Path | None,
        typer.Option(
            "--gold", help="BUCC's gold pairs of ids, to measure against.", rich_help_panel=KnownOptions.PANEL
        ),
    ] = None
    tune_gold: Annotated[
        bool,
        typer.Option("--tune-gold", help="Tune the threshold on --gold.", rich_help_panel=KnownOptions.PANEL),
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
