"""Pushing an export to the Hugging Face hub, with the hub's own client and its own login.

A repository is private unless the user asks for a public one: the text that a model was trained on may not allow more, and
making public what was private is a click, the reverse isn't. The token stays with the client: it is neither read, shown nor
stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.console.errors import UserError


def check_login(name: str, api: Any | None = None) -> Any:
    """The hub's client, if it can push under a name; asked before hours of work, not after.

    Args:
        name: ``user/model``, or ``model`` alone for the logged-in user's.
        api: the client; the hub's own if None.

    Raises:
        UserError: if the name can't be one, nobody is logged in, or the hub can't be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # imported there, not exported

    api = api or HfApi(library_name="softalign")
    with _one_line(name):
        validate_repo_id(name)
        api.whoami()
    return api


def push(api: Any, name: str, folder: Path, files: Sequence[str], public: bool) -> str:
    """Create a repository if there is none, and upload an export's files.

    Args:
        api: the client that `check_login` gave.
        name: the repository's name.
        folder: the folder of the export.
        files: the files to upload, relative to the folder; nothing else that lies there goes along.
        public: whether it is made public; else it is private, and a public one is refused.

    Returns:
        Where it is.

    Raises:
        UserError: if the hub refuses, can't be reached, or has a public repository of that name.
    """
    with _one_line(name):
        where = api.create_repo(name, private=not public, exist_ok=True)
        repository = getattr(where, "repo_id", name)
        if not public and not api.model_info(repository).private:
            raise UserError(f"--push-to-hub: {repository} is there and is public; give --public to push to it")
        api.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            allow_patterns=list(files),
            commit_message="Export of softalign",
        )
    return str(where)


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """What the hub's client raises, as one line that says what to do."""
    from httpx2 import HTTPError  # what huggingface_hub talks with; its own errors are of this kind too
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    start = f"--push-to-hub: {name}:"
    try:
        yield
    except HFValidationError as error:
        raise UserError(f"{start} no name of a repository ({_first_line(error)}); expected USER/MODEL") from None
    except LocalTokenNotFoundError:
        raise UserError(f"{start} not logged in to the hub; run `hf auth login` first") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status == 401:
            raise UserError(f"{start} the hub does not know this login; run `hf auth login` again") from None
        if status == 403:
            raise UserError(
                f"{start} this login may not write there; it needs a token with the right to write"
            ) from None
        raise UserError(f"{start} the hub refused ({_first_line(error)})") from None
    except (OfflineModeIsEnabled, HTTPError, OSError) as error:
        raise UserError(f"{start} the hub can't be reached ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
