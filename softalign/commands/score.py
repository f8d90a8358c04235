"""``softalign score``: the margin of every pair of a bitext that one already has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softalign.commands.mine import IndexOption, KOption, RecallOption, ScoreOption, SearchOption
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
    PoolingOption,
    PrefixOption,
    PromptNameOption,
    RevisionOption,
    VectorsOption,
)


def score(
    model: Annotated[str, typer.Option("--model", help="A sentence-transformers folder, or a name on the hub.")],
    src: Annotated[str, typer.Option("--src", help="Text of the first language.")],
    trg: Annotated[str, typer.Option("--trg", help="Its translation, line by line; may be the same file.")],
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="The pairs: .tsv (LASER's), .parquet (everything), .tmx; may be repeated."),
    ] = None,
    moses: Annotated[Path | None, typer.Option("--moses", metavar="PREFIX", help="Also PREFIX.en, PREFIX.fr.")] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help="Only pairs of at least this score.")] = None,
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
    score_name: ScoreOption = "ratio",
    keep: KeepOption = None,
    known: KnownOption = None,
    known_column: KnownColumnOption = None,
    search: SearchOption = "auto",
    index: IndexOption = None,
    recall: RecallOption = 0.99,
    memory: MemoryOption = "512M",
    vectors: VectorsOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
) -> None:
    """Score every pair of an aligned bitext against the neighbourhoods of both sides, in the order of its lines."""
    from stages.running.command import reported_errors

    with reported_errors(debug):
        from pipeline.mining.files.outputs import PairOutputs
        from pipeline.mining.files.score import score_files
        from softalign.interface.console import show
        from softalign.interface.text_options import (
            kept_rules,
            known_inputs,
            load_model,
            mine_options,
            text_inputs,
            work_folder,
        )

        options = mine_options(
            memory, k=k, score=score_name, search=search, index=index, recall=recall, keep=kept_rules(keep)
        )
        inputs = text_inputs(src, trg, languages, format_name, column, encoding)
        outputs = PairOutputs(tuple(out or ()), moses)
        outputs.check(*inputs)
        planted = known_inputs(known, known_column, inputs)
        encoder = load_model(model, revision, prefix, max_length, pooling, dtype, prompt_name)
        with work_folder(outputs.first) as work:
            result = score_files(inputs, encoder, options, outputs, work, vectors, min_score, planted)
            show(summary(result, "scored pairs"))
