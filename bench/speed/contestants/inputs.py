"""What rows write and contestants read: lists of text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def texts(options: dict[str, Any], name: str = "texts") -> list[str]:
    """Sentences of a row."""
    found: list[str] = json.loads((Path(options["folder"]) / f"{name}.json").read_text(encoding="utf-8"))
    return found


def write_texts(folder: Path, name: str, values: list[str]) -> None:
    """Write what `texts` reads."""
    (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
