"""The values of the keys ``search`` and ``index``, which the sections ``mine`` and ``neighborhoods`` share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from pipeline.ground.registry import Registry

BACKENDS = "pipeline.search.backends"
"""The folder of the search backends, a file each; not imported here, since it brings torch and FAISS."""

ENTRY_POINTS = "softalign.search"
"""The entry points by which an installed package brings more of them."""

EARLIER = {"approximate": "faiss"}
"""What a backend was called earlier."""


def search_names() -> list[str]:
    """What ``search`` may be."""
    found: Registry[Any] = Registry("search backend", BACKENDS, object, ENTRY_POINTS)
    return ["auto", *found.listed()]


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
