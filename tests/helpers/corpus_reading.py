"""What the tests of the readers share."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from pipeline.config.prepare import FORMATS
from pipeline.corpora.base import ReadRequest


@dataclass(frozen=True)
class Asked(ReadRequest):
    """A request, and the options of the format that it is for."""

    options: dict = field(default_factory=dict)


def ask(root: Path, path: str | None, *pairs: str, **more) -> ReadRequest:
    groups = tuple(tuple(pair.split("-")) for pair in pairs)
    known = {one.name for one in fields(ReadRequest)} - {"leave_out"}
    options = {key: value for key, value in more.items() if key not in known}
    common = {key: value for key, value in more.items() if key in known}
    return Asked(name="c", root=root, groups=groups, path=path, options=options, **common)


def read(kind: str, request: ReadRequest) -> list[dict]:
    """All rows, each with its languages as ``pair``."""
    reader = FORMATS.find(kind)(**request.options)
    rows = []
    for unit in reader.units(request):
        for chunk in reader.read(unit, request):
            rows += [{"pair": "-".join(chunk.languages), **row} for row in chunk.frame.iter_rows(named=True)]
    return rows


def sides(rows: list[dict]) -> list[tuple]:
    """Both sides of the rows that could be read."""
    return [(row["a"], row["b"]) for row in rows if row["reason"] is None]


def reasons(rows: list[dict]) -> list[tuple]:
    """Line and reason of the rows that could not."""
    return [(row["line"], row["reason"]) for row in rows if row["reason"] is not None]
