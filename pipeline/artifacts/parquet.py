"""What a Parquet file says of itself, and whether its bytes are those that were written.

As in the Arrow shards (`pipeline.artifacts.shards`), one entry ``softalign`` of the footer's metadata holds JSON: what made
the file, the version of its form, its checksum.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.shards import METADATA_KEY
from pipeline.console.errors import ArtifactError, DamagedError, VersionError
from pipeline.ground.file_checksum import KEY, blank, check_seal, is_sealed
from pipeline.ground.hashing import canonical_json

FORMAT = 2
"""The version of the files' form: 2 has a checksum; 1 had none, and didn't say its version."""


def sealed_metadata(made_by: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The schema's metadata of a file that `pipeline.ground.file_checksum.seal` is to fill in once it is written."""
    return {METADATA_KEY: canonical_json({**made_by, "format": FORMAT, **blank()}).encode()}


def read_about(path: Path) -> dict[str, Any]:
    """What a Parquet file says of itself, unchecked; empty for a file that isn't softalign's."""
    try:
        about = json.loads((pq.read_metadata(path).metadata or {}).get(METADATA_KEY, b"null"))
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def read_made_by(path: Path, expected: Mapping[str, Any], formats: Sequence[int] = (FORMAT,)) -> dict[str, Any]:
    """What made a Parquet file, after checking all its bytes (once per file and process).

    ``expected``: entries that the metadata must have (the kind, the language pair); ``formats``: versions that are read.

    Raises:
        DamagedError: if it isn't Parquet, cut short, or its bytes are not those that were written.
        VersionError: if it is of another format version.
        ArtifactError: if it is missing, or something else than expected.
    """
    try:
        footer = pq.read_metadata(path).metadata or {}
        made_by = json.loads(footer.get(METADATA_KEY, b"null"))
    except FileNotFoundError:
        raise ArtifactError(path, "missing; run the stage that writes it") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedError(path, f"not a readable Parquet file ({str(error).splitlines()[0]})") from None
    if is_sealed(path) or (isinstance(made_by, dict) and made_by.get("format") == FORMAT):
        check_seal(path)
    if not isinstance(made_by, dict):
        raise ArtifactError(
            path, "a Parquet file, but not one of softalign's: its metadata lacks the 'softalign' entry"
        )
    version = made_by.get("format", 1)
    if version not in formats:
        newer = isinstance(version, int) and version > FORMAT
        action = "upgrade softalign, or run its stage again" if newer else "run its stage again (`dvc repro`)"
        raise VersionError(path, f"format version {version}, expected {FORMAT}; {action}")
    for key, value in expected.items():
        if made_by.get(key) != value:
            found = json.dumps(made_by.get(key), ensure_ascii=False)
            raise ArtifactError(path, f"its {key} is {found}, expected {json.dumps(value)}; run its stage again")
    return {key: value for key, value in made_by.items() if key != KEY}
