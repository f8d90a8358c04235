"""Which benchmarks are published, and where: all that `pipeline.evaluation.benchmarks` and installed packages have."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config.evaluate import BENCHMARKS
from pipeline.console.errors import UserError
from pipeline.evaluation.benchmark import PublishedBenchmark
from pipeline.evaluation.lines import choose_languages
from pipeline.evaluation.published import BenchmarkSource


def catalogue() -> dict[str, BenchmarkSource]:
    """All published benchmarks, by name."""
    kinds = [kind for kind in BENCHMARKS.all().values() if issubclass(kind, PublishedBenchmark)]
    return {source.name: source for kind in kinds for source in kind.published}


def find_source(name: str) -> BenchmarkSource:
    """A benchmark by name.

    Raises:
        UserError: if the catalogue has none of that name.
    """
    known = catalogue()
    if name not in known:
        raise UserError(f"benchmarks: there is no {name!r}; expected one of {', '.join(sorted(known))}")
    return known[name]


def file_names(source: BenchmarkSource, names: Sequence[str], languages: Sequence[str] | None) -> list[str]:
    """Those of some file names that hold wanted languages; all if ``languages`` is None, or names tell no language."""
    pattern = getattr(BENCHMARKS.find(source.kind), "file_language", None)
    codes = {name: found[1] if pattern and (found := pattern.fullmatch(name)) else None for name in names}
    chosen = choose_languages(dict.fromkeys(code for code in codes.values() if code is not None), languages)
    return [name for name, code in codes.items() if languages is None or code is None or code in chosen]
