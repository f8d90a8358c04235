"""Where a user's mined pairs go, in every form asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.console.errors import UserError
from pipeline.mining.files.text import TextInput
from pipeline.mining.files.vectors import EmbeddedText
from pipeline.mining.outputs import OutputSide, PairsToWrite, format_of, write_moses
from pipeline.mining.retrieval import Candidates
from pipeline.text.rules import UNKNOWN


@dataclass(frozen=True)
class PairOutputs:
    """Where pairs go.

    Attributes:
        files: the form of each follows from its suffix, one of `pipeline.mining.formats`.
        moses: the stem of two Moses files, ``<stem>.<language>``, or None.
    """

    files: tuple[Path, ...]
    moses: Path | None = None

    @property
    def first(self) -> Path:
        """The first output, once `check` has seen that there is one."""
        return (*self.files, *([self.moses] if self.moses else []))[0]

    def check(self, a: TextInput, b: TextInput) -> None:
        """Refuse what could not be written in the end, before anything is done.

        Raises:
            UserError: for no output, an unknown suffix, languages that are needed and unknown, a file that is an input.
        """
        if not self.files and self.moses is None:
            raise UserError("--out: nothing to write; give --out FILE or --moses PREFIX")
        forms = [format_of(path) for path in self.files]
        named = [f".{form.name}" for form in forms if form.needs_languages] + (["--moses"] if self.moses else [])
        needing = named[0] if named else None
        if needing and UNKNOWN in (a.language, b.language):
            unknown = a if a.language == UNKNOWN else b
            raise UserError(
                f"--languages: {needing} needs them, and the name {unknown.path} does not tell; give --languages en,fr"
            )
        if self.moses and a.language == b.language:
            raise UserError(f"--moses: both sides are {a.language}, and Moses files are named by language")
        with_ids = [form.name for form in forms if form.needs_ids]
        if with_ids and (a.kind, b.kind) != ("bucc", "bucc"):
            raise UserError(f"--out: .{with_ids[0]} needs sentences with ids (BUCC's files, `id TAB sentence`)")
        inputs = {Path(side.path).resolve(): side for side in (a, b)}
        stems = [Path(f"{self.moses}.{side.language}") for side in (a, b)] if self.moses else []
        for path in (*self.files, *stems):
            if path.resolve() in inputs:
                raise UserError(f"--out: {path} is the input of {inputs[path.resolve()].option}; give another name")

    def write(
        self,
        pairs: Candidates,
        a: EmbeddedText,
        b: EmbeddedText,
        made_by: dict[str, Any],
        more: Mapping[str, pl.Series] | None = None,
    ) -> list[Path]:
        """Write pairs, whose rows are those of the texts, in every form asked for; returns the files.

        ``more`` are further columns of the Parquet file, by the rows of side a [n].
        """
        side_a, side_b = (OutputSide(side.text.language, side.text.table) for side in (a, b))
        ids = None if a.text.ids is None or b.text.ids is None else (a.text.ids.ids, b.text.ids.ids)
        found = PairsToWrite(pairs, side_a, side_b, made_by, more or {}, ids)
        for path in self.files:
            format_of(path).write(path, found)
        stems = write_moses(self.moses, pairs, side_a, side_b) if self.moses else ()
        return [*self.files, *stems]
