"""The section ``prepare`` of params.yaml: corpora, cleaning, duplicates, what is held out."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.base import (
    Encoding,
    Language,
    Positive,
    Section,
    Share,
)

PLACEHOLDERS = ("__NULL__", "[NULL]", "<NULL>", "NULL", "null", "\\N", "N/A", "#N/A", "<NA>", "NaN", "nan")
"""What wide files, database dumps and data frames write for nothing."""

ALIGNED = PurePosixPath("data/aligned")
"""The folder of a project in which the stage align leaves the alignments of corpora of documents."""

Mark = Literal[
    "untranslated", "fuzzy", "rejected", "obsolete", "previous", "not-to-translate", "unapproved", "machine"
]  # fmt: skip
MARKS: tuple[str, ...] = get_args(Mark)
"""What the marks of TMX, XLIFF and PO say of a translation: docs/corpora.md has a table of them."""

LEFT_OUT: tuple[Mark, ...] = ("untranslated", "fuzzy", "rejected", "obsolete", "previous", "not-to-translate")
"""Marks that say that a text is no translation of its source, or not yet."""

Format = Literal[
    "moses",
    "tsv",
    "csv",
    "jsonl",
    "parquet",
    "arrow",
    "tmx",
    "xliff",
    "po",
    "opus-zip",
    "huggingface",
    "node-docs",
    "text",
    "documents",
]


def check_delimiter(delimiter: str | None, format_name: str) -> None:
    """Refuse a delimiter that the format can't have.

    Raises:
        ValueError: saying what it can have.
    """
    if delimiter is None:
        return
    if format_name not in {"tsv", "csv", "huggingface"}:
        raise ValueError(f"'delimiter' is only for the formats tsv and csv, not {format_name}")
    if not delimiter or "\n" in delimiter or "\r" in delimiter:
        raise ValueError(f"delimiter: found {delimiter!r}, expected at least one character, and no line end")
    if format_name == "csv" and (len(delimiter) != 1 or delimiter == '"'):
        raise ValueError(f"delimiter: found {delimiter!r}, expected one character that is no quote; tsv takes several")


class AlignDocuments(Section):
    """How the documents of a corpus are aligned, sentence by sentence (stage align).

    Attributes:
        model: an encoder that knows both languages: a hub name, a folder, or ``package:NAME/SUBFOLDER``.
        revision: the hub revision (branch, tag or commit).
        prefix: put before every text (mE5 wants ``"query: "``); null: the prompt of ``prompt_name``.
        prompt_name: one of the model's own prompts, by its name; null: its default prompt, if it has one.
        pooling: how token vectors become one; ``auto`` reads the model's own configuration.
        max_length: tokens kept of a text; null: as many as the model says.
        dtype: the precision that it runs in.
        split: lines are paragraphs, and are split into sentences.
        allow_missing: leave out documents that only one side has, instead of stopping.
        most: sentences of a side that may stand in one alignment.
        quantile: what a sentence without a counterpart costs: this quantile of the costs of random pairs.
        reach: how far from the coarser path a finer one may lie, in sentences.
        lengths: how much the texts' lengths count; 0: not at all.
    """

    model: str
    revision: str | None = None
    prefix: str | None = None
    prompt_name: str | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    max_length: Annotated[int, Field(ge=4)] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    split: bool = False
    allow_missing: bool = False
    most: Annotated[int, Field(ge=1, le=10)] = 4
    quantile: Share = 0.2
    reach: Annotated[int, Field(ge=3)] = 10
    lengths: Annotated[float, Field(ge=0)] = 0.15

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.prefix is not None and self.prompt_name is not None:
            raise ValueError("give 'prefix' or 'prompt_name', not both")
        return self


class Corpus(Section):
    """A source of parallel text.

    Attributes:
        name: what provenance, metrics and rejects call it.
        format: how it is read (see docs/corpora.md).
        path: a file, folder or glob, relative to params.yaml. ``{a}`` and ``{b}`` stand for a pair's languages in whatever
            order and spelling the files have them, ``{lang}`` for one of them. For formats with a file per language the path
            is a template that holds ``{lang}``.
        files: instead of a path, the file of each language (``moses``), whatever their names; or the document of each of two
            languages, or a folder of documents (``documents``).
        package: instead of a path, an installed Python package whose files are read (``node-docs``).
        dataset: instead of a path, the name of a dataset on the Hugging Face hub (``huggingface``).
        revision: of ``dataset``: a branch, tag or commit.
        languages: the languages in it that are used; all of params.yaml's if empty. For TSV and CSV without
            ``columns``, the languages of its columns in order.
        columns: for formats with columns, the column (name, or number from 0) of each language.
        encoding: of text files, if it isn't UTF-8 (a byte order mark is understood without it).
        delimiter: what is between the columns of TSV (``" ||| "``; a tab if not given) and CSV (one character; a comma).
        score: for Parquet, Arrow and TSV, the column (name, or number from 0) of each pair's score, as ``softalign align``,
            ``mine`` and ``score`` write it.
        align: how documents are aligned, and with which model (``documents``).
        min_score: pairs whose score is lower, or NaN, are rejected (``low-score``).
        rename: the corpus' own language codes (in file names, columns and documents) and the project's languages that they
            mean there: ``{sr: sr-Latn, jp: ja}``.
        leave_out: which units of TMX, XLIFF and PO are left out for the format's own marks of quality (docs/corpora.md). A
            unit without a translation is left out whatever stands here. Units with a mark that isn't listed are taken, and
            counted.
        heldout: whether documents of it are held out.
        licence: an SPDX expression, for the report and the model card.
        weight: how much more often than others its pairs are drawn in training.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    format: Format
    path: str | None = None
    files: dict[Language, str] = {}
    package: str | None = None
    dataset: str | None = None
    revision: str | None = None
    languages: list[Language] = []
    columns: dict[Language, str | int] = {}
    encoding: Encoding = "utf-8"
    delimiter: str | None = None
    score: str | int | None = None
    min_score: float | None = None
    align: AlignDocuments | None = None
    rename: dict[str, Language] = {}
    leave_out: list[Mark] = list(LEFT_OUT)
    heldout: bool = True
    licence: str = "unknown"
    weight: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.files or None, self.package, self.dataset)) != 1:
            raise ValueError("give exactly one of 'path', 'files', 'package' and 'dataset'")
        if (self.format == "documents") != (self.align is not None):
            raise ValueError("format 'documents' needs 'align' (with a 'model'), which is only for it")
        if self.format == "documents":
            if len(self.files) != 2:
                raise ValueError("format 'documents' needs 'files', with the documents of two languages")
        elif self.files and (self.format != "moses" or len(self.files) < 2):
            raise ValueError("'files' names the files of two or more languages, and is only for the format moses")
        if self.package is not None and self.format != "node-docs":
            raise ValueError("'package' is only for the format node-docs")
        if self.dataset is not None and self.format != "huggingface":
            raise ValueError("'dataset' is only for the format huggingface")
        if self.revision is not None and self.dataset is None:
            raise ValueError("'revision' is only for a 'dataset'")
        if self.format == "text":
            raise ValueError("format 'text' is one-sided; for two aligned files use 'moses'")
        check_delimiter(self.delimiter, self.format)
        if self.format == "documents":
            if self.score is not None:
                raise ValueError("'score' names a column; of aligned documents every pair has one")
        elif (self.score is None) != (self.min_score is None):
            raise ValueError("'score' names a column and 'min_score' the least score in it; give both or neither")
        if self.score is not None and self.format not in {"tsv", "parquet", "arrow"}:
            raise ValueError(f"'score' is only for the formats tsv, parquet and arrow, not {self.format}")
        if "leave_out" in self.model_fields_set and self.format not in {"tmx", "xliff", "po"}:
            raise ValueError(f"'leave_out' is only for the formats tmx, xliff and po, not {self.format}")
        return self


class TextFile(Section):
    """One-sided text to be mined: a file, folder or glob of sentences of one language.

    Attributes:
        name: what provenance calls it.
        language: its language.
        format: ``text`` (one sentence a line) or another one.
        path: where it is, relative to params.yaml.
        column: for formats with columns, the column (name, or number from 0) that holds the text.
        encoding: of text files, if it isn't UTF-8.
        delimiter: see `Corpus`.
        rename: see `Corpus`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    language: Language
    format: Format = "text"
    path: str
    column: str | int | None = None
    encoding: Encoding = "utf-8"
    delimiter: str | None = None
    rename: dict[str, Language] = {}

    @model_validator(mode="after")
    def _one_sided(self) -> Self:
        check_delimiter(self.delimiter, self.format)
        if self.format in {"moses", "po", "node-docs", "documents"}:
            raise ValueError(
                f"format {self.format!r} is for parallel text; for one side of it use another, such as 'text'"
            )
        return self


class ForbiddenText(Section):
    """Sentences that must not be trained on.

    Attributes:
        name: what metrics and rejects call it.
        path: files or a glob, relative to params.yaml.
        format: ``text`` (a sentence a line), or a tabular one.
        columns: for formats with columns, those that hold sentences (names, or numbers from 0).
        encoding: of text files, if it isn't UTF-8.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    path: str
    format: Literal["text", "tsv", "csv", "jsonl", "parquet", "arrow"] = "text"
    columns: list[str | int] = []
    encoding: Encoding = "utf-8"


def _near(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    if not number and value != "digits":
        raise ValueError("expected 'digits', a similarity from 0 to 1, or 0 for none")
    return value


class HeldOut(Section):
    """Whole documents kept from training: half of them tunes (``dev``), half tests (``test``).

    Attributes:
        share: the share of documents held out, chosen by a hash of their name. In a corpus without documents, all pairs
            with the same sentence in their first language are a document.
        orphans: of each side's held-out sentences, the share that loses its counterpart before mining.
        limit: at most so many pairs of each set and language pair.
        near: held-out pairs with a side of which the training text has a near copy are left out (``heldout-near``):
            ``digits``, one that differs in numbers only; a similarity, also one with at least this Jaccard similarity of
            character 5-grams; 0: none.
    """

    share: Share = 0.25
    orphans: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    limit: Positive = 10_000
    near: Annotated[str | float, BeforeValidator(_near)] = "digits"


class Clean(Section):
    """The cleaning rules, in the order in which they are applied; the first that a pair breaks is its reason.

    Attributes:
        normalization: the Unicode form that text is brought to.
        control_characters: remove control and format characters.
        placeholders: text that stands for a side that isn't there, where a side is nothing else (``missing-side``).
        min_chars: shortest side kept, in characters (``too-short``).
        max_chars: longest side kept, in characters (``too-long``).
        copies: leave out pairs whose sides are the same but for case, punctuation and spaces (``copy``).
        max_length_ratio: longest side over shortest that is kept (``length-ratio``); 0 keeps all.
        length_unit: what lengths are compared in for that: UTF-8 bytes (a Korean or Japanese character says about as much as
            three Latin ones), or characters.
        length_ratios: the same for single language pairs (``{en-ja: 4}``).
        min_letters: the share of a side's characters (spaces not counted) that must be letters (``letters``); 0: any.
        min_number_overlap: how much of the two sides' numbers must be the same (Dice, 0-1; ``numbers``); 0: any.
        urls: leave out pairs whose sides have not equally many web addresses (``urls``).
        min_script: the share of a side's letters that must be of its language's script (``script``); 0: any.
        min_language: the least probability that a side is in its language (``language``); 0 leaves the identification
            out. Needs the package of softalign's extra ``langid``.
    """

    normalization: Literal["NFC", "NFKC", "none"] = "NFC"
    control_characters: bool = True
    placeholders: list[str] = list(PLACEHOLDERS)
    min_chars: Positive = 2
    max_chars: Positive = 2_000
    copies: bool = True
    max_length_ratio: Annotated[float, Field(ge=0)] = 6.0
    length_unit: Literal["bytes", "characters"] = "bytes"
    length_ratios: dict[str, Annotated[float, Field(ge=1)]] = {}
    min_letters: Share = 0.3
    min_number_overlap: Share = 0.5
    urls: bool = True
    min_script: Share = 0.25
    min_language: Share = 0.0


class Duplicates(Section):
    """Which pairs say the same thing twice.

    Attributes:
        normalized: pairs that differ only in case, punctuation and spaces are duplicates too.
        near: pairs whose texts have at least this estimated Jaccard similarity of character 5-grams are duplicates too; 0:
            none.
        permutations: MinHash values a pair; more estimate better and cost more.
    """

    normalized: bool = True
    near: Share = 0.0
    permutations: Annotated[int, Field(ge=16, le=512)] = 64


class Decontaminate(Section):
    """What must not be trained on.

    Attributes:
        benchmarks: the files with its sentences.
        near: a side with at least this Jaccard similarity of character 5-grams to a benchmark sentence goes too; 0: none.
    """

    benchmarks: list[ForbiddenText] = []
    near: Share = 0.0

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = Counter(benchmark.name for benchmark in self.benchmarks)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"the name {twice[0]!r} is given to more than one benchmark")
        return self


class Prepare(Section):
    """What is read, what is kept (stage prepare).

    Attributes:
        corpora: the parallel text.
        text: one-sided text to be mined; without any, the held-out test sentences are mined.
        heldout: what is kept from training.
        clean: the cleaning rules.
        duplicates: which pairs count as the same.
        decontaminate: what must not be trained on.
        max_bad_share: a corpus with a larger share of unreadable (not merely filtered) units stops the run.
        shard_rows: sentences or pairs a shard, at most on average.
        memory_bytes: for the rows that are sorted at a time; no result depends on it.
    """

    corpora: Annotated[list[Corpus], Field(min_length=1)]
    text: list[TextFile] = []
    heldout: HeldOut = HeldOut()
    clean: Clean = Clean()
    duplicates: Duplicates = Duplicates()
    decontaminate: Decontaminate = Decontaminate()
    max_bad_share: Share = 0.2
    shard_rows: Positive = 65_536
    memory_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = Counter([corpus.name for corpus in self.corpora] + [text.name for text in self.text])
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"the name {twice[0]!r} is given to more than one corpus")
        return self
