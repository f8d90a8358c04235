"""What the commands that work without a pipeline share: how a user names text, model, languages and memory."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pipeline.config.mine import Mine
    from pipeline.encoders.load import ModelEncoder
    from pipeline.mining.files.text import TextInput
    from pipeline.mining.files.vectors import EmbeddedText

Formats = Literal["auto", "text", "bucc", "tsv", "csv", "jsonl", "parquet", "arrow", "tmx", "xliff", "po"]

SrcOption = Annotated[str | None, typer.Option("--src", help="Text of the first language: a file, folder or glob.")]
TrgOption = Annotated[str | None, typer.Option("--trg", help="Text of the second language.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="A sentence-transformers folder, or a name on the Hugging Face hub.")
]
RevisionOption = Annotated[str | None, typer.Option("--revision", help="Of a model on the hub.")]
LanguagesOption = Annotated[
    str | None, typer.Option("--languages", help="Both languages (en,fr); else what the files' names say.")
]
FormatOption = Annotated[Formats, typer.Option("--format", help="Of both texts; auto goes by the names.")]
ColumnOption = Annotated[
    str | None,
    typer.Option("--column", help="The column of the text, by name or number from 0; two with a comma if they differ."),
]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Of text files.")]
PrefixOption = Annotated[
    str | None, typer.Option("--prefix", help='Before every sentence ("query: "); else the model\'s default prompt.')
]
PromptNameOption = Annotated[
    str | None, typer.Option("--prompt-name", help="One of the model's own prompts before every sentence, by its name.")
]
MaxLengthOption = Annotated[
    int | None, typer.Option("--max-length", min=1, help="Tokens kept of a sentence; else what the model says.")
]
PoolingOption = Annotated[
    Literal["auto", "mean", "cls", "last"], typer.Option("--pooling", help="auto is the model's own.")
]
DtypeOption = Annotated[
    Literal["float32", "bfloat16", "float16"], typer.Option("--dtype", help="Of a transformer's weights.")
]
MemoryOption = Annotated[
    str, typer.Option("--memory", help="For similarities at work, besides results (512M, 4G). No result depends on it.")
]
VectorsOption = Annotated[
    Path | None,
    typer.Option("--vectors", metavar="DIR", help="Keep the vectors (and FAISS indexes) here, and use them again."),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        help="A rule that text and pairs may break: copy, length-ratio, urls, numbers, letters, script, too-short, too-long, "
        "or all; may be repeated.",
    ),
]
KnownOption = Annotated[
    list[str] | None,
    typer.Option(
        "--known",
        help="Known translations that are not in the text, to estimate a threshold: one file with both sides, or twice.",
    ),
]
KnownColumnOption = Annotated[
    str | None,
    typer.Option("--known-column", help="Both columns of the known pairs' file, with a comma; of TSV and CSV, 0,1."),
]


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


def text_inputs(
    src: str, trg: str, languages: str | None, format_name: str, column: str | None, encoding: str
) -> tuple[TextInput, TextInput]:
    """Both sides as the user named them.

    Raises:
        UserError: if languages, columns or the encoding can't be what was meant, or both sides are one file of lines.
    """
    import codecs

    from pipeline.console.errors import UserError
    from pipeline.corpora.named import check_sides
    from pipeline.ground.languages import canonical_language
    from pipeline.mining.files.text import TextInput, language_of
    from pipeline.text.rules import UNKNOWN

    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UserError(f"--encoding: {encoding!r} is not an encoding that Python knows") from None
    codes = [language_of(path) or UNKNOWN for path in (src, trg)]
    if languages is not None:
        try:
            codes = [canonical_language(code) for code in languages.split(",")]
        except ValueError as error:
            raise UserError(f"--languages: {error}") from None
        if len(codes) != 2:
            raise UserError(f"--languages: found {languages!r}, expected two codes with a comma, like en,fr")
    columns = [None, None] if column is None else [_column(part) for part in column.split(",")]
    if len(columns) > 2:
        raise UserError(f"--column: found {column!r}, expected one column, or two with a comma")
    sides = zip(("--src", "--trg"), (src, trg), codes, (columns * 2)[:2], strict=True)
    a, b = (
        TextInput(option, path, code, format_name, col, encoding, (codes[0], codes[1]))
        for option, path, code, col in sides
    )
    for side in (a, b):
        side.check()
    if a.language != b.language and {a.kind, b.kind} <= {"text", "bucc"}:
        check_sides({a.language: Path(src), b.language: Path(trg)})
    return a, b


def known_inputs(
    known: list[str] | None, column: str | None, inputs: tuple[TextInput, TextInput]
) -> tuple[TextInput, TextInput] | None:
    """Both sides of the known pairs, in the languages of the inputs.

    Raises:
        UserError: for more than two files, or columns that can't be what was meant.
    """
    from dataclasses import replace

    from pipeline.console.errors import UserError
    from pipeline.mining.files.text import LANGUAGE_INSIDE, TextInput

    if not known:
        if column is not None:
            raise UserError("--known-column needs --known")
        return None
    if len(known) > 2:
        raise UserError(f"--known: found {len(known)} files, expected one with both sides, or two")
    paths = (known * 2)[:2]
    sides = [
        TextInput("--known", path, side.language, pair=side.pair) for path, side in zip(paths, inputs, strict=True)
    ]
    columns = column
    if columns is None and len(known) == 1 and sides[0].kind in {"tsv", "csv"}:
        columns = "0,1"
    if columns is not None:
        parts = columns.split(",")
        if len(parts) != 2:
            raise UserError(f"--known-column: found {columns!r}, expected two columns with a comma, like 0,1")
        sides = [replace(side, column=_column(part)) for side, part in zip(sides, parts, strict=True)]
    elif len(known) == 1 and sides[0].kind not in LANGUAGE_INSIDE:
        raise UserError(f"--known: {known[0]} is {sides[0].kind}; give --known-column, or a file for each side")
    for side in sides:
        side.check()
    return sides[0], sides[1]


def document_inputs(documents: str | None, inputs: tuple[TextInput, TextInput]) -> tuple[TextInput, TextInput] | None:
    """Where each row's document stands: a column of the same files, or two files with a line for each row.

    Raises:
        UserError: if it is neither.
    """
    from dataclasses import replace

    from pipeline.console.errors import UserError
    from pipeline.mining.files.text import LANGUAGE_INSIDE, TextInput

    if documents is None:
        return None
    parts = documents.split(",")
    if len(parts) == 2 and all(Path(part).is_file() for part in parts):
        one, other = (
            TextInput("--documents", part, side.language, "text") for part, side in zip(parts, inputs, strict=True)
        )
        return one, other
    for side in inputs:
        if side.kind in LANGUAGE_INSIDE or side.kind in {"text", "bucc"}:
            raise UserError(
                f"--documents: {side.path} is {side.kind}, which has no columns; expected two files with a comma, each with "
                "a line for each of its rows"
            )
    if len(parts) > 2:
        raise UserError(f"--documents: found {documents!r}, expected a column, or two with a comma")
    one, other = (
        replace(side, option="--documents", column=_column(part))
        for side, part in zip(inputs, (parts * 2)[:2], strict=True)
    )
    return one, other


def _column(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def load_model(
    model: str,
    revision: str | None,
    prefix: str | None,
    max_length: int | None,
    pooling: Literal["auto", "mean", "cls", "last"],
    dtype: Literal["float32", "bfloat16", "float16"],
    prompt_name: str | None = None,
) -> ModelEncoder:
    """The model that the user named.

    Raises:
        UserError: see `pipeline.encoders.described.open_model`.
    """
    from pipeline.encoders.described import ModelOptions, open_model

    options = ModelOptions(
        model, revision, prefix, max_length, pooling, dtype, prompt_name=prompt_name, store=own_store()
    )
    return open_model(options, Path())


def own_store() -> Path | None:
    """The store of the project in the working folder, or what ``SOFTALIGN_STORE`` names; None where there is neither."""
    import os

    from pipeline.store.remote import is_url
    from stages.running.layout import Layout

    named = os.environ.get("SOFTALIGN_STORE")
    here = Layout(Path())
    return here.store if here.params.is_file() or (named and not is_url(named)) else None


def kept_rules(names: list[str] | None) -> list[str]:
    """The rules that are not to hold.

    Raises:
        UserError: for one that isn't any.
    """
    from pipeline.console.errors import UserError
    from pipeline.text.rules import OFF

    found = list(OFF) if "all" in (names or ()) else list(names or ())
    if unknown := [name for name in found if name not in OFF]:
        raise UserError(f"--keep: found {unknown[0]!r}; expected one of {', '.join(OFF)}, all")
    return sorted(set(found))


def mine_options(memory: str, **options: Any) -> Mine:
    """How pairs are found, from the command's options.

    Raises:
        UserError: naming the option that the parameters' own checks refuse.
    """
    from pydantic import ValidationError

    from pipeline.config.mine import Mine
    from pipeline.console.errors import UserError

    size = parse_memory(memory)
    try:
        return Mine(**options, memory_bytes=size)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        problem = first["msg"].removeprefix("Value error, ")
        problem = f"{problem[0].lower()}{problem[1:]}"
        raise UserError(f"{name}: found {first['input']!r}; {problem}" if first["loc"] else problem) from None


@contextmanager
def work_folder(near: Path) -> Iterator[Path]:
    """A folder for texts and vectors, beside the output: the system's own place for such may be small, or in memory.

    Yields:
        The folder; it is deleted at the end.
    """
    parent = near.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".softalign-", dir=parent) as folder:
        yield Path(folder)


def side_fact(side: EmbeddedText) -> tuple[str, str]:
    """What was read of a side, for the summary; nothing that was left out goes unsaid."""
    text = side.text
    rows, different = int(text.usable.sum()), len(side.first) + side.without_tokens
    parts = [f"{len(text):,} rows", f"{different:,} different sentences"]
    for count, what in (
        (text.empty, "empty"),
        (text.unreadable, "can't be read"),
        *((count, f"break the rule {name}") for name, count in text.broken.items()),
        (rows - different, "copies of others"),
        (side.without_tokens, "of which the model makes nothing"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    if side.reused:
        parts.append("vectors used again")
    return (f"{text.source.path} ({text.language})", ", ".join(parts))
