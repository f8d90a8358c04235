"""Datasets in the Hugging Face layout: a folder, or a name on the hub with its revision.

Data files are known by their names' ends (``.parquet``, ``.arrow``, ``.jsonl``, ``.csv``, ``.tsv``). A part of a file's path
that is two language codes joined by ``-`` or ``_`` says which pair it holds (``Books/en-fr/train.parquet``); files of other
pairs, and of splits other than ``train``, are left out. From the hub, only the files that are read are fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import Chunk, CorpusSource, Reader, ReadRequest, Unit, file_source, require_languages
from pipeline.corpora.columnar import columnar_unit, read_columns
from pipeline.corpora.formats.csv import CsvReader
from pipeline.corpora.formats.jsonl import JsonLinesReader
from pipeline.corpora.formats.tsv import TsvReader
from pipeline.corpora.places import display_name
from pipeline.ground.languages import canonical_language, is_language, match_language

KINDS = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv"}
OTHER_SPLITS = re.compile(r"(?:^|[^a-z])(?:test|validation|valid|dev|eval)(?:[^a-z]|$)")


class HuggingFaceReader(Reader):
    """A dataset in the Hugging Face layout: a folder, or a name on the hub.

    Attributes:
        dataset: instead of a path, the name of a dataset on the Hugging Face hub.
        revision: the dataset's revision: a branch, tag or commit.
        delimiter: what is between the columns of its TSV and CSV files.
    """

    format: Literal["huggingface"] = "huggingface"
    whole_folder: ClassVar[bool] = True
    places: ClassVar[tuple[str, ...]] = ("path", "dataset")
    dataset: str | None = None
    revision: str | None = None
    delimiter: str | None = None

    @model_validator(mode="after")
    def _revision_of_a_dataset(self) -> Self:
        if self.revision is not None and self.dataset is None:
            raise ValueError("'revision' is only for a 'dataset'")
        return self

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`.

        Raises:
            UserError: if the folder or dataset is missing, or can't be fetched.
        """
        files = _hub_files(request, self.dataset, self.revision or "main") if self.dataset else _folder_files(request)
        units = []
        for relative, source in files:
            unit = _unit(source, KINDS[PurePosixPath(relative).suffix], request, _order(relative, request))
            if unit is not None:
                units.append(unit)
        return require_languages(request, units, self.dataset or str(request.path))

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        if unit.kind in {"parquet", "arrow"}:
            yield from read_columns(unit, unit.kind)
        else:
            readers: dict[str, Reader] = {
                "jsonl": JsonLinesReader(),
                "csv": CsvReader(delimiter=self.delimiter),
                "tsv": TsvReader(delimiter=self.delimiter),
            }
            yield from readers[unit.kind].read(unit, request)


def _wanted(relative: str, request: ReadRequest) -> bool:
    """Whether a file of the dataset is data of a wanted pair, going by its path."""
    path = PurePosixPath(relative)
    if path.suffix not in KINDS or any(OTHER_SPLITS.search(part.lower()) for part in path.parts):
        return False
    named = [codes for part in path.with_suffix("").parts for codes in _pairs(part) if all(map(_is_code, codes))]
    return not named or bool(_order(relative, request))


def _is_code(name: str) -> bool:
    """Whether a name is surely a language: of three letters, nearly every word is some language's code."""
    return is_language(name) and (len(canonical_language(name).partition("-")[0]) == 2 or "_" in name)


def _pairs(part: str) -> list[tuple[str, str]]:
    """What a part of a path may name as two languages: codes may hold the sign that joins them."""
    cuts = [cut for cut, sign in enumerate(part) if sign in "-_"]
    return [(part[:cut], part[cut + 1 :]) for cut in cuts]


def _order(relative: str, request: ReadRequest) -> tuple[str, ...]:
    """The wanted pair that a path names, in its own order; empty if it names none."""
    for part in reversed(PurePosixPath(relative).with_suffix("").parts):
        for codes in _pairs(part):
            pair = tuple(match_language(code, request.wanted) for code in codes)
            if any(set(pair) == set(group) for group in request.groups):
                return tuple(str(language) for language in pair)
    return ()


def _unit(source: CorpusSource, kind: str, request: ReadRequest, order: tuple[str, ...]) -> Unit | None:
    if kind in {"parquet", "arrow"}:
        unit = columnar_unit(source, kind, request, order)
        return None if unit is None else replace(unit, kind=kind)
    groups = tuple(group for group in request.groups if not order or set(order) == set(group))
    columns = request.columns
    if kind in {"csv", "tsv"} and not columns:
        if not order:
            raise UserError(f"corpus {request.name}: {source.name}: which column is which language? give 'columns'")
        columns = ((order[0], 0), (order[1], 1))
    return Unit((source,), groups, columns, kind) if groups else None


def _folder_files(request: ReadRequest) -> list[tuple[str, CorpusSource]]:
    folder = request.root / str(request.path)
    if not folder.is_dir():
        raise InputError(f"corpus {request.name}: {request.path}", "no such folder; expected a dataset's")
    relatives = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [
        (relative, file_source(folder / relative, display_name(folder / relative, request.root)))
        for relative in relatives
        if _wanted(relative, request)
    ]


def _hub_files(request: ReadRequest, dataset: str, revision: str) -> list[tuple[str, CorpusSource]]:
    import huggingface_hub  # slow to import, and only needed here
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        names = huggingface_hub.HfApi().list_repo_files(dataset, repo_type="dataset", revision=revision)
        relatives = sorted(name for name in names if _wanted(name, request))
        paths = [
            Path(huggingface_hub.hf_hub_download(dataset, name, repo_type="dataset", revision=revision))
            for name in relatives
        ]
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"corpus {request.name}: the dataset {dataset} at revision {revision} can't be fetched ({reason[:200]})"
        ) from None
    return [
        (relative, file_source(path, f"{dataset}@{revision}/{relative}"))
        for relative, path in zip(relatives, paths, strict=True)
    ]
