"""What the tests of the readers share."""

from pathlib import Path

from pipeline.corpora.base import ReadRequest
from pipeline.corpora.registry import READERS


def ask(root: Path, path: str | None, *pairs: str, **more) -> ReadRequest:
    groups = tuple(tuple(pair.split("-")) for pair in pairs)
    return ReadRequest(name="c", root=root, groups=groups, path=path, **more)


def read(kind: str, request: ReadRequest) -> list[dict]:
    """All rows, each with its languages as ``pair``."""
    reader = READERS[kind]
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
