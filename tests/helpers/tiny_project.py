"""A whole project in a folder: two plain text files, tiny teacher, tiny parameters. Runs in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from small import WORDS, sentence

from stages import neighborhoods, prepare, teach, tokenize
from stages.running.command import Project

OTHER = {word: "".join(reversed(word)).capitalize() for word in WORDS}


def translation(text: str) -> str:
    """The same sentence in a made-up language: every word turned round."""
    return " ".join(OTHER[word] for word in text.split())


def write_project(root: Path, teacher: Path, pairs: int = 600, **sections: dict[str, Any]) -> Path:
    """Write params.yaml and its text.

    Args:
        root: the project's folder.
        teacher: a model folder.
        pairs: lines of text.
        sections: overrides, section by section.
    """
    root.mkdir(parents=True, exist_ok=True)
    texts = [sentence(number * 7) for number in range(pairs)]
    (root / "text.en").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (root / "text.fr").write_text("\n".join(translation(text) for text in texts) + "\n", encoding="utf-8")
    params: dict[str, Any] = {
        "languages": ["en", "fr"],
        "pairs": ["en-fr"],
        "seed": 7,
        "prepare": {
            "corpora": [{"name": "made-up", "format": "moses", "path": "text.{lang}"}],
            "heldout": {"share": 0.3, "orphans": 0.2},
            "shard_rows": 200,
        },
        "teacher": {"model": str(teacher), "max_length": 16},
        "student": {"kind": "static", "dimension": 16, "vocabulary": 300, "max_length": 16},
        "labels": {"strategy": "priority"},
        "neighborhoods": {"k": 4},
        "train": {"steps": 40, "batch_size": 32, "eval_every": 10, "checkpoint_every": 15, "learning_rate": 0.02},
        "embed": {"batch_tokens": 4096},
        "mine": {"k": 4},
        "evaluate": {"bootstrap": 100},
        "report": {"title": "tiny"},
    }
    for name, values in sections.items():
        params[name] = {**params.get(name, {}), **values} if isinstance(values, dict) else values
    with (root / "params.yaml").open("w", encoding="utf-8") as opened:
        YAML().dump(params, opened)
    return root


def run_to_neighborhoods(root: Path) -> None:
    """All that comes before the stage train, in a project's folder."""
    for stage in (prepare, tokenize, teach, neighborhoods):
        stage.run(Project.open(root))
