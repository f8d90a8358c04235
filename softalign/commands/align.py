"""``softalign align``: documents of two languages, in order, to pairs of sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softalign.interface.text_options import (
    DtypeOption,
    EncodingOption,
    LanguagesOption,
    MaxLengthOption,
    ModelOption,
    PoolingOption,
    PrefixOption,
    PromptNameOption,
    RevisionOption,
)

if TYPE_CHECKING:
    from pipeline.aligning.documents import DocumentPair
    from pipeline.aligning.files import AlignedFiles
    from pipeline.inspecting.view import View


def align(
    ctx: typer.Context,
    model: ModelOption = None,
    src: Annotated[
        Path | None, typer.Option("--src", help="A document of the first language, or a folder of them.")
    ] = None,
    trg: Annotated[
        Path | None, typer.Option("--trg", help="Its translation, or a folder of documents of the same names.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Instead: a TSV with the paths of two documents a line.")
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="The pairs: .parquet (everything), .tsv (score and texts), .tmx; may be repeated."),
    ] = None,
    moses: Annotated[Path | None, typer.Option("--moses", metavar="PREFIX", help="Also PREFIX.en, PREFIX.fr.")] = None,
    ladder: Annotated[
        Path | None,
        typer.Option("--ladder", help="Also numbers of sentences, [3, 4]:[5]; of several documents a folder."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Only pairs of at least this score; ladders have all.")
    ] = None,
    split: Annotated[bool, typer.Option("--split", help="Lines are paragraphs: split them into sentences.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out documents that only one folder has.")
    ] = False,
    languages: LanguagesOption = None,
    encoding: EncodingOption = "utf-8",
    revision: RevisionOption = None,
    prefix: PrefixOption = None,
    prompt_name: PromptNameOption = None,
    max_length: MaxLengthOption = None,
    pooling: PoolingOption = "auto",
    dtype: DtypeOption = "float32",
    most: Annotated[int, typer.Option("--most", min=1, max=10, help="Sentences of a side in one alignment.")] = 4,
    quantile: Annotated[
        float,
        typer.Option(
            "--quantile", min=0.0, max=1.0, help="The higher, the fewer sentences are left without a counterpart."
        ),
    ] = 0.2,
    reach: Annotated[
        int, typer.Option("--reach", min=3, help="How far from the coarser path a finer one may lie, in sentences.")
    ] = 10,
    lengths: Annotated[
        float, typer.Option("--lengths", min=0.0, help="How much unlike lengths count against a pair; 0: not at all.")
    ] = 0.15,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the random pairs that --quantile is of.")] = 0,
    gold: Annotated[
        Path | None, typer.Option("--gold", help="A ladder of the true alignments, to measure against.")
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option("--project", help="Instead, the stage: the folder of params.yaml, whose documents are aligned."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
) -> None:
    """Align documents and their translations, sentence by sentence, up to four to four.

    By itself: softalign align --model models/student --src chapter.de --trg chapter.fr --out pairs.parquet. As a stage:
    softalign align --project ., for the corpora of format documents in params.yaml.
    """
    from stages.running.command import reported_errors, run_stage

    given = {name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    alone = given - {"project", "debug"}
    if project is not None and not alone:
        from stages.align import run

        run_stage("align", run, project, debug)
        return
    with reported_errors(debug):
        from pipeline.aligning.align import AlignOptions
        from pipeline.aligning.documents import check_pairs
        from pipeline.aligning.files import BlockEmbedder, Reading, align_files
        from pipeline.aligning.outputs import AlignOutputs
        from pipeline.aligning.splitting import splitter
        from pipeline.console.errors import UserError
        from pipeline.evaluation.embedded import as_model
        from softalign.interface.console import show
        from softalign.interface.text_options import load_model, own_store, work_folder

        if project is not None:
            other = min(alone, key=list(ctx.params).index).replace("_", "-")
            raise UserError(
                f"--project aligns the documents of params.yaml, --{other} is for others; give one or the other"
            )
        if model is None:
            raise UserError("--model is missing" if alone else "nothing to align: give --model, --src, --trg and --out")
        found, codes, missing = _documents(src, trg, pairs, languages, encoding, allow_missing)
        check_pairs(found, codes)
        if gold is not None and len(found) > 1:
            raise UserError(f"--gold: a ladder is of one pair of documents; found {len(found):,}")
        outputs = AlignOutputs(tuple(out or ()), moses, ladder, threshold)
        outputs.check(found, codes)
        splits = (splitter(codes[0]), splitter(codes[1])) if split else None
        options = AlignOptions(most, quantile, reach, lengths, seed)
        encoder = load_model(model, revision, prefix, max_length, pooling, dtype, prompt_name)
        with work_folder(outputs.first) as work:
            embedder = BlockEmbedder(as_model(model, encoder), own_store())
            result = align_files(found, Reading(codes, encoding, splits), embedder, options, outputs, work, gold)
        show(_summary(result, codes, missing, threshold))


def _documents(
    src: Path | None, trg: Path | None, pairs: Path | None, languages: str | None, encoding: str, allow_missing: bool
) -> tuple[list[DocumentPair], tuple[str, str], int]:
    """The documents, their languages, and how many were left out because one side lacks them."""
    from pipeline.aligning.documents import listed_files, paired_files
    from pipeline.console.errors import UserError
    from softalign.interface.text_options import text_inputs

    if pairs is not None:
        if src is not None or trg is not None:
            raise UserError("--pairs lists both sides' documents; give it, or --src and --trg")
        found, missing = listed_files(pairs), 0
        a, b = text_inputs(str(found[0].a), str(found[0].b), languages, "text", None, encoding)
        return found, (a.language, b.language), missing
    if src is None or trg is None:
        raise UserError("nothing to align: give --src and --trg, or --pairs")
    a, b = text_inputs(str(src), str(trg), languages, "text", None, encoding)
    found, missing = paired_files(src, trg, (a.language, b.language), allow_missing)
    return found, (a.language, b.language), missing


def _summary(result: AlignedFiles, languages: tuple[str, str], missing: int, threshold: float | None) -> View:
    from pipeline.inspecting.view import Table, View
    from softalign.interface.mining_view import histogram_table

    counts = result.counts
    facts = [("documents", f"{counts.documents:,} pairs")]
    for count, what in (
        (counts.left_out, "pairs left out, without sentences on a side"),
        (missing, "documents left out, without counterpart"),
        (counts.empty, "lines without text"),
        (counts.unreadable, "lines that can't be read"),
    ):
        if count:
            facts.append((what, f"{count:,}"))
    for side, language in enumerate(languages):
        total = counts.sentences[side]
        alone = sum(count for shape, count in counts.shapes.items() if shape[1 - side] == 0)
        facts.append(
            (f"sentences of side {'ab'[side]} ({language})", f"{total:,}, of them {alone:,} without counterpart")
        )
    facts.append(("pairs", f"{result.found:,} found, {result.written:,} written"))
    facts += [("file", str(path)) for path in result.files]
    shapes = sorted(counts.shapes.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((f"{a}-{b}", f"{count:,}") for (a, b), count in shapes)
    tables = [
        Table("alignments, by sentences of a side", ("shape", "alignments"), rows, frozenset({"alignments"})),
        histogram_table(result.spread, threshold),
    ]
    if (quality := result.quality) is not None:
        measures = tuple(
            (name, *(f"{value:.4f}" for value in values))
            for name, *values in (
                ("strict", quality.strict_precision, quality.strict_recall, quality.strict_f1),
                ("lax", quality.lax_precision, quality.lax_recall, quality.lax_f1),
            )
        )
        columns = ("measure", "precision", "recall", "F1")
        tables.insert(0, Table("against gold", columns, measures, frozenset(columns[1:])))
    return View("alignments", tuple(facts), tuple(tables))
