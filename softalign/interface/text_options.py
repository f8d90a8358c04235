"""How a user names texts, a model, rules and searches: the options that commands without a pipeline share, as objects.

Each object holds what was given, as it was given; its methods make of it what `pipeline` takes, or say which option is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from softalign.interface.options import options

if TYPE_CHECKING:
    from pipeline.config.mine import Mine
    from pipeline.encoders.load import ModelEncoder
    from pipeline.mining.files.outputs import PairOutputs
    from pipeline.mining.files.text import TextInput

MODEL = Option("--model", help="A sentence-transformers folder, or a name on the hub.", rich_help_panel="Model")
ModelOption = Annotated[str, MODEL]


@options("Text")
class LanguagePairOptions:
    """Of which languages two texts are, and how their files are encoded."""

    languages: Annotated[str | None, Option(help="Both languages (en,fr); else what the files' names say.")] = None
    encoding: Annotated[str, Option(help="Of text files.")] = "utf-8"

    def inputs(
        self, src: str, trg: str, form: str = "text", columns: tuple[str | int | None, str | int | None] = (None, None)
    ) -> tuple[TextInput, TextInput]:
        """Both sides as the user named them.

        Args:
            src: the first side's file, folder or glob.
            trg: the second side's.
            form: the format of both: a corpus format, ``bucc`` or ``auto``.
            columns: the column of each side's text, where the format has columns.

        Raises:
            UserError: if languages or the encoding can't be what was meant, or both sides are one file of lines.
        """
        import codecs

        from pipeline.console.errors import UserError
        from pipeline.corpora.named import check_sides
        from pipeline.mining.files.text import TextInput

        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise UserError(f"--encoding: {self.encoding!r} is not an encoding that Python knows") from None
        codes = self._codes(src, trg)
        sides = zip(("--src", "--trg"), (src, trg), codes, columns, strict=True)
        a, b = (TextInput(option, path, code, form, col, self.encoding, codes) for option, path, code, col in sides)
        for side in (a, b):
            side.check()
        if a.language != b.language and {a.kind, b.kind} <= {"text", "bucc"}:
            check_sides({a.language: Path(src), b.language: Path(trg)})
        return a, b

    def _codes(self, src: str, trg: str) -> tuple[str, str]:
        from pipeline.console.errors import UserError
        from pipeline.mining.files.text import language_of
        from pipeline.text.rules import UNKNOWN

        if self.languages is None:
            return language_of(src) or UNKNOWN, language_of(trg) or UNKNOWN
        codes = language_codes(self.languages)
        if len(codes) != 2:
            raise UserError(f"--languages: found {self.languages!r}, expected two codes with a comma, like en,fr")
        return codes[0], codes[1]


@options("Text")
class TextOptions(LanguagePairOptions):
    """In which form two texts are given."""

    format: Annotated[str, Option(help="Of both texts: a corpus format, bucc, or auto, which goes by the names.")] = (
        "auto"
    )
    column: Annotated[
        str | None, Option(help="The column of the text, by name or number from 0; two with a comma if they differ.")
    ] = None

    def read(self, src: str, trg: str) -> tuple[TextInput, TextInput]:
        """Both sides as the user named them; errors as of `inputs`, and for columns that can't be what was meant."""
        from pipeline.console.errors import UserError

        columns: list[str | int | None] = [None] if self.column is None else [*_columns(self.column)]
        if len(columns) > 2:
            raise UserError(f"--column: found {self.column!r}, expected one column, or two with a comma")
        return self.inputs(src, trg, self.format, (columns[0], columns[-1]))


@options("Text")
class AlignedTexts:
    """Two texts whose rows belong together."""

    src: Annotated[str, Option(help="Text of the first language.")]
    trg: Annotated[str, Option(help="Its translation, line by line; may be the same file.")]
    form: TextOptions

    def read(self) -> tuple[TextInput, TextInput]:
        """Both sides; errors as of `TextOptions.read`."""
        return self.form.read(self.src, self.trg)


@options("Model")
class PromptOptions:
    """How a model reads a sentence; None leaves it to the model's own configuration."""

    revision: Annotated[str | None, Option(help="Of a model on the hub.")] = None
    prefix: Annotated[
        str | None, Option(help='Before every sentence ("query: "); else the model\'s default prompt.')
    ] = None
    prompt_name: Annotated[
        str | None, Option(help="One of the model's own prompts before every sentence, by its name.")
    ] = None
    max_length: Annotated[int | None, Option(min=1, help="Tokens kept of a sentence; else what the model says.")] = None


@options("Model")
class ModelReading(PromptOptions):
    """How a model is loaded and reads a sentence."""

    pooling: Annotated[Literal["auto", "mean", "cls", "last"], Option(help="auto is the model's own.")] = "auto"
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], Option(help="Of a transformer's weights.")] = "float32"

    def open(self, model: str) -> ModelEncoder:
        """The model that the user named.

        Raises:
            UserError: if it can't be used (`pipeline.encoders.described.open_model`).
        """
        from pipeline.encoders.described import ModelOptions, open_model

        return open_model(ModelOptions(model, **vars(self), store=own_store()), Path())


@options("Search")
class SearchOptions:
    """How neighbours are searched and pairs are scored: the options of the same names in ``mine`` of params.yaml."""

    k: Annotated[int, Option(min=1, help="Neighbours that a margin looks at.")] = 4
    score: Annotated[Literal["ratio", "distance", "cosine"], Option(help="What pairs are scored by.")] = "ratio"
    keep: Annotated[
        list[str] | None,
        Option(
            help="A rule that text and pairs may break: copy, length-ratio, urls, numbers, letters, script, too-short, "
            "too-long, or all; may be repeated."
        ),
    ] = None
    search: Annotated[str, Option(help="auto (by size and machine), faiss, exact, or an installed backend.")] = "auto"
    index: Annotated[
        str | None, Option(help="FAISS' index: a factory string (Flat, IVF4096,PQ64), or auto: by size.")
    ] = None
    recall: Annotated[float, Option(help="Share of the neighbours that an approximate search has to find.")] = 0.99
    memory: Annotated[
        str, Option(help="For similarities at work, besides results (512M, 4G). No result depends on it.")
    ] = "512M"

    def mine(self, **others: Any) -> Mine:
        """These and other keys of ``mine`` as the section of params.yaml.

        Raises:
            UserError: naming the option that the section's own checks refuse.
        """
        from pydantic import ValidationError

        from pipeline.config.mine import Mine
        from pipeline.console.errors import UserError

        values = vars(self) | others | {"keep": self.kept(), "memory_bytes": parse_memory(self.memory)}
        del values["memory"]
        try:
            return Mine(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
            problem = first["msg"].removeprefix("Value error, ")
            problem = f"{problem[0].lower()}{problem[1:]}"
            raise UserError(f"{name}: found {first['input']!r}; {problem}" if first["loc"] else problem) from None

    def kept(self) -> list[str]:
        """The rules that are not to hold.

        Raises:
            UserError: for one that isn't any.
        """
        from pipeline.console.errors import UserError
        from pipeline.text.rules import OFF

        names = self.keep or []
        if unknown := [name for name in names if name not in (*OFF, "all")]:
            raise UserError(f"--keep: found {unknown[0]!r}; expected one of {', '.join(OFF)}, all")
        return sorted(OFF if "all" in names else set(names))


@options("Thresholds")
class KnownOptions:
    """Known translations, of which some are planted in the text to estimate a threshold."""

    known: Annotated[
        list[str] | None,
        Option(
            help="Known translations that are not in the text, to estimate a threshold: one file with both sides, or twice."
        ),
    ] = None
    known_column: Annotated[
        str | None, Option(help="Both columns of the known pairs' file, with a comma; of TSV and CSV, 0,1.")
    ] = None

    def read(self, inputs: tuple[TextInput, TextInput]) -> tuple[TextInput, TextInput] | None:
        """Both sides of the known pairs, in the languages of the inputs; None if none are given.

        Raises:
            UserError: for more than two files, or columns that can't be what was meant.
        """
        from dataclasses import replace

        from pipeline.console.errors import UserError
        from pipeline.mining.files.text import TextInput

        if not self.known:
            if self.known_column is not None:
                raise UserError("--known-column needs --known")
            return None
        if len(self.known) > 2:
            raise UserError(f"--known: found {len(self.known)} files, expected one with both sides, or two")
        paths, one_file = (self.known[0], self.known[-1]), len(self.known) == 1
        a, b = (
            TextInput("--known", path, side.language, pair=side.pair) for path, side in zip(paths, inputs, strict=True)
        )
        columns = self.known_column or ("0,1" if one_file and a.kind in {"tsv", "csv"} else None)
        if columns is not None:
            parts = _columns(columns)
            if len(parts) != 2:
                raise UserError(f"--known-column: found {columns!r}, expected two columns with a comma, like 0,1")
            a, b = replace(a, column=parts[0]), replace(b, column=parts[1])
        elif one_file and not a.by_language:
            raise UserError(f"--known: {a.path} is {a.kind}; give --known-column, or a file for each side")
        a.check()
        b.check()
        return a, b


@options("Output")
class OutputOptions:
    """Where pairs of a user's own text go, and where its vectors are kept."""

    out: Annotated[
        list[Path] | None,
        Option(help="The pairs: .parquet (everything), .tsv (LASER's), .tmx, .ids (of BUCC's files); may be repeated."),
    ] = None
    moses: Annotated[Path | None, Option(metavar="PREFIX", help="Also PREFIX.en, PREFIX.fr.")] = None
    vectors: Annotated[
        Path | None, Option(metavar="DIR", help="Keep the vectors (and FAISS indexes) here, and use them again.")
    ] = None

    def checked(self, inputs: tuple[TextInput, TextInput]) -> PairOutputs:
        """The outputs, once it is seen that all of them can be written of these inputs.

        Raises:
            UserError: if one can't be written (`pipeline.mining.files.outputs.PairOutputs.check`).
        """
        from pipeline.mining.files.outputs import PairOutputs

        outputs = PairOutputs(tuple(self.out or ()), self.moses)
        outputs.check(*inputs)
        return outputs


def parse_memory(text: str) -> int:
    """Bytes from ``512M``, ``4G`` or a plain number.

    Raises:
        UserError: if it is none, or less than 1 MiB.

    >>> parse_memory("512M")
    536870912
    """
    from pipeline.console.errors import UserError

    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if size < 1 << 20:
        raise UserError(f"--memory: found {text!r}, expected a size of at least 1M, like 512M or 4G")
    return size


def language_codes(text: str) -> list[str]:
    """The languages of ``--languages``, as they are written in BCP 47.

    Raises:
        UserError: if one of them is no language.

    >>> language_codes("en,fra")
    ['en', 'fr']
    """
    from pipeline.console.errors import UserError
    from pipeline.ground.languages import canonical_language

    try:
        return [canonical_language(code) for code in text.split(",")]
    except ValueError as error:
        raise UserError(f"--languages: {error}") from None


def document_inputs(documents: str | None, inputs: tuple[TextInput, TextInput]) -> tuple[TextInput, TextInput] | None:
    """Where each row's document stands: a column of the same files, or two files with a line for each row.

    Args:
        documents: the value of ``--documents``.
        inputs: both sides' texts.

    Raises:
        UserError: if it is neither.
    """
    from dataclasses import replace

    from pipeline.console.errors import UserError
    from pipeline.mining.files.text import TextInput

    if documents is None:
        return None
    a, b = inputs
    parts = documents.split(",")
    if len(parts) == 2 and all(Path(part).is_file() for part in parts):
        one, other = (
            TextInput("--documents", part, side.language, "text") for part, side in zip(parts, (a, b), strict=True)
        )
        return one, other
    for side in inputs:
        if side.by_language or side.kind in {"text", "bucc"}:
            raise UserError(
                f"--documents: {side.path} is {side.kind}, which has no columns; expected two files with a comma, each with "
                "a line for each of its rows"
            )
    if len(parts) > 2:
        raise UserError(f"--documents: found {documents!r}, expected a column, or two with a comma")
    columns = _columns(documents)
    return (replace(a, option="--documents", column=columns[0]), replace(b, option="--documents", column=columns[-1]))


def _columns(text: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in text.split(",")]


def own_store() -> Path | None:
    """The store of the project in the working folder, or what ``SOFTALIGN_STORE`` names; None where there is neither."""
    import os

    from pipeline.store.remote import is_url
    from stages.running.layout import Layout

    named = os.environ.get("SOFTALIGN_STORE")
    here = Layout(Path())
    return here.store if here.params.is_file() or (named and not is_url(named)) else None


@contextmanager
def work_folder(near: Path) -> Iterator[Path]:
    """A folder for texts and vectors, beside the output: the system's own place for such may be small, or in memory.

    Args:
        near: the output.

    Yields:
        The folder; it is deleted at the end.
    """
    import tempfile

    parent = near.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".softalign-", dir=parent) as folder:
        yield Path(folder)
