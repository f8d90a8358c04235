"""What all sections of params.yaml are made of: strict, immutable models and the types of their values."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.ground.languages import canonical_language
from pipeline.ground.registry import Origin, Registry, RegistryError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(gt=0)]
Language = Annotated[str, AfterValidator(canonical_language)]


NO_FILE_ENCODINGS = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")
"""Python's encodings of names and of literals, which no corpus is in."""


def known_encoding(name: str) -> str:
    """Python's own name of a file's encoding.

    Raises:
        ValueError: if it is none that a file may be in.
    """
    try:
        found = codecs.lookup(name)
        if not getattr(found, "_is_text_encoding", True) or found.name.replace("-", "_") in NO_FILE_ENCODINGS:
            raise LookupError
        return found.name
    except LookupError:
        raise ValueError(f"{name!r} is not an encoding that Python knows; expected one like 'utf-8'") from None


Encoding = Annotated[str, AfterValidator(known_encoding)]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def for_value(cls, value: Any) -> type[Section]:
        """The section whose keys a value of params.yaml may have."""
        return cls


class Choice(Section):
    """A section whose keys depend on the thing that it names: its class is found in a registry, and has them as fields.

    Attributes:
        things: where it is found; set on the one class that stands for all of them in params.yaml's types.
    """

    things: ClassVar[Registry[Any]]

    @classmethod
    def for_value(cls, value: Any) -> type[Section]:
        """See `Section.for_value`.

        Raises:
            RegistryError: if the thing can't be used.
        """
        if "things" not in vars(cls) or not isinstance(value, dict):
            return cls
        name = value.get(cls.things.key, cls.model_fields[cls.things.key].default)
        return cls.section_of(cls.things.find(name)) if isinstance(name, str) else cls

    @classmethod
    def section_of(cls, thing: type[Section]) -> type[Section]:
        """The section that stands for a thing in params.yaml: as a rule itself."""
        return thing

    @model_validator(mode="wrap")
    @classmethod
    def _choose(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, cls):
            return value
        try:
            chosen = cls.for_value(value)
        except RegistryError as error:
            key = cls.things.key
            problem = PydanticCustomError("value_error", "{problem}", {"problem": str(error)})
            raise ValidationError.from_exception_data(
                cls.__name__, [{"type": problem, "loc": (key,), "input": value.get(key)}]
            ) from None
        if chosen is cls:
            return handler(value)
        # What another thing's option is may stand there as null: a sweep over names and options has such combinations.
        lacking = {key for key, one in value.items() if one is None and key not in chosen.model_fields}
        spare = {key for key in lacking if any(key in thing.model_fields for thing in cls.things.all().values())}
        return cast(Self, chosen.model_validate({key: one for key, one in value.items() if key not in spare}))

    @property
    def origin(self) -> Origin | None:
        """The installed package that brings it; None if it is softalign's own."""
        return self.things.origin(getattr(self, self.things.key))


def plugins(*chosen: Choice) -> dict[str, dict[str, str]]:
    """What installed packages bring of some things, by its name: the package with its version, and a hash of its code."""
    found = {getattr(one, one.things.key): one.origin for one in chosen}
    return {
        name: {"package": str(origin), "code": origin.source}
        for name, origin in sorted(found.items())
        if origin is not None
    }
