"""What the commands that mine show: what was read and found, and what there is to choose a threshold by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.inspecting.view import Table, View
    from pipeline.mining.files.gold import GoldResult
    from pipeline.mining.files.result import MiningResult
    from pipeline.mining.files.vectors import EmbeddedText
    from pipeline.mining.judging.control import Control
    from pipeline.mining.judging.histogram import Histogram
    from pipeline.mining.judging.planted import Estimate


def summary(result: MiningResult, title: str) -> View:
    """What was read, found and written."""
    from pipeline.inspecting.view import View, flatten, value_text
    from pipeline.mining.judging.threshold import explain_infinite

    facts = [side_fact(result.a), side_fact(result.b)]
    found = dict(result.search)
    backend, how = found.pop("search"), "exact" if found.pop("exact") else "approximate"
    details = [f"{name} {value_text(value)}" for name, value in flatten(found)]
    facts.append(("search", ", ".join([*dict.fromkeys((backend, how)), *details])))
    if result.threshold is not None:
        facts.append(("threshold", f"{result.threshold:.6f}"))
        judged = result.gold if result.estimate is None else result.estimate
        if said := explain_infinite(result.threshold, 0 if judged is None else judged.quality.gold):
            facts.append(("note", said))
    facts.append(("pairs", f"{result.found:,} found, {result.written:,} written"))
    facts += left_out_facts(result)
    if result.estimate is not None:
        facts.append(("known pairs", known_text(result.estimate, result.known_left_out)))
    if result.control is not None:
        facts.append(("false pairs", control_text(result.control, result.threshold)))
    facts += [("file", str(path)) for path in result.files]
    tables = [histogram_table(result.spread, result.threshold)]
    if result.gold is not None:
        tables.insert(0, gold_table(result.gold))
    return View(title, tuple(facts), tuple(tables))


def side_fact(side: EmbeddedText) -> tuple[str, str]:
    """What was read of a side, for the summary; nothing that was left out goes unsaid."""
    text = side.text
    rows, different = int(text.usable.sum()), len(side.first) + side.without_tokens
    parts = [f"{len(text):,} rows", f"{different:,} different sentences"]
    for count, what in (
        (text.empty, "empty"),
        (text.unreadable, "can't be read"),
        *((count, f"break the rule {name}") for name, count in text.broken.items()),
        (rows - different, "copies of others"),
        (side.without_tokens, "of which the model makes nothing"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    if side.reused:
        parts.append("vectors used again")
    return (f"{text.source.path} ({text.language})", ", ".join(parts))


def left_out_facts(result: MiningResult) -> list[tuple[str, str]]:
    """What the rules left out, and what of the lines' texts is conspicuous."""
    found, left, lines = [], result.left_out, result.lines
    if lines is not None and lines.same:
        found.append(("same text on both sides", f"{lines.same:,} lines"))
    elif lines is None and (left.copies_a or left.copies_b):
        counts = f"{left.copies_a:,} sentences of {result.a.text.source.path}, {left.copies_b:,} of "
        found.append(("same text on both sides", f"{counts}{result.b.text.source.path}; not paired with each other"))
    if lines is not None and lines.exchanged:
        found.append(("sides look exchanged", f"{lines.exchanged:,} lines, by their scripts"))
    if left.broken:
        what = "lines, not scored" if lines is not None else "best candidates; the next best was taken"
        found.append(("left out by rule", f"{_by_rule(left.broken)} ({what})"))
    if left.gold:
        found.append(("gold pairs that break a rule", f"{_by_rule(left.gold)} (--keep)"))
    return found


def _by_rule(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def known_text(estimate: Estimate, left_out: int) -> str:
    """What known pairs say of the threshold."""
    quality, interval = estimate.quality, estimate.intervals.threshold
    wrong = quality.extracted - quality.correct
    return (
        f"{estimate.known:,} used, {left_out:,} left out; threshold {estimate.threshold:.4f} (95 % interval "
        f"{interval.low:.4f} to {interval.high:.4f}): {quality.correct:,} of the {quality.gold:,} planted on both sides come "
        f"back, and {wrong:,} wrong ones"
    )


def control_text(control: Control, threshold: float | None) -> str:
    """What a control accepts, and the thresholds at which it would accept fewer."""
    from pipeline.mining.judging.control import RATES

    how = {
        "documents": "sentences mined against other documents",
        "partners": "accepted sentences mined again without their partners",
        "lines": "lines shifted against each other",
    }[control.kind]
    parts = []
    if threshold is not None:
        parts.append(f"{control.accepted(threshold):,} of {control.searched:,} ({100 * control.rate(threshold):.2f} %)")
    else:
        parts.append(f"{control.searched:,} looked at")
    limits = [(rate, control.threshold_at(rate)) for rate in RATES]
    parts += [f"{100 * rate:g} % at {limit:.4f}" for rate, limit in limits if math.isfinite(limit)]
    return ", ".join(parts) + f"; {how}"


def histogram_table(spread: Histogram, threshold: float | None) -> Table:
    """Scores in bins with bars; where the threshold lies is marked."""
    from pipeline.inspecting.view import Table
    from pipeline.mining.judging.histogram import bar

    most = int(spread.counts.max(initial=0))
    rows, last = [], len(spread.counts) - 1
    for place, (low, high, count) in enumerate(spread.rows()):
        # The outermost bins hold the tails, and with them a threshold out there.
        here = threshold is not None and (threshold >= low or place == 0) and (threshold < high or place == last)
        rows.append((f"{low:.3f}", f"{count:,}", f"{bar(count, most)}{' <- threshold' if here else ''}".strip()))
    note = "two heaps: cut in the valley between them; one heap: no threshold will part right from wrong"
    return Table("scores of all pairs found", ("from", "pairs", ""), tuple(rows), frozenset({"from", "pairs"}), note)


def gold_table(result: GoldResult) -> Table:
    """Precision, recall, F1 and threshold with their intervals."""
    from pipeline.inspecting.view import Table

    quality, intervals = result.quality, result.intervals
    rows = [
        (name, f"{100 * value:.2f}", f"{100 * interval.low:.2f}", f"{100 * interval.high:.2f}")
        for name, value, interval in (
            ("precision", quality.precision, intervals.precision),
            ("recall", quality.recall, intervals.recall),
            ("F1", quality.f1, intervals.f1),
        )
    ]
    note = f"{quality.extracted:,} pairs, {quality.correct:,} of them right, {quality.gold:,} gold pairs"
    if result.tuned:
        low, high = intervals.threshold.low, intervals.threshold.high
        note += f"; threshold tuned on this gold, 95 % interval {low:.4f} to {high:.4f}"
    return Table("against gold, in per cent", ("what", "value", "95 % from", "to"), tuple(rows), note=note)
