"""``softalign mine``: a stage with ``--pair``, or by itself from two files of text with ``--src`` and ``--trg``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from softalign.interface.mining_view import summary
from softalign.interface.text_options import (
    ColumnOption,
    DtypeOption,
    EncodingOption,
    FormatOption,
    KeepOption,
    KnownColumnOption,
    KnownOption,
    LanguagesOption,
    MaxLengthOption,
    MemoryOption,
    ModelOption,
    PoolingOption,
    PrefixOption,
    PromptNameOption,
    RevisionOption,
    SrcOption,
    TrgOption,
    VectorsOption,
)

STAGE_OPTIONS = ("pair", "project")
SHARED_OPTIONS = ("debug",)

KOption = Annotated[int, typer.Option("--k", min=1, help="Neighbours that a margin looks at.")]
ScoreOption = Annotated[
    Literal["ratio", "distance", "cosine"], typer.Option("--score", help="What pairs are scored by.")
]
SearchOption = Annotated[
    str, typer.Option("--search", help="auto (by size and machine), faiss, exact, or an installed backend.")
]
IndexOption = Annotated[
    str | None, typer.Option("--index", help="FAISS' index: a factory string (Flat, IVF4096,PQ64), or auto: by size.")
]
RecallOption = Annotated[
    float, typer.Option("--recall", help="Share of the neighbours that an approximate search has to find.")
]


def mine(
    ctx: typer.Context,
    pair: Annotated[str | None, typer.Option(help="The stage: the language pair, as params.yaml names it.")] = None,
    project: Annotated[Path, typer.Option("--project", help="The stage: the folder of params.yaml.")] = Path(),
    model: ModelOption = None,
    src: SrcOption = None,
    trg: TrgOption = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="The pairs: .parquet (everything), .tsv (LASER's), .tmx, .ids; may be repeated."),
    ] = None,
    moses: Annotated[Path | None, typer.Option("--moses", metavar="PREFIX", help="Also PREFIX.en, PREFIX.fr.")] = None,
    languages: LanguagesOption = None,
    format_name: FormatOption = "auto",
    column: ColumnOption = None,
    encoding: EncodingOption = "utf-8",
    revision: RevisionOption = None,
    prefix: PrefixOption = None,
    prompt_name: PromptNameOption = None,
    max_length: MaxLengthOption = None,
    pooling: PoolingOption = "auto",
    dtype: DtypeOption = "float32",
    k: KOption = 4,
    score: ScoreOption = "ratio",
    retrieval: Annotated[
        Literal["union", "intersection", "forward", "backward"],
        typer.Option("--retrieval", help="Whose best candidates are proposed; union is LASER's max."),
    ] = "union",
    threshold: Annotated[float | None, typer.Option("--threshold", help="Only pairs of at least this score.")] = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="BUCC's gold pairs of ids, to measure against.")] = None,
    tune_gold: Annotated[bool, typer.Option("--tune-gold", help="Tune the threshold on --gold.")] = False,
    keep: KeepOption = None,
    known: KnownOption = None,
    known_column: KnownColumnOption = None,
    documents: Annotated[
        str | None,
        typer.Option("--documents", help="What names each row's document: a column (or two), or two files, A,B."),
    ] = None,
    within: Annotated[
        Literal["corpus", "document", "window"] | None,
        typer.Option(
            "--within", help="Pair only inside documents (so with --documents), or days at most --window apart."
        ),
    ] = None,
    window: Annotated[int | None, typer.Option("--window", min=0, help="Days; documents are dates then.")] = None,
    search: SearchOption = "auto",
    index: IndexOption = None,
    recall: RecallOption = 0.99,
    memory: MemoryOption = "512M",
    vectors: VectorsOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
) -> None:
    """Mine translation pairs, from two files of text with any model, or as the stage of one language pair.

    By itself: softalign mine --model models/student --src a.en --trg b.fr --out pairs.parquet. As a stage: softalign
    mine --pair en-fr, outside DVC; `dvc repro` runs what has changed.
    """
    from stages.running.command import reported_errors, run_stage

    given = {name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    alone = given - {*STAGE_OPTIONS, *SHARED_OPTIONS}
    if pair is not None and not alone:
        from stages.mine import run

        run_stage(f"mine-{pair}", lambda opened: run(opened, pair), project, debug)
        return
    with reported_errors(debug):
        from pipeline.console.errors import UserError
        from pipeline.mining.files.mine import Judges, mine_files
        from pipeline.mining.files.outputs import PairOutputs
        from softalign.interface.console import show
        from softalign.interface.text_options import (
            document_inputs,
            kept_rules,
            known_inputs,
            load_model,
            mine_options,
            text_inputs,
            work_folder,
        )

        if alone and given & set(STAGE_OPTIONS):
            stage = next(name for name in STAGE_OPTIONS if name in given)
            other = min(alone, key=list(ctx.params).index).replace("_", "-").removesuffix("-name")
            raise UserError(f"--{stage} runs the stage of a project and --{other} mines files; give one or the other")
        if model is None or src is None or trg is None:
            missing = next(name for name, value in (("src", src), ("trg", trg), ("model", model)) if value is None)
            wanted = "--pair (the stage), or --model, --src, --trg and --out"
            raise UserError(f"--{missing} is missing" if alone else f"nothing to mine: give {wanted}")
        if tune_gold and (gold is None or threshold is not None):
            raise UserError("--tune-gold needs --gold" if gold is None else "--tune-gold and --threshold: give one")
        options = mine_options(
            memory,
            k=k,
            score=score,
            retrieval=retrieval,
            threshold=threshold,
            search=search,
            index=index,
            recall=recall,
            within=_within(within, window, documents),
            window=window or 0,
            keep=kept_rules(keep),
        )
        inputs = text_inputs(src, trg, languages, format_name, column, encoding)
        outputs = PairOutputs(tuple(out or ()), moses)
        outputs.check(*inputs)
        judges = Judges(gold, tune_gold, known_inputs(known, known_column, inputs), document_inputs(documents, inputs))
        judges.check(inputs, options)
        encoder = load_model(model, revision, prefix, max_length, pooling, dtype, prompt_name)
        with work_folder(outputs.first) as work:
            result = mine_files(inputs, encoder, options, outputs, work, vectors, judges)
            show(summary(result, "mined pairs"))


def _within(
    within: Literal["corpus", "document", "window"] | None, window: int | None, documents: str | None
) -> Literal["corpus", "document", "window"]:
    from pipeline.console.errors import UserError

    if window is not None and within not in (None, "window"):
        raise UserError(f"--window and --within {within}: a window is of days; give --within window")
    if within == "window" and window is None:
        raise UserError("--within window needs --window, a number of days")
    if within is not None:
        return within
    return "window" if window is not None else "document" if documents is not None else "corpus"
