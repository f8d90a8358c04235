"""``softalign export``: the student as a folder for others, and onto the hub."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from typer import Option

from softalign.interface.options import command, options

if TYPE_CHECKING:
    from pipeline.encoders.tokenization import TextTokenizer
    from pipeline.exporting.export import Exported, Target
    from pipeline.exporting.known import KnownOrigin
    from pipeline.exporting.sample import ExportSample
    from pipeline.inspecting.view import View
    from stages.running.layout import Layout


class Targets(StrEnum):
    """What a folder can be exported to."""

    SENTENCE_TRANSFORMERS = "sentence-transformers"
    ONNX = "onnx"
    CARD = "card"


@options("Student")
class StudentOptions:
    """Which student is exported."""

    model: Annotated[Path | None, Option(help="A student's folder; else models/student of the project.")] = None
    project: Annotated[Path | None, Option(help="The folder of its params.yaml; else found from --model, or here.")] = (
        None
    )

    def layout(self) -> Layout | None:
        """The project that it was trained in: the one named, else the one whose student it is; None if it is of none."""
        from stages.running.layout import Layout

        if self.project is not None:
            return Layout(self.project)
        found = Layout(Path() if self.model is None else self.model.resolve().parent.parent)
        if not found.params.is_file() or (self.model is not None and found.student.resolve() != self.model.resolve()):
            return None
        return found


@options("Hugging Face hub")
class HubOptions:
    """Whether the export also goes to the Hugging Face hub."""

    push_to_hub: Annotated[str | None, Option(metavar="NAME", help="Also upload to the Hugging Face hub, private.")] = (
        None
    )
    public: Annotated[bool, Option("--public", help="Push to a public repository.")] = False

    def repository(self, targets: frozenset[str]) -> str | None:
        """The repository's name; None if nothing is pushed.

        Raises:
            UserError: if there would be no model in it, or it is public and has no name.
        """
        from pipeline.console.errors import UserError

        if self.public and self.push_to_hub is None:
            raise UserError("--public: only has a meaning with --push-to-hub")
        if self.push_to_hub and targets == {"card"}:
            raise UserError("--push-to-hub: a card alone is no model; add --to sentence-transformers or --to onnx")
        return self.push_to_hub


@command
def export(
    out: Annotated[Path, Option(metavar="DIR", help="A new folder, or an earlier export.")],
    student: StudentOptions,
    hub: HubOptions,
    to: Annotated[
        list[Targets] | None,
        Option(help="May be repeated: sentence-transformers (the default), onnx (both), card alone."),
    ] = None,
    licence: Annotated[str | None, Option(help="Of the model, for its card (apache-2.0).")] = None,
    sample: Annotated[Path | None, Option(help="Sentences, one a line, to compare ONNX with the original on.")] = None,
    min_cosine: Annotated[float, Option(min=-1, max=1, help="Refuse an int8 graph with a vector below.")] = 0.97,
) -> None:
    """Write a student for sentence-transformers or ONNX Runtime, with a model card, ready to push."""
    from pipeline.exporting.export import ExportRequest, check_out
    from pipeline.exporting.export import export as write_export
    from pipeline.exporting.hub import check_login, push
    from pipeline.exporting.source import open_source
    from softalign.interface.console import show

    targets = cast("frozenset[Target]", frozenset(target.value for target in to or [Targets.SENTENCE_TRANSFORMERS]))
    repository = hub.repository(targets)
    layout = student.layout()
    folder = student.model or (layout.student if layout else Path("models/student"))
    check_out(out, folder)
    api = check_login(repository) if repository else None
    source = open_source(folder)
    wanted = ExportRequest(targets, out, repository or out.resolve().name, licence, min_cosine)
    exported = write_export(source, wanted, _known(layout), lambda: _sample(sample, layout, source.encoder.tokenizer))
    where = push(api, repository, out, list(exported.files), hub.public) if repository else None
    show(view(exported, where))


def view(exported: Exported, where: str | None) -> View:
    """What was written and measured, for the terminal."""
    from pipeline.inspecting.view import Table, View, size_text

    facts = [("folder", str(exported.folder)), ("size", size_text(sum(exported.files.values())))]
    if exported.sample:
        facts.append(("compared on", exported.sample))
    if where:
        facts.append(("pushed to", where))
    columns = ("graph", "size", "lowest cosine", "mean cosine", "same nearest", "sentences")
    rows = tuple(
        (
            file,
            size_text(found["bytes"]),
            *(f"{found[key]:.5f}" for key in ("lowest_cosine", "mean_cosine", "same_nearest")),
            f"{found['sentences']:,}",
        )
        for file, found in exported.graphs.items()
    )
    tables = (Table("against the original", columns, rows, frozenset(columns[1:])),) if rows else ()
    return View("export", tuple(facts), tables)


def _known(layout: Layout | None) -> KnownOrigin | None:
    from pipeline.exporting.known import read_known
    from stages.running.command import Project

    return read_known(Project.open(layout.root).params, layout.metrics) if layout else None


def _sample(file: Path | None, layout: Layout | None, tokenizer: TextTokenizer) -> ExportSample:
    """The user's sentences, else the project's held-out ones, else random tokens."""
    from pipeline.exporting.sample import sample_of_file, sample_of_folders, sample_of_vocabulary

    if file is not None:
        return sample_of_file(file)
    folders = sorted(layout.monolingual.glob("*/")) if layout else []
    return sample_of_folders(folders) or sample_of_vocabulary(tokenizer)
