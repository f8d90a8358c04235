"""Unit costs: what one sentence, pair, product or byte costs on this machine, measured once and kept in a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.console.errors import InputError
from pipeline.ground.atomic import write_text


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class UnitCosts:
    """Rates of the machine at hand, in units a second, and sizes of the project's models and sentences."""

    cores: int  # processor cores that were used
    matrix_flops: float  # operations of float32 matrix products, a second
    disk_bytes: float  # bytes written and synced, a second
    prepare_lines: float  # lines of text that stage prepare reads, cleans and writes, a second
    teacher_tokenize: float  # sentences that the teacher's tokenizer cuts, a second
    student_tokenize: float  # sentences that the student's tokenizer cuts, a second
    tokenizer_sentences: float  # sentences that a tokenizer is trained on, a second
    teacher_encode: float  # sentences that the teacher embeds, a second
    student_encode: float  # sentences that the student embeds, a second
    train_pairs: float  # pairs that go through a training step, a second
    search_flops: float  # operations of exact search, both directions from one product, a second
    scan_codes: float  # compressed vectors that an approximate search looks at, a second
    teacher_tokens: float  # the teacher's tokens in an average sentence
    student_tokens: float  # the student's tokens in an average sentence
    sentence_bytes: float  # UTF-8 bytes in an average sentence
    teacher_layers: int  # the teacher's parameters but its token vectors
    student_layers: int  # the student's parameters but its token vectors; 0 for a static one
    student_parameters: int  # all of the student's parameters
    teacher_dimension: int  # numbers in one of the teacher's vectors
    student_dimension: int  # numbers in one of the student's vectors
    encoders: str  # the models' names, for comparison with the project's


def save_units(path: Path, units: UnitCosts) -> None:
    """Keep unit costs in a JSON file."""
    write_text(path, json.dumps(asdict(units), indent=2, sort_keys=True) + "\n")


def load_units(path: Path) -> UnitCosts:
    """Unit costs that were kept.

    Raises:
        InputError: if there are none, or they are another version's.
    """
    try:
        return TypeAdapter(UnitCosts).validate_json(path.read_bytes())
    except FileNotFoundError:
        problem = "no unit costs of this machine yet; softalign plan --measure takes them (minutes)"
    except OSError as error:
        problem = f"not readable ({error.strerror}); softalign plan --measure writes it anew"
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            problem = f"not readable as JSON ({first['ctx']['error']}); softalign plan --measure writes it anew"
        elif first["type"] in {"missing", "unexpected_keyword_argument", "dataclass_type"}:
            problem = "not the unit costs of this version; softalign plan --measure writes them anew"
        else:
            problem = f"{first['loc'][0]}: found {first['input']!r}; softalign plan --measure writes it anew"
    raise InputError(path, problem)
