"""The formats by name, and from params.yaml to readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config.prepare import Corpus, TextFile
from pipeline.console.errors import UserError
from pipeline.corpora.base import Reader, ReadRequest
from pipeline.corpora.columnar import ColumnarReader
from pipeline.corpora.huggingface import HuggingFaceReader
from pipeline.corpora.jsonl import JsonLinesReader
from pipeline.corpora.moses import MosesReader
from pipeline.corpora.named import UNLESS, refuse_swapped
from pipeline.corpora.node_docs import NodeDocsReader
from pipeline.corpora.opus_zip import OpusZipReader
from pipeline.corpora.plain import TextReader
from pipeline.corpora.po import PoReader
from pipeline.corpora.tabular import CsvReader, TsvReader
from pipeline.corpora.tmx import TmxReader
from pipeline.corpora.xliff import XliffReader
from pipeline.ground.languages import LanguagePair, WantedLanguages

READERS: dict[str, Reader] = {
    "moses": MosesReader(),
    "tsv": TsvReader(),
    "csv": CsvReader(),
    "jsonl": JsonLinesReader(),
    "parquet": ColumnarReader("parquet"),
    "arrow": ColumnarReader("arrow"),
    "tmx": TmxReader(),
    "xliff": XliffReader(),
    "po": PoReader(),
    "opus-zip": OpusZipReader(),
    "huggingface": HuggingFaceReader(),
    "node-docs": NodeDocsReader(),
    "text": TextReader(),
}


def corpus_request(corpus: Corpus, pairs: Sequence[LanguagePair], root: Path) -> ReadRequest:
    """What params.yaml asks of a parallel corpus: those of the project's pairs that it may hold.

    Raises:
        UserError: if there are none.
    """
    languages = tuple(corpus.languages or corpus.files or corpus.columns)
    known = {language for pair in pairs for language in (pair.a, pair.b)}
    if unknown := [language for language in corpus.rename.values() if language not in known]:
        raise UserError(
            f"corpus {corpus.name}: rename: found {unknown[0]}, expected a language of the pairs "
            f"({', '.join(pair.name for pair in pairs)})"
        )
    groups = tuple((pair.a, pair.b) for pair in pairs if not languages or (pair.a in languages and pair.b in languages))
    if not groups:
        raise UserError(
            f"corpus {corpus.name}: none of the pairs {', '.join(pair.name for pair in pairs)} is between its languages "
            f"({', '.join(languages)})"
        )
    return ReadRequest(
        name=corpus.name,
        root=root,
        groups=groups,
        path=corpus.path,
        files=tuple(corpus.files.items()),
        package=corpus.package,
        dataset=corpus.dataset,
        revision=corpus.revision,
        languages=languages,
        columns=tuple(corpus.columns.items()),
        encoding=corpus.encoding,
        delimiter=corpus.delimiter,
        score=corpus.score,
        min_score=float("-inf") if corpus.min_score is None else corpus.min_score,
        rename=tuple(corpus.rename.items()),
        leave_out=tuple(corpus.leave_out),
    )


def text_request(text: TextFile, root: Path, languages: Sequence[str]) -> ReadRequest:
    """What params.yaml asks of one-sided text; ``languages``: all of the project's.

    Raises:
        UserError: if it is a file of lines whose name says another of these languages.
    """
    if text.format == "text":
        wanted = WantedLanguages(dict.fromkeys([text.language, *languages]), text.rename.items())
        cure = f"correct its language or its path, {UNLESS}"
        refuse_swapped({text.language: text.path}, wanted, f"text {text.name}", cure)
    columns = () if text.column is None else ((text.language, text.column),)
    return ReadRequest(
        name=text.name,
        root=root,
        groups=((text.language,),),
        path=text.path,
        languages=(text.language,),
        columns=columns,
        encoding=text.encoding,
        delimiter=text.delimiter,
        rename=tuple(text.rename.items()),
    )
