"""From a benchmark's published files to its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pipeline.config.evaluate import BENCHMARKS, EvaluationBenchmark
from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.benchmark import Benchmark, PublishedBenchmark


def read_benchmark(
    name: str, kind: str, folder: Path, languages: Sequence[str] | None = None, split: str = "test"
) -> Benchmark:
    """Read a benchmark from its files as published. Holds its sentences in memory.

    Args:
        name: what results call it.
        kind: whose files they are.
        folder: where they are.
        languages: only tasks whose languages are all among these canonical codes; all if None.
        split: for benchmarks that have several.

    Raises:
        RegistryError: if there is no such kind.
        InputError: if a file lacks or is of another form.
        UserError: if no task has only wanted languages.
    """
    entry: dict[str, Any] = {"name": name, "kind": kind, "path": str(folder), "split": split}
    made = BENCHMARKS.find(kind).model_construct(**entry)
    return read_files(made, folder, languages)


def read_files(made: EvaluationBenchmark, folder: Path, languages: Sequence[str] | None) -> Benchmark:
    """Read a benchmark of params.yaml, with its options. Holds its sentences in memory.

    Args:
        made: its entry there.
        folder: the folder of its files.
        languages: only tasks whose languages are all among these canonical codes; all if None.

    Raises:
        InputError: if files are missing, of different lengths or of another form; the line names file and line.
        UserError: if no task has only wanted languages.
    """
    if not folder.is_dir():
        raise InputError(folder, f"no such folder; expected the files of {made.name} ({made.kind})")
    tasks = cast(PublishedBenchmark, made).tasks(folder, languages)
    if not tasks:
        wanted = ", ".join(languages or [])
        raise UserError(
            f"{made.name}: {folder} holds nothing in the languages {wanted}; a task needs both of its languages"
        )
    return Benchmark(made.name, made.kind, tuple(tasks))
