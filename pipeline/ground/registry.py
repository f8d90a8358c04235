"""What can be chosen by name: a loss, a corpus format, a benchmark, a search backend, an output format.

A thing is a class in a file of its own, in the folder of its kind; the file is the whole of it, and no list names it. Its
name, its options (pydantic's fields, where it has some) and its docstring are what params.yaml, the command line and the
docs know of it. An installed package brings more of them by entry points (the group ``softalign.losses``, for one), without
a change here. Nothing is imported before it is asked for by name: the file of ``opus-zip`` is ``opus_zip.py``.

    class Shout(Output):
        "Texts in capitals."

        name = "shout"

    OUTPUTS = Registry("output format", "pipeline.mining.formats", Output)
    OUTPUTS.find("shout")
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.console.errors import UserError

T = TypeVar("T")


class RegistryError(UserError, ValueError):
    """A name that nothing has, or a thing that can't be used; also a `ValueError`, so that params.yaml names its key."""


@dataclass(frozen=True)
class Origin:
    """The installed package that brought a thing.

    Attributes:
        distribution: its name.
        version: its version.
        source: a hash of what the code of the whole package does, so that an edit of an editable install is seen too;
            empty if there is no source to read.
        place: the package's folder, or the module's file; of an unknown one, an empty path.
    """

    distribution: str
    version: str
    source: str
    place: Path

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class Registry(Generic[T]):
    """The things of one kind.

    Args:
        what: what one is called in messages: ``loss``.
        package: the dotted name of the folder whose modules hold one each; those that begin with ``_`` hold none.
        base: the class that they derive from.
        group: the entry points' group, ``softalign.losses``; None: only the folder's.
        key: the attribute, or pydantic's field with a default, that is a thing's name.
    """

    def __init__(self, what: str, package: str, base: type[T], group: str | None = None, key: str = "name") -> None:
        self.what, self.package, self.base, self.group, self.key = what, package, base, group, key

    def find(self, name: str) -> type[T]:
        """The thing of a name; imports no other.

        Raises:
            RegistryError: if there is none, there are two, or its package can't be imported or holds something else.
        """
        own, plugins = self._module(name), self._plugins(name)
        if len(plugins) + (own is not None) > 1:
            raise RegistryError(
                f"there are {len(plugins) + (own is not None)} {self.what}s called {name!r}: "
                f"{' and '.join([*(['softalign'] if own else []), *map(_described, plugins)])}; uninstall one of them"
            )
        if plugins:
            return self._load(plugins[0])
        if own is None:
            raise RegistryError(self._unknown(name))
        return own

    def names(self) -> list[str]:
        """All names, sorted; imports the folder's modules, but no plugin."""
        return sorted(
            {*(self._name(self._own(stem)) for stem in self._stems()), *(entry.name for entry in self._plugins())}
        )

    def listed(self) -> list[str]:
        """All names, sorted, by the names of files and of entry points alone; imports nothing."""
        return sorted({*(stem.replace("_", "-") for stem in self._stems()), *(entry.name for entry in self._plugins())})

    def all(self) -> dict[str, type[T]]:
        """All things by their names, sorted; imports them.

        Raises:
            RegistryError: if one can't be found or used (`find`).
        """
        return {name: self.find(name) for name in self.names()}

    def origin(self, name: str) -> Origin | None:
        """The installed package that a thing comes from; None if it is softalign's own."""
        plugins = self._plugins(name)
        if not plugins:
            return None
        distribution = plugins[0].dist
        name, version = (distribution.name, distribution.version) if distribution else ("unknown", "")
        place = _place(plugins[0].module)
        return Origin(name, version, _source_hash(place), place)

    def _stems(self) -> list[str]:
        spec = importlib.util.find_spec(self.package)
        places = spec.submodule_search_locations if spec else None
        return [found.name for found in pkgutil.iter_modules(places or []) if not found.name.startswith("_")]

    def _module(self, name: str) -> type[T] | None:
        stem = name.replace("-", "_")
        thing = self._own(stem) if stem in self._stems() else None
        return thing if thing is not None and self._name(thing) == name else None

    def _own(self, stem: str) -> type[T]:
        """The one thing that a module of the folder defines."""
        module = importlib.import_module(f"{self.package}.{stem}")
        found = [
            value
            for value in vars(module).values()
            if self._fits(value) and value.__module__ == module.__name__ and not value.__name__.startswith("_")
        ]
        names = [self._name(thing) for thing in found]
        if [name.replace("-", "_") for name in names] != [stem]:
            raise RegistryError(
                f"{self.package}.{stem}: found {' and '.join(map(repr, names)) or f'no {self.what}'}, expected one "
                f"{self.base.__name__} that has the name of its file"
            )
        thing: type[T] = found[0]
        return thing

    def _plugins(self, name: str | None = None) -> Sequence[EntryPoint]:
        # As metadata are read from disk: only once for each sys.path.
        found = _entry_points(self.group, tuple(sys.path)) if self.group else ()
        return [entry for entry in found if name is None or entry.name == name]

    def _load(self, entry: EntryPoint) -> type[T]:
        where = f"{self.what} {entry.name!r} of {_described(entry)}, {entry.value}"
        try:
            thing: Any = entry.load()
        except Exception as error:
            raise RegistryError(
                f"{where}: can't be imported: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error
        if not self._fits(thing):
            raise RegistryError(f"{where}: found {thing!r}, expected a class derived from {_full_name(self.base)}")
        if self._name(thing) != entry.name:
            raise RegistryError(f"{where}: its class says {self.key} {self._name(thing)!r}, expected the entry point's")
        return thing  # type: ignore[no-any-return]

    def _fits(self, thing: Any) -> bool:
        return isinstance(thing, type) and issubclass(thing, self.base) and thing is not self.base

    def _name(self, thing: type[T]) -> str:
        fields: dict[str, Any] = getattr(thing, "model_fields", {})
        return str(fields[self.key].default if self.key in fields else getattr(thing, self.key, ""))

    def _unknown(self, name: str) -> str:
        known = self.names()
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]!r}? known: " if near else "expected one of "
        return f"there is no {self.what} {name!r}; {guess}{', '.join(known)}"


@lru_cache(maxsize=16)
def _entry_points(group: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _described(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _full_name(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _place(module: str) -> Path:
    """The folder of a module's top-level package; the module's file, if it lies in none."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) if folders else Path((spec and spec.origin) or "")


def _source_hash(place: Path) -> str:
    from pipeline.ground.hashing import code_hash  # imported here: it brings NumPy, and plugins are few

    if place.is_dir():
        return code_hash(place, ["**/*.py"]) if place.name else ""
    return code_hash(place.parent, [place.name]) if place.is_file() else ""
