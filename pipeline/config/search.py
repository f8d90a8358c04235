"""The values of the keys ``search`` and ``index``, which the sections ``mine`` and ``neighborhoods`` share."""

from __future__ import annotations

import importlib.util
import pkgutil
from importlib.metadata import entry_points
from typing import Annotated

from pydantic import AfterValidator

BACKENDS = "pipeline.search.backends"
"""The folder of the search backends, a file each; not imported here, since it brings torch and FAISS."""

ENTRY_POINTS = "softalign.search"
"""The entry points by which an installed package brings more of them."""

EARLIER = {"approximate": "faiss"}
"""What a backend was called earlier."""


def search_names() -> list[str]:
    """What ``search`` may be."""
    spec = importlib.util.find_spec(BACKENDS)
    places = spec.submodule_search_locations if spec else None
    own = {found.name.replace("_", "-") for found in pkgutil.iter_modules(places or []) if found.name[0] != "_"}
    return ["auto", *sorted(own | {entry.name for entry in entry_points(group=ENTRY_POINTS)})]


def known_search(name: str) -> str:
    """A search backend's name as it is today.

    Raises:
        ValueError: if there is none of the name.
    """
    name = EARLIER.get(name, name)
    if name not in (names := search_names()):
        raise ValueError(f"there is no search backend {name!r}; expected one of {', '.join(names)}")
    return name


SearchName = Annotated[str, AfterValidator(known_search)]


def check_index(search: str, index: str | None) -> None:
    """Refuse an index that the search would not use.

    Raises:
        ValueError: saying what to write.
    """
    if index is not None and search == "exact":
        raise ValueError(f"index {index!r} is FAISS', and search is exact; write search: faiss, or index: null")
