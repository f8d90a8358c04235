"""The contestants, a file a library: functions that set themselves up and return their work.

Peers import nothing of softalign. All read what the row wrote to ``options["folder"]``: lists of text as JSON, label vectors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def read(options: dict[str, Any], name: str = "texts") -> Any:
    """What a row wrote under a name: lists of text."""
    return json.loads((Path(options["folder"]) / f"{name}.json").read_text(encoding="utf-8"))


def write(folder: Path, name: str, values: Any) -> None:
    """Write what `read` reads."""
    (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")


def label_vectors(options: dict[str, Any]) -> Any:
    """A row's label vectors [points, d] in half precision, memory-mapped."""
    return np.load(Path(options["folder"]) / "vectors.npy", mmap_mode="r")[: options["points"]]


def side(options: dict[str, Any], name: str) -> tuple[Any, list[str]]:
    """A side of what is mined, ``a`` or ``b``: vectors of length 1 [n, d], memory-mapped, and texts, which name their row."""
    folder = Path(options["folder"])
    vectors = np.memmap(folder / f"{name}.f32", dtype=np.float32, mode="r").reshape(-1, options["dimension"])
    return vectors, (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def scored_pairs(path: Path) -> dict[str, Any]:
    """A file's lines ``score TAB a<row> TAB b<row>``, as arrays."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        "score": np.array([float(score) for score, _, _ in rows]),
        "pair": np.array([[int(a[1:]), int(b[1:])] for _, a, b in rows]),
    }


def without_own(similarity: Any, row: Any, own: Any) -> dict[str, Any]:
    """All but the row's own, or but the last where it was not found: [n, k] of [n, k + 1]."""
    left_out = row == own[:, None]
    left_out[:, -1] |= ~left_out.any(axis=1)
    shape = (len(row), row.shape[1] - 1)
    return {"similarity": similarity[~left_out].reshape(shape), "row": row[~left_out].reshape(shape)}
