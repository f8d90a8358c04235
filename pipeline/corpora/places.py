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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import CorpusSource, ReadRequest, file_source
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
    absolute = Path(template).is_absolute()
    pattern = template if absolute else f"{glob.escape(str(request.root))}/{template}"
    paths = _paths(
        PLACEHOLDER.sub("*", pattern), plain=not PLACEHOLDER.search(template) and not glob.has_magic(template)
    )
    if not paths:
        raise InputError(f"corpus {request.name}: {template}", "no file matches")
    regex = _regex(pattern, [CODE, *(re.escape(code) for code, _ in request.rename)])
    found = [_match(path, regex, request) for path in paths]
    return [match for match in found if match is not None]


def _paths(pattern: str, plain: bool) -> list[str]:
    if plain:
        path = re.sub(r"\[([*?[])\]", r"\1", pattern)  # undo the escape of the project's own folder
        if Path(path).is_dir():
            return sorted(str(inner) for inner in Path(path).rglob("*") if not inner.is_dir())
        return [path]
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern may be absolute, which Path.glob refuses
    return sorted(path for path in matches if not Path(path).is_dir())


def _regex(pattern: str, codes: list[str]) -> re.Pattern[str]:
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{'|'.join(codes)})"

    parts = re.split(r"(\{(?:a|b|lang)\}|\*\*/?|\*|\?|\[[^\]]+\])", pattern)
    out = []
    for part in parts:
        if match := PLACEHOLDER.fullmatch(part):
            out.append(placeholder(match))
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
    name = display_name(Path(path), request.root)
    if not regex.groups:
        return Found(file_source(Path(path), name), {}, name)
    match = regex.fullmatch(path)
    if match is None:
        return None
    languages = {}
    for placeholder, code in match.groupdict().items():
        language = match_language(code, request.wanted)
        if language is None:
            return None
        languages[placeholder] = language
    if "lang" not in languages:
        return Found(file_source(Path(path), name), languages, path)
    start, end = match.span("lang")
    family = f"{path[:start]}{{lang}}{path[end:]}"
    return Found(file_source(Path(path), name), languages, family, match["lang"])


def one_a_language(found: Iterable[tuple[str, CorpusSource]], request: ReadRequest) -> dict[str, CorpusSource]:
    """The file of each wanted language among files that belong together; what another says better is named and not read.

    Args:
        found: how a file spells its language, and the file.
        request: what is asked.
    """
    sources = dict(found)
    chosen = choose_codes(sources, request.wanted)
    for code, source in sources.items():
        language = match_language(code, request.wanted)
        if language is not None and code not in chosen:
            other = next(sources[best] for best, of in chosen.items() if of == language)
            log.warning("corpus %s: %s is not read: %s says %s better", request.name, source.name, other.name, language)
    return {language: sources[code] for code, language in chosen.items()}
