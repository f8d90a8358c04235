"""The licences of every package that requirements.lock pins, as the table of docs/licences.md; copyleft ones are marked.

    python bench/licences.py > docs/licences.md

What a package says of itself in this environment: its licence expression, else its classifiers, else its licence field.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU|MPL|Mozilla|EUPL|CDDL|EPL", re.IGNORECASE)
HEAD = """# Licences of the locked dependencies

Made by `python bench/licences.py > docs/licences.md`: what each package says of itself. softalign is Apache-2.0 and ships
none of them. Copyleft ones are marked; the LGPL and the MPL bind changes of their own files only, the GPL whoever passes a
package on together with what is built on it.

| package | version | licence | copyleft |
|---|---|---|---|"""


def licence_of(name: str) -> str | None:
    """What a package says of its licence; None if it is not installed."""
    try:
        told = distribution(name).metadata
    except PackageNotFoundError:
        return None
    if expression := told.get("License-Expression"):
        return str(expression)
    classes = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    field = next(iter((told.get("License") or "").strip().splitlines()), "")
    return ", ".join(name for name in classes if name != "OSI Approved") or field[:80] or "(says nothing)"


def main() -> None:
    """Print the page."""
    print(HEAD)
    counted: list[str] = []
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    for line in sorted(lines, key=str.lower):
        name, pinned, version = line.partition("==")
        if not pinned or line.startswith("#"):
            continue
        licence = licence_of(name.split("[")[0])
        shown = (licence or "(not in this environment)").replace("|", "/")
        copyleft = COPYLEFT.search(shown) is not None
        counted += [name] if copyleft else []
        print(f"| {name} | {version.split(';')[0].strip()} | {shown} | {'**yes**' if copyleft else ''} |")
    print(f"\n{len(counted)} of {len(lines)} are copyleft: {', '.join(counted)}.")


if __name__ == "__main__":
    main()
