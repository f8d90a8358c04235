"""The section ``prepare`` of params.yaml: corpora, cleaning, duplicates, what is held out."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, create_model, model_validator

from pipeline.config.base import (
    Choice,
    Encoding,
    Language,
    Positive,
    Section,
    Share,
)
from pipeline.ground.registry import Registry

PLACEHOLDERS = ("__NULL__", "[NULL]", "<NULL>", "NULL", "null", "\\N", "N/A", "#N/A", "<NA>", "NaN", "nan")
"""What wide files, database dumps and data frames write for nothing."""

ALIGNED = PurePosixPath("data/aligned")
"""The folder of a project in which the stage align leaves the alignments of corpora of documents."""


class CorpusFormat(Section):
    """How files hold sentences: a file of `pipeline.corpora.formats`, or a class that a package brings.

    Its fields are keys of a corpus (or text) of that format, besides those that all have.

    Attributes:
        format: its name; a class says its own as a default.
        places: the keys of which one says where the corpus is.
        parallel: whether it holds pairs.
        one_sided: whether text of one language can be read from it.
        by_language: whether a side is found by its language, so that one without a known language can't be read.
        whole_folder: whether its path is a folder that it goes through itself.
        suffixes: ends of file names, without the dot, that are of this format for the commands that read files.
    """

    format: str
    places: ClassVar[tuple[str, ...]] = ("path",)
    parallel: ClassVar[bool] = True
    one_sided: ClassVar[bool] = True
    by_language: ClassVar[bool] = True
    whole_folder: ClassVar[bool] = False
    suffixes: ClassVar[tuple[str, ...]] = ()

    @property
    def named_files(self) -> dict[str, str]:
        """The file of each language that its own keys name, relative to params.yaml."""
        return {}

    def files_read(self, corpus: str) -> tuple[str, ...]:
        """The files that are read of a corpus without looking for them, relative to params.yaml; none: those of its path.

        Args:
            corpus: the corpus' name.
        """
        return tuple(self.named_files.values())


FORMATS = Registry("corpus format", "pipeline.corpora.formats", CorpusFormat, "softalign.corpora", key="format")


@cache
def _of_format(section: type[Section], thing: type[CorpusFormat]) -> type[Section]:
    """A section that also has the keys of a format."""
    return create_model(f"{thing.__name__}{section.__name__}", __base__=(thing, section), __module__=__name__)


class FormattedFiles(Choice):
    """Files of some format: the keys of that format are keys here too.

    Attributes:
        name: what provenance, metrics and rejects call them.
        format: how they are read.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    format: str

    @classmethod
    def section_of(cls, thing: type[Section]) -> type[Section]:
        """See `Choice.section_of`."""
        return _of_format(cls, cast(type[CorpusFormat], thing))

    @property
    def how(self) -> CorpusFormat:
        """The format, with its options."""
        thing = FORMATS.find(self.format)
        return thing.model_validate({key: getattr(self, key) for key in thing.model_fields})


class Corpus(FormattedFiles):
    """A source of parallel text.

    Attributes:
        path: a file, folder or glob, relative to params.yaml. ``{a}`` and ``{b}`` stand for a pair's languages in whatever
            order and spelling the files have them, ``{lang}`` for one of them. For formats with a file per language the path
            is a template that holds ``{lang}``.
        languages: the languages in it that are used; all of params.yaml's if empty. For TSV and CSV without
            ``columns``, the languages of its columns in order.
        columns: for formats with columns, the column (name, or number from 0) of each language.
        encoding: the encoding of text files, if it isn't UTF-8 (a byte order mark is understood without it).
        rename: the corpus' own language codes (in file names, columns and documents) and the project's languages that they
            mean there: ``{sr: sr-Latn, jp: ja}``.
        heldout: whether documents of it are held out.
        licence: an SPDX expression, for the report and the model card.
        weight: how much more often than others its pairs are drawn in training.
    """

    path: str | None = None
    languages: list[Language] = []
    columns: dict[Language, str | int] = {}
    encoding: Encoding = "utf-8"
    rename: dict[str, Language] = {}
    heldout: bool = True
    licence: str = "unknown"
    weight: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = self.how.places
        if not self.how.parallel:
            raise ValueError(f"format {self.format!r} is one-sided; for two aligned files use 'moses'")
        if sum(getattr(self, place) not in (None, {}) for place in places) != 1 or (
            "path" not in places and self.path is not None
        ):
            raise ValueError(f"give exactly one of {' and '.join(map(repr, places))}")
        return self


Corpus.things = FORMATS


class TextFile(FormattedFiles):
    """One-sided text to be mined: a file, folder or glob of sentences of one language.

    Attributes:
        language: its language.
        format: ``text`` (one sentence a line) or another one.
        path: where it is, relative to params.yaml.
        column: for formats with columns, the column (name, or number from 0) that holds the text.
        encoding: the encoding of text files, if it isn't UTF-8.
        rename: its own language codes, as in `Corpus`.
    """

    language: Language
    format: str = "text"
    path: str
    column: str | int | None = None
    encoding: Encoding = "utf-8"
    rename: dict[str, Language] = {}

    @model_validator(mode="after")
    def _one_sided(self) -> Self:
        if elsewhere := [
            place for place in self.how.places if place != "path" and getattr(self, place) not in (None, {})
        ]:
            raise ValueError(f"{elsewhere[0]!r} is only for prepare.corpora; one-sided text has a 'path'")
        if not self.how.one_sided:
            raise ValueError(
                f"format {self.format!r} is for parallel text; for one side of it use another, such as 'text'"
            )
        return self


TextFile.things = FORMATS


def _plain(name: str) -> str:
    if FORMATS.find(name).by_language:
        raise ValueError(
            f"the format {name} tells sides by their languages; expected one of lines or columns, as 'text'"
        )
    return name


class ForbiddenText(Section):
    """Sentences that must not be trained on.

    Attributes:
        name: what metrics and rejects call it.
        path: files or a glob, relative to params.yaml.
        format: ``text`` (a sentence a line), or one of lines or columns.
        columns: for formats with columns, those that hold sentences (names, or numbers from 0).
        encoding: the encoding of text files, if it isn't UTF-8.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    path: str
    format: Annotated[str, AfterValidator(_plain)] = "text"
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
        orphans: the share of each side's held-out sentences that loses its counterpart before mining.
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
        length_ratios: other such limits for single language pairs (``{en-ja: 4}``).
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

    corpora: Annotated[list[SerializeAsAny[Corpus]], Field(min_length=1)]
    text: list[SerializeAsAny[TextFile]] = []
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
