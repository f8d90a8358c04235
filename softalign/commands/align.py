"""``softalign align``: documents of two languages, in order, to pairs of sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from softalign.interface.options import command, options, runs_stage
from softalign.interface.text_options import MODEL, LanguagePairOptions, ModelReading, own_store, work_folder

if TYPE_CHECKING:
    from pipeline.aligning.documents import DocumentPair
    from pipeline.aligning.files import AlignedFiles
    from pipeline.aligning.outputs import AlignOutputs
    from pipeline.inspecting.view import View


@options("The stage (of projects with corpora of documents)")
class AlignStage:
    """The stage."""

    project: Annotated[
        Path | None, Option(help="Instead, the stage: the folder of params.yaml, whose documents are aligned.")
    ] = None


@options("Text")
class DocumentTexts:
    """Which documents are aligned, and how they are read."""

    src: Annotated[Path | None, Option(help="A document of the first language, or a folder of them.")] = None
    trg: Annotated[Path | None, Option(help="Its translation, or a folder of documents of the same names.")] = None
    pairs: Annotated[Path | None, Option(help="Instead: a TSV with the paths of two documents a line.")] = None
    split: Annotated[bool, Option("--split", help="Lines are paragraphs: split them into sentences.")] = False
    allow_missing: Annotated[bool, Option("--allow-missing", help="Leave out documents that only one folder has.")] = (
        False
    )
    form: LanguagePairOptions

    def read(self) -> tuple[list[DocumentPair], tuple[str, str], int]:
        """The documents, their languages, and how many were left out because one side lacks them.

        Raises:
            UserError: if documents can't be found, or their languages not told.
        """
        from pipeline.aligning.documents import check_pairs, listed_files, paired_files
        from pipeline.console.errors import UserError

        if self.pairs is not None:
            if self.src is not None or self.trg is not None:
                raise UserError("--pairs lists both sides' documents; give it, or --src and --trg")
            found, missing = listed_files(self.pairs), 0
            a, b = self.form.inputs(str(found[0].a), str(found[0].b))
        elif self.src is None or self.trg is None:
            raise UserError("nothing to align: give --src and --trg, or --pairs")
        else:
            a, b = self.form.inputs(str(self.src), str(self.trg))
            found, missing = paired_files(self.src, self.trg, (a.language, b.language), self.allow_missing)
        check_pairs(found, (a.language, b.language))
        return found, (a.language, b.language), missing


@options("Search")
class AlignmentSearch:
    """How documents are aligned: the fields of `pipeline.aligning.align.AlignOptions`."""

    most: Annotated[int, Option(min=1, max=10, help="Sentences of a side in one alignment.")] = 4
    quantile: Annotated[
        float, Option(min=0.0, max=1.0, help="The higher, the fewer sentences are left without a counterpart.")
    ] = 0.2
    reach: Annotated[int, Option(min=3, help="How far from the coarser path a finer one may lie, in sentences.")] = 10
    lengths: Annotated[float, Option(min=0.0, help="How much unlike lengths count against a pair; 0: not at all.")] = (
        0.15
    )
    seed: Annotated[int, Option(min=0, help="The seed of the random pairs that --quantile is of.")] = 0


@options("Output")
class AlignmentFiles:
    """Where alignments go: the fields of `pipeline.aligning.outputs.AlignOutputs`."""

    out: Annotated[
        list[Path] | None,
        Option(help="The pairs: .parquet (everything), .tsv (score and texts), .tmx; may be repeated."),
    ] = None
    moses: Annotated[Path | None, Option(metavar="PREFIX", help="Also PREFIX.en, PREFIX.fr.")] = None
    ladder: Annotated[
        Path | None, Option(help="Also numbers of sentences, [3, 4]:[5]; of several documents a folder.")
    ] = None
    threshold: Annotated[float | None, Option(help="Only pairs of at least this score; ladders have all.")] = None

    def checked(self, documents: list[DocumentPair], languages: tuple[str, str]) -> AlignOutputs:
        """The outputs, once it is seen that all of them can be written.

        Raises:
            UserError: if one can't be (`pipeline.aligning.outputs.AlignOutputs.check`).
        """
        from pipeline.aligning.outputs import AlignOutputs

        outputs = AlignOutputs(tuple(self.out or ()), self.moses, self.ladder, self.threshold)
        outputs.check(documents, languages)
        return outputs


@command
def align(
    ctx: typer.Context,
    texts: DocumentTexts,
    stage: AlignStage,
    reading: ModelReading,
    searched: AlignmentSearch,
    output: AlignmentFiles,
    model: Annotated[str | None, MODEL] = None,
    gold: Annotated[Path | None, Option(help="A ladder of the true alignments, to measure against.")] = None,
) -> None:
    """Align documents and their translations, sentence by sentence, up to four to four.

    By itself: softalign align --model models/student --src chapter.de --trg chapter.fr --out pairs.parquet. As a stage:
    softalign align --project ., for the corpora of format documents in params.yaml.
    """
    from pipeline.console.errors import UserError

    if runs_stage(ctx, frozenset({"--project"}), "aligns the documents of params.yaml", "is for others"):
        if stage.project is None:
            raise UserError("nothing to align: give --model, --src, --trg and --out")
        from stages.align import run
        from stages.running.command import run_in_project

        run_in_project("align", run, stage.project)
        return
    from pipeline.aligning.align import AlignOptions
    from pipeline.aligning.files import BlockEmbedder, Reading, align_files
    from pipeline.aligning.splitting import splitter
    from pipeline.evaluation.embedded import as_model
    from softalign.interface.console import show

    if model is None:
        raise UserError("--model is missing")
    found, codes, missing = texts.read()
    if gold is not None and len(found) > 1:
        raise UserError(f"--gold: a ladder is of one pair of documents; found {len(found):,}")
    outputs = output.checked(found, codes)
    splits = (splitter(codes[0]), splitter(codes[1])) if texts.split else None
    options = AlignOptions(**vars(searched))
    encoder = reading.open(model)
    with work_folder(outputs.first) as work:
        embedder = BlockEmbedder(as_model(model, encoder), own_store())
        result = align_files(found, Reading(codes, texts.form.encoding, splits), embedder, options, outputs, work, gold)
    show(_summary(result, codes, missing, output.threshold))


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
