"""What lies in a project from before: artifacts of languages, pairs, corpora and models that params.yaml names no more.

DVC leaves the outputs of a matrix' items that are gone, and a stage that runs by hand leaves whatever it doesn't write. No
stage reads them; whoever lists a folder must not take them for results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.params import Params
from pipeline.ground.languages import canonical_language
from stages.running.layout import Layout

SHOWN = 5
"""Paths that one line names."""


@dataclass(frozen=True)
class Rule:
    """What may lie in a folder.

    Attributes:
        what: the kind of name that its entries have: a language, a pair, a corpus or a model.
        names: the names that params.yaml has.
        start: how the names of entries begin, before what they are named by.
        end: how they end; empty: they are folders.
    """

    what: str
    names: frozenset[str]
    start: str = ""
    end: str = ""

    def stray(self, entry: str) -> str | None:
        """What an entry is named by, if that is of this kind and not among the names."""
        if not (entry.startswith(self.start) and entry.endswith(self.end)):
            return None
        name = entry[len(self.start) : len(entry) - len(self.end)]
        return name if name not in self.names and KINDS[self.what](name) else None


def _is_language(name: str) -> bool:
    try:
        return canonical_language(name) == name
    except ValueError:
        return False


def _is_pair(name: str) -> bool:
    parts = name.split("-")
    return any(
        _is_language("-".join(parts[:place])) and _is_language("-".join(parts[place:]))
        for place in range(1, len(parts))
    )


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".")


KINDS: dict[str, Callable[[str], bool]] = {
    "language": _is_language,
    "pair": _is_pair,
    "corpus": _is_name,
    "model": _is_name,
}
"""Other files in these folders are their owner's and none of ours."""


class LeftOvers:
    """Tells what is left over from what belongs to the project as params.yaml has it now.

    Args:
        params: the project's parameters.
        layout: where its artifacts are.
    """

    def __init__(self, params: Params, layout: Layout) -> None:
        prepare = params.prepare
        used, taught = frozenset(params.used_languages), frozenset(params.teacher_languages)
        pairs = frozenset(params.pairs)
        corpora = frozenset([*(one.name for one in prepare.corpora), *(one.name for one in prepare.text)])
        models = frozenset(["student", *(peer.name for peer in params.evaluate.peers)])
        mined = layout.plots / "train" / "plots" / "metrics" / "dev"
        self._rules: list[tuple[Path, Rule]] = [
            (layout.sentences, Rule("language", used)),
            (layout.monolingual, Rule("language", used | {text.language for text in prepare.text})),
            (layout.tokens / "teacher", Rule("language", taught)),
            (layout.tokens / "student", Rule("language", used)),
            (layout.tokens / "monolingual", Rule("language", used)),
            (layout.teacher, Rule("language", taught)),
            (layout.embeddings, Rule("language", used)),
            (layout.pairs, Rule("pair", pairs)),
            (layout.heldout, Rule("pair", pairs)),
            (layout.neighborhoods, Rule("pair", pairs)),
            (layout.mined, Rule("pair", pairs, end=".parquet")),
            (layout.metrics / "mine", Rule("pair", pairs, end=".json")),
            (layout.cost("").parent, Rule("pair", pairs, start="mine-", end=".json")),
            (mined, Rule("pair", pairs, end=".tsv")),
            (layout.rejects, Rule("corpus", corpora, end=".tsv.zst")),
            (layout.evaluation, Rule("model", models, end=".items.parquet")),
            (layout.evaluation, Rule("model", models, end=".json")),
        ]

    def reason(self, path: Path) -> str | None:
        """Why a path, or what it lies in, is left over; None if it isn't. It need not be there."""
        for folder, rule in self._rules:
            inside = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
            if inside and (name := rule.stray(inside[0])) is not None:
                return f"params.yaml names no {rule.what} {name}"
        return None

    def found(self) -> Iterator[tuple[Path, str]]:
        """What is there and left over, with the reason, in the order of stages."""
        for folder, rule in self._rules:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_dir() == (rule.end == "") and (name := rule.stray(path.name)) is not None:
                    yield path, f"params.yaml names no {rule.what} {name}"


def in_words(found: Sequence[tuple[Path, str]], root: Path) -> str:
    """Left-over paths in one line; empty without any."""
    if not found:
        return ""
    names = [path.relative_to(root).as_posix() for path, _ in found]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"{', '.join(names[:SHOWN])}{more}: of what params.yaml no longer names; `softalign verify --repair` removes it"
    )
