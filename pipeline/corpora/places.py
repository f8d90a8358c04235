"""From a path in params.yaml to files: globs, and templates that hold languages.

``{a}`` and ``{b}`` in a template stand for the two languages of a pair, ``{lang}`` for the language of the file. They are
matched against what is there and unified by `pipeline.ground.languages`, so ``{a}-{b}`` finds ``en-fr``, ``fr-en`` and
``eng_Latn-fra_Latn`` alike.
"""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import CorpusSource, ReadRequest, Unit, file_source, require_languages
from pipeline.ground.languages import CODE, choose_codes, match_language

log = logging.getLogger(__name__)

PLACEHOLDER = re.compile(r"\{(a|b|lang)\}")


@dataclass(frozen=True)
class Found:
    """A file that a template matched.

    Attributes:
        source: the file.
        languages: the canonical language of each placeholder.
        family: its name with ``{lang}`` left open: the same for files that belong together.
        code: how ``{lang}`` is spelled there; empty without one.
    """

    source: CorpusSource
    languages: dict[str, str]
    family: str
    code: str = ""

    def groups(self, request: ReadRequest) -> tuple[tuple[str, ...], ...]:
        """Those of the wanted language pairs that hold every language that the file's name says."""
        return tuple(group for group in request.groups if set(self.languages.values()) <= set(group))


def display_name(path: Path, root: Path) -> str:
    """A path as provenance shows it: relative to the project."""
    return encodable(Path(os.path.relpath(path, root)).as_posix())


def encodable(name: str) -> str:
    r"""A file's name as text that can be written: bytes that were no UTF-8 become escapes.

    >>> encodable(b"caf\xe9".decode("utf-8", "surrogateescape"))
    'caf\\udce9'
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def find_files(request: ReadRequest) -> list[Found]:
    """The files that a request's path means, in the order of their names; a folder means all files under it.

    Files whose placeholders are no wanted language are left out: they are other people's languages.

    Raises:
        UserError: if nothing matches, or what matches is not a readable file.
    """
    template = request.path or ""
    if unknown := re.findall(r"\{(?!a\}|b\}|lang\})[^}]*\}", template):
        raise UserError(
            f"corpus {request.name}: path: {unknown[0]} stands for nothing; allowed are {{a}}, {{b}}, {{lang}}"
        )
    pattern = template if Path(template).is_absolute() else f"{glob.escape(str(request.root))}/{template}"
    plain = not PLACEHOLDER.search(template) and not glob.has_magic(template)
    paths = _paths(PLACEHOLDER.sub("*", pattern), plain)
    if not paths:
        raise InputError(f"corpus {request.name}: {template}", "no file matches")
    regex = _regex(pattern, [CODE, *(re.escape(code) for code, _ in request.rename)])
    found = [_match(path, regex, request) for path in paths]
    return [match for match in found if match is not None]


def file_units(request: ReadRequest, make: Callable[[Found, ReadRequest], Unit | None]) -> list[Unit]:
    """The units of a format whose units are single files: what ``make`` gives for each file (None: nothing that is wanted).

    Raises:
        UserError: if nothing is found, or nothing for a language that the corpus lists.
    """
    units = [unit for found in find_files(request) if (unit := make(found, request)) is not None]
    return require_languages(request, units, str(request.path))


def named_unit(found: Found, request: ReadRequest) -> Unit | None:
    """A file with the language pairs that its name allows; ``columns`` are the languages that it says."""
    named = tuple(dict.fromkeys(found.languages.values()))
    groups = found.groups(request)
    return Unit((found.source,), groups, tuple((language, 0) for language in named)) if groups else None


def _paths(pattern: str, plain: bool) -> list[str]:
    if plain:
        path = re.sub(r"\[([*?[])\]", r"\1", pattern)  # undo the escape of the project's own folder
        if Path(path).is_dir():
            return sorted(str(inner) for inner in Path(path).rglob("*") if not inner.is_dir())
        return [path]
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute, which Path.glob refuses
    return sorted(path for path in matches if not Path(path).is_dir())


def _regex(pattern: str, codes: list[str]) -> re.Pattern[str]:
    """A glob with placeholders as a regular expression with a group for each of them, which matches any of the codes."""
    out: list[str] = []
    for part in re.split(r"(\{(?:a|b|lang)\}|\*\*/?|\*|\?|\[[^\]]+\])", pattern):
        if match := PLACEHOLDER.fullmatch(part):
            group = f"(?P<{match[1]}>{'|'.join(codes)})"
            out.append(f"(?P={match[1]})" if group in out else group)  # the second time, what it was the first time
        elif part.startswith("**"):
            out.append("(?:.*/)?" if part.endswith("/") else ".*")
        elif part in {"*", "?"}:
            out.append("[^/]*" if part == "*" else "[^/]")
        elif part.startswith("[") and part.endswith("]"):
            out.append(part.replace("[!", "[^") if len(part) > 3 else re.escape(part[1:-1]))
        else:
            out.append(re.escape(part))
    return re.compile("".join(out) + r"\Z")


def _match(path: str, regex: re.Pattern[str], request: ReadRequest) -> Found | None:
    """A file that a template matched; None if it names a language that isn't wanted."""
    name = display_name(Path(path), request.root)
    if not regex.groups:
        return Found(file_source(Path(path), name), {}, name)
    if (match := regex.fullmatch(path)) is None:
        return None
    languages = {}
    for placeholder, code in match.groupdict().items():
        if (language := match_language(code, request.wanted)) is None:
            return None
        languages[placeholder] = language
    family, code = path, ""
    if "lang" in languages:
        (start, end), code = match.span("lang"), match["lang"]
        family = f"{path[:start]}{{lang}}{path[end:]}"
    return Found(file_source(Path(path), name), languages, family, code)


def one_a_language(found: Iterable[tuple[str, CorpusSource]], request: ReadRequest) -> dict[str, CorpusSource]:
    """The file of each wanted language, of files that belong together, by how each spells its language.

    Where two are of one language, the one that says it better is read, and the other is named.
    """
    sources = dict(found)
    chosen = choose_codes(sources, request.wanted)
    best = {language: sources[code] for code, language in chosen.items()}
    for code, source in sources.items():
        language = match_language(code, request.wanted)
        if language is not None and code not in chosen:
            other = best[language].name
            log.warning("corpus %s: %s is not read: %s says %s better", request.name, source.name, other, language)
    return best


def family_units(family: Mapping[str, CorpusSource], request: ReadRequest) -> list[Unit]:
    """A unit of two aligned files (or of one) for each wanted language pair that a family (a file a language) has."""
    groups = [group for group in request.groups if set(group) <= family.keys()]
    return [Unit(tuple(family[language] for language in group), (group,)) for group in groups]
