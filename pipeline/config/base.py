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
from pipeline.ground.registry import Registry, RegistryError

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
        things: where it is found; its ``base`` is the one class that stands for all of them in params.yaml's types.
    """

    things: ClassVar[Registry[Any]]

    @classmethod
    def for_value(cls, value: Any) -> type[Section]:
        """See `Section.for_value`.

        Raises:
            RegistryError: if the thing can't be used.
        """
        name = value.get(cls.things.key) if isinstance(value, dict) else None
        return cls.things.find(name) if cls is cls.things.base and isinstance(name, str) else cls

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
                cls.__name__, [{"type": problem, "loc": (key,), "input": value[key]}]
            ) from None
        if chosen is cls:
            return handler(value)
        # What another thing's option is may stand there as null: a sweep over names and options has such combinations.
        lacking = {key for key, one in value.items() if one is None and key not in chosen.model_fields}
        spare = {key for key in lacking if any(key in thing.model_fields for thing in cls.things.all().values())}
        return cast(Self, chosen.model_validate({key: one for key, one in value.items() if key not in spare}))
