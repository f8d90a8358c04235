"""Lines of benchmark files, and which languages of them are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.ground.languages import choose_codes, usual_language


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file [n], without line ends; empty ones keep their place, only the end of the file has none.

    Raises:
        InputError: for a missing file, or text that isn't UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except IsADirectoryError:
        raise InputError(path, "a folder; expected a file") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 ({error.reason} at byte {error.start:,})") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    return lines


def same_length(files: Sequence[tuple[Path, list[str]]]) -> None:
    """Refuse files that should be aligned line by line and can't be.

    Raises:
        InputError: naming the first two that differ, and their lengths; or the first one without lines.
    """
    first, lines = files[0]
    for path, other in files:
        if len(other) != len(lines):
            raise InputError(
                f"{first} and {path}", f"{len(lines):,} and {len(other):,} lines; expected equally many, aligned"
            )
        if not other:
            raise InputError(path, "holds no lines; expected sentences")


def choose_languages(codes: Iterable[str], wanted: Sequence[str] | None) -> dict[str, str]:
    """From a benchmark's own codes to the languages of results.

    With ``wanted``, only those languages, each from the code that says exactly it if there is one (``fra`` and not
    ``fra-CA`` for ``fr``). Without, all; a code that no standard knows, or whose language another one has, names itself.

    >>> choose_languages(["eng_Latn", "fra_Latn", "kor_Hang"], ["fr", "en"])
    {'eng_Latn': 'en', 'fra_Latn': 'fr'}
    """
    if wanted is not None:
        return dict(sorted(choose_codes(codes, tuple(wanted)).items()))
    chosen: dict[str, str] = {}
    for code in sorted(codes, key=lambda code: (len(code), code)):  # the shortest says the least besides the language
        language = usual_language(code)
        chosen[code] = code if language in chosen.values() else language
    return dict(sorted(chosen.items()))
