"""What all sections of params.yaml are made of: strict, immutable models and the types of their values."""

from __future__ import annotations

import codecs
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.ground.languages import canonical_language

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
