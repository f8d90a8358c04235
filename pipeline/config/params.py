"""params.yaml, read once and strictly into typed objects.

Every key has one place and one type; an unknown key, a wrong type or a value out of range is an error that names the key,
what was found and what is allowed. Defaults live here; params.yaml of the repository spells out what users change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, ValidationError, model_validator

from pipeline.config.base import (
    Choice,
    Language,
    Section,
)
from pipeline.config.compute import Compute
from pipeline.config.evaluate import Evaluate
from pipeline.config.labels import Labels, Neighborhoods
from pipeline.config.mine import Embed, Mine
from pipeline.config.models import Student, Teacher
from pipeline.config.prepare import (
    Prepare,
)
from pipeline.config.report import Report
from pipeline.config.train import Train
from pipeline.console.errors import ParamsError
from pipeline.console.plain_text import clip
from pipeline.ground.languages import LanguagePair, parse_pair
from pipeline.ground.registry import RegistryError
from pipeline.ground.yaml_file import read_yaml

MAX_PROBLEMS = 50
"""Problems of one file that are listed."""

SHOWN_CHARS = 200
"""What is shown of a key or a value."""


class Params(Section):
    """The whole of params.yaml.

    Attributes:
        softalign: the version a project was written for; another one installed is an error, so that an upgrade is a
            change that DVC sees.
        languages: in order of priority: of a pair's two languages, the earlier one's sentence gives the label.
        pairs: language pairs as ``a-b``, a before b in ``languages``.
        seed: the one source of randomness.
        undeclared_inputs: what a stage does that a pipeline tool runs, and that reads a file which its entry there doesn't
            name (the tool would not run it again when that file changes): ``error``, or ``warn`` and go on.
    """

    softalign: str | None = None
    languages: Annotated[list[Language], Field(min_length=2)]
    pairs: Annotated[list[str], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    undeclared_inputs: Literal["error", "warn"] = "error"
    prepare: Prepare
    teacher: Teacher
    student: Student = Student()
    labels: Labels = Labels()
    neighborhoods: Neighborhoods = Neighborhoods()
    train: Annotated[Train, Field(default_factory=Train)]
    embed: Embed = Embed()
    mine: Mine = Mine()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _pairs_of_languages(self) -> Self:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"languages: {self.languages} names a language twice")
        for pair in self.pairs:
            parse_pair(pair, self.languages)
        if len(set(self.pairs)) < len(self.pairs):
            raise ValueError(f"pairs: {self.pairs} names a pair twice")
        return self

    @model_validator(mode="after")
    def _start_of_the_student(self) -> Self:
        if self.train.start_weight and (
            self.student.kind in ("static", "transformer") or self.student.lora is not None
        ):
            raise ValueError(
                "train.start_weight is for a student that starts from a model's weights, without lora; found student.kind "
                f"{self.student.kind!r}{' with lora' if self.student.lora is not None else ''}"
            )
        return self

    @model_validator(mode="after")
    def _labels_of_both_sides(self) -> Self:
        if self.labels.strategy != "average":
            for term in self.train.loss:
                if term.both_sides:
                    raise ValueError(
                        f"train.loss: {term.name} asks for the teacher's vectors of both sides; found labels.strategy "
                        f"{self.labels.strategy!r}, expected 'average' (with a teacher that knows both languages)"
                    )
        return self

    @property
    def language_pairs(self) -> list[LanguagePair]:
        """The pairs, parsed."""
        return [parse_pair(pair, self.languages) for pair in self.pairs]

    @property
    def teacher_languages(self) -> list[str]:
        """The languages whose sentences the teacher embeds: each pair's first, or both for the strategy average."""
        wanted = {pair.a for pair in self.language_pairs}
        if self.labels.strategy == "average":
            wanted |= {pair.b for pair in self.language_pairs}
        return [language for language in self.languages if language in wanted]

    @property
    def used_languages(self) -> list[str]:
        """The languages that stand in any pair, in order of priority."""
        wanted = {language for pair in self.language_pairs for language in (pair.a, pair.b)}
        return [language for language in self.languages if language in wanted]


def load_params(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: if it is missing or not YAML.
        ParamsError: if a key is unknown or missing, or a value is not allowed; one line for each.
    """
    return check_params(read_yaml(path), path)


def check_params(raw: Any, path: Path | str = "params.yaml") -> Params:
    """Turn parsed YAML into `Params`; ``path`` is only for messages.

    Raises:
        ParamsError: if a key is unknown or missing, or a value is not allowed; one line for each.
    """
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: found {type(raw).__name__}, expected a mapping of sections")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        lines = [_explain(path, problem, raw) for problem in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            lines.append(f"{path}: and {len(problems) - MAX_PROBLEMS:,} more problems")
        raise ParamsError("\n".join(lines)) from None


def _explain(path: Path | str, problem: Any, raw: Any) -> str:
    # One problem is one line, whatever stands in the file.
    key = clip(".".join(str(part) for part in problem["loc"]), SHOWN_CHARS).replace("\n", "\\n") or "top level"
    found = problem["input"]
    message = clip(problem["msg"].removeprefix("Value error, "), 3 * SHOWN_CHARS).replace("\n", "\\n")
    if problem["type"] == "extra_forbidden":
        model = _section_at(problem["loc"], raw)
        return f"{path}: {key}: {_stranger(model, problem['loc'][-1])}; allowed here: {', '.join(model.model_fields)}"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing; it has no default"
    if isinstance(found, dict | list):
        return f"{path}: {key}: {message}"
    return f"{path}: {key}: found {clip(repr(found), SHOWN_CHARS)}; {message[0].lower()}{message[1:]}"


def _section_at(location: tuple[str | int, ...], raw: Any) -> type[Section]:
    model: Any = Params
    for part in location[:-1]:
        raw = raw[part]
        if isinstance(part, str):
            model = _section_of(model.model_fields[part].annotation)
        model = model.for_value(raw)
    return cast(type[Section], model)


def _stranger(model: type[Section], key: str | int) -> str:
    """What is said of an unknown key: of what else it is one, where its section names a thing among several."""
    try:
        others = (
            [name for name, thing in model.things.all().items() if key in thing.model_fields]
            if issubclass(model, Choice)
            else []
        )
    except RegistryError:  # of a package that nobody names here
        others = []
    return f"unknown key (it is one of {', '.join(others)})" if others else "unknown key"


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_of(inner)
        if found is not None:
            return found
    return None
