"""Unit costs: what one sentence, pair, product or byte costs on this machine, measured once and kept in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.ground.atomic import write_text


@dataclass(frozen=True)
class UnitCosts:
    """Rates of the machine at hand, with the models of a project."""

    cores: int  # that were used
    matrix_flops: float  # float32 matrix products, operations a second
    disk_bytes: float  # written and synced, a second
    prepare_lines: float  # lines of text that stage prepare reads, cleans and writes, a second
    teacher_tokenize: float  # sentences that the teacher's tokenizer cuts, a second
    student_tokenize: float  # of the student's
    tokenizer_sentences: float  # sentences that a tokenizer is trained on, a second
    teacher_encode: float  # sentences that the teacher embeds, a second
    student_encode: float  # of the student's
    train_pairs: float  # pairs that go through a training step, a second
    search_flops: float  # exact search for neighbours, both directions from one product, operations a second
    scan_codes: float  # compressed vectors that an approximate search looks at, a second
    teacher_tokens: float  # of an average sentence
    student_tokens: float  # of an average sentence
    sentence_bytes: float  # of an average sentence, as UTF-8
    teacher_layers: int  # parameters of the teacher but its token vectors
    student_layers: int  # of the student's; 0 of a static one
    student_parameters: int  # all of the student's
    teacher_dimension: int  # of its vectors
    student_dimension: int  # of its vectors
    encoders: str  # which models these are, for comparison with the project's


def save_units(path: Path, units: UnitCosts) -> None:
    """Keep unit costs in a JSON file."""
    write_text(path, json.dumps(asdict(units), indent=2, sort_keys=True) + "\n")


def load_units(path: Path) -> UnitCosts:
    """Unit costs that were kept.

    Raises:
        InputError: if there are none, or they are another version's.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            path, "no unit costs of this machine yet; softalign plan --measure takes them (minutes)"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"not readable as JSON ({error}); softalign plan --measure writes it anew") from None
    wanted = {field.name: (str if field.type == "str" else (int, float)) for field in fields(UnitCosts)}
    if not isinstance(raw, dict) or set(raw) != set(wanted):
        raise InputError(path, "not the unit costs of this version; softalign plan --measure writes them anew")
    for name, kinds in wanted.items():
        if not isinstance(raw[name], kinds) or isinstance(raw[name], bool):
            raise InputError(path, f"{name}: found {raw[name]!r}; softalign plan --measure writes it anew")
    return UnitCosts(**raw)
