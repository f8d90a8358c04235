"""What the account of prepare says in words: where nothing, or less than half, came of something, and why.

Each note is a line that names the corpus and the language pair, the counts and the main reason. No note stops a run; that
nothing at all is kept does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.params import Params
from pipeline.console.errors import UserError
from pipeline.console.plain_text import clip, visible
from pipeline.ground.languages import other_languages, scripts_of
from pipeline.prepare.account import Account, UnitAccount
from pipeline.prepare.hubs import Hub
from pipeline.prepare.reading import CleaningWork

LARGE_SHARE = 0.5
"""One reason that takes more than this share of the units is named."""

SHOWN_CHARS = 60
SHOWN_NOTES = 3


def find_notes(
    params: Params,
    works: Sequence[CleaningWork],
    account: Account,
    metrics: Mapping[str, Any],
    hubs: Mapping[Hub, str],
    benchmarks: Mapping[str, int],
) -> list[str]:
    """All that is to be said of a run.

    Args:
        params: the whole of params.yaml.
        works: the corpora, as they were planned and read.
        account: what became of their units.
        metrics: the counts of what was written: ``pairs`` and ``heldout``.
        hubs: sentences with many counterparts, with their texts.
        benchmarks: by name, the rows of each that couldn't be read.
    """
    notes = [note for work in works for note in _corpus_notes(work, account)]
    notes += _pair_notes(params, metrics)
    notes += _hub_notes(hubs)
    for name, count in benchmarks.items():
        if count:
            notes.append(
                f"benchmark {name}: {count:,} of its rows can't be read, and their sentences are not looked for"
            )
    languages = [*params.used_languages, *(text.language for text in params.prepare.text)]
    if params.prepare.clean.min_script:
        notes += [
            f"{language}: its script isn't known here, so prepare.clean.min_script says nothing of it (a code with the "
            f"script, such as {language}-Latn, does)"
            for language in dict.fromkeys(languages)
            if not scripts_of(language)
        ]
    return [visible(note) for note in notes]


def refuse_nothing(metrics: Mapping[str, Any], limit: int | None = None) -> None:
    """Stop where nothing is left of the parallel text, of which ``limit`` units a corpus were looked at (None: all).

    Raises:
        UserError: saying what became of the corpora, if no pair is kept for training or held out.
    """
    if any(metrics["pairs"].values()) or any(count for of in metrics["heldout"].values() for count in of.values()):
        return
    of = "" if limit is None else f" of the first {limit:,} units of each corpus"
    notes = metrics["notes"]
    more = f"; and {len(notes) - SHOWN_NOTES:,} more notes" if len(notes) > SHOWN_NOTES else ""
    raise UserError(f"prepare: no pair is kept{of}: {'; '.join(notes[:SHOWN_NOTES])}{more}")


def _corpus_notes(work: CleaningWork, account: Account) -> Iterator[str]:
    """What is to be said of one corpus (or one-sided text)."""
    request, found = work.request, account.corpora[work.number]
    yield from (f"{request.name}: {line}" for line in request.notes.lines())
    others = other_languages(request.wanted)
    aside = f"; {others}" if others else ""
    if not found.total.read:
        names = ", ".join(dict.fromkeys(source.name for unit in work.units[:SHOWN_NOTES] for source in unit.sources))
        yield f"{request.name}: nothing in {'-'.join(request.wanted)} was read from it ({names}){aside}"
        return
    for group in request.groups:
        outcome = found.outcomes.get(" ".join(group), UnitAccount())
        name = f"{request.name}: {'-'.join(group)}"
        if not outcome.read:
            if set(group) <= set(request.languages):
                yield f"{name}: nothing was read{aside}"
            continue
        reason, count = max(outcome.rejected.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if not outcome.kept and not outcome.heldout:
            what = "nothing is kept"
        elif count > LARGE_SHARE * outcome.read:
            what = f"only {outcome.kept + outcome.heldout:,} are kept"
        else:
            continue
        main = f"{count:,} of {outcome.read:,} are left out as {reason} (the first: {outcome.first[reason][1]})"
        yield f"{name}: {what}: {main}{aside if reason == 'missing-side' else ''}"
    for code in request.wanted.unmet():
        yield f"{request.name}: rename: no file, column or text of it calls a language {code}"


def _pair_notes(params: Params, metrics: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of the project's language pairs."""
    held = params.prepare.heldout.share and any(corpus.heldout for corpus in params.prepare.corpora)
    for name, count in metrics["pairs"].items():
        if not count:
            yield f"{name}: no training pair is kept"
        elif held and (lacking := [of for of in ("dev", "test") if not metrics["heldout"][of][name]]):
            yield (
                f"{name}: no pair is held out for {' and '.join(lacking)} (prepare.heldout.share is "
                f"{params.prepare.heldout.share:g}): {_lost(lacking)}"
            )
    names = [pair.name for pair in params.language_pairs]
    for name in params.prepare.clean.length_ratios:
        if name not in names:
            yield f"prepare.clean.length_ratios: {name} is none of the pairs {', '.join(names)}, so it says nothing"


def _lost(lacking: Sequence[str]) -> str:
    lost = {"dev": "nothing tunes the threshold or chooses the student", "test": "nothing is measured"}
    return ", ".join(lost[name] for name in lacking)


def _hub_notes(hubs: Mapping[Hub, str]) -> Iterator[str]:
    for hub, text in hubs.items():
        yield (
            f"{hub.languages.replace(' ', '-')}: {clip(text, SHOWN_CHARS)!r} ({hub.language}) stands opposite {hub.count:,} "
            "different sentences; if it says that there is no translation, add it to prepare.clean.placeholders"
        )
