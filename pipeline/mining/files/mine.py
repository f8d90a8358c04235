"""Mining and scoring from files to files, with any model and without a pipeline.

`mine_files` finds translations among two files' sentences; `score_files` scores pairs that are given, line by line. Texts
and vectors lie in memory-mapped files of a work folder; memory is that of `pipeline.mining.mine` and about 200 bytes a row
while duplicates are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pipeline.config.mine import Mine
from pipeline.config.prepare import Clean
from pipeline.console.errors import UserError
from pipeline.console.progress import progress
from pipeline.encoders.load import ModelEncoder
from pipeline.ground.arrays import Rows
from pipeline.mining.files.gold import GoldResult, against_gold, gold_units
from pipeline.mining.files.known import embed_known, known_estimate
from pipeline.mining.files.lines import Lines
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.text import TextInput, read_sides, read_text
from pipeline.mining.files.units import Units, read_keys, restriction, units_of
from pipeline.mining.files.vectors import EmbeddedText, embed_text
from pipeline.mining.judging.bucc import check_offset, gold_flags
from pipeline.mining.judging.control import (
    Control,
    partner_control,
    restricted_control,
    shared_documents,
    shuffled_control,
)
from pipeline.mining.judging.histogram import Histogram, histogram
from pipeline.mining.judging.planted import Estimate
from pipeline.mining.judging.quality import cost, exact_sample
from pipeline.mining.judging.threshold import tune
from pipeline.mining.mine import Mined, find_neighbors, mine_neighbors, search_job
from pipeline.mining.pair_rules import MinedRules, PairRules, counted
from pipeline.mining.row_texts import RowTexts
from pipeline.search.copies import Copies
from pipeline.search.neighbors import Search
from pipeline.search.scratch import ScratchArrays

Inputs = tuple[TextInput, TextInput]


@dataclass(frozen=True)
class Judges:
    """What thresholds are chosen and pairs are judged by.

    Attributes:
        gold: BUCC's gold file, of texts with ids.
        tune_gold: tune the threshold on it.
        known: known pairs that don't stand in the text, both sides aligned.
        documents: what names each row's document on either side: a column of the text, or another file.
    """

    gold: Path | None = None
    tune_gold: bool = False
    known: Inputs | None = None
    documents: Inputs | None = None

    def check(self, inputs: Inputs, options: Mine) -> None:
        """Refuse what can't be meant, before anything is done.

        Raises:
            UserError: for gold without ids, documents that are missing, or known pairs that have none.
        """
        if self.gold is not None and any(side.kind != "bucc" for side in inputs):
            raise UserError(
                f"--gold: {self.gold} holds pairs of ids; expected BUCC's files (`id TAB sentence`) on both sides"
            )
        if options.within != "corpus" and self.documents is None:
            raise UserError(f"--within {options.within} needs --documents")
        if options.within != "corpus" and self.known is not None:
            raise UserError("--known: planted pairs stand in no document; with --within give --gold instead")
        if options.within != "corpus" and options.search not in ("auto", "exact"):
            raise UserError(f"--search {options.search}: within a {options.within} the search is exact; leave it out")


@dataclass(frozen=True)
class MiningResult:
    """What was done.

    Attributes:
        a: the first side.
        b: the second side.
        found: pairs before the threshold.
        written: pairs that were written.
        threshold: what was applied, or None.
        search: how neighbours were found, and what an approximate search cost.
        gold: against gold pairs, if there were any.
        estimate: the threshold that known pairs give, if there were any.
        known_left_out: known pairs that could not be used.
        control: what a control accepts, where one was possible.
        spread: of the scores of all pairs found.
        files: what was written.
        left_out: what the rules left out.
        lines: of given lines, what their texts say by themselves.
    """

    a: EmbeddedText
    b: EmbeddedText
    found: int
    written: int
    threshold: float | None
    search: dict[str, Any]
    gold: GoldResult | None
    estimate: Estimate | None
    known_left_out: int
    control: Control | None
    spread: Histogram
    files: list[Path]
    left_out: LeftOut
    lines: Lines | None = None


@dataclass(frozen=True)
class LeftOut:
    """What the rules about pairs left out.

    Attributes:
        copies_a: sentences of the first side whose text stands on the other: never paired with it.
        copies_b: the same of the second side.
        broken: best candidates of a sentence that broke a rule, or given lines that do, by rule.
        gold: gold pairs that break a rule, so that none can be found, by rule.
    """

    copies_a: int = 0
    copies_b: int = 0
    broken: Mapping[str, int] = field(default_factory=dict)
    gold: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: PairRules, broken: Mapping[str, int], gold: Rows | None = None) -> Self:
        """What is counted of a run with these rules, and of gold pairs [g, 2], where there are some."""
        copies = (0, 0) if rules.copies is None else (len(rules.copies.rows_a), len(rules.copies.rows_b))
        lost = {} if gold is None else counted(rules.of_pairs(gold[:, 0], gold[:, 1]))
        return cls(*copies, broken, lost)

    def as_metrics(self) -> dict[str, Any]:
        """For metadata."""
        found = {"copies_a": self.copies_a, "copies_b": self.copies_b, "broken": dict(self.broken)}
        return found | ({"gold": dict(self.gold)} if self.gold else {})


def rules_of(inputs: Inputs, options: Mine) -> MinedRules:
    """Prepare's rules as they are by default, but for those that are kept."""
    return MinedRules.of(Clean(), options.keep, (inputs[0].language, inputs[1].language))


def rules_between(a: Units, b: Units, texts: tuple[EmbeddedText, EmbeddedText], rules: MinedRules) -> PairRules:
    """The rules for pairs of units."""
    one, other = (RowTexts.of_table(t.text.table, u.first) for u, t in zip((a, b), texts, strict=True))
    return rules.between(one, other)


def embed_files(
    inputs: Inputs, encoder: ModelEncoder, work: Path, vectors: Path | None, clean: Clean, aligned: bool = False
) -> tuple[EmbeddedText, EmbeddedText]:
    """Read and embed both sides.

    Args:
        inputs: the two sides.
        encoder: the model.
        work: a folder for texts, and for vectors that nobody wants to keep.
        vectors: where vectors are kept to be used again.
        clean: the rules that sentences have to pass.
        aligned: whether rows belong together.

    Raises:
        UserError: see `read_text`, `read_sides` and `embed_text`.
    """
    spills = work / "src.arrow", work / "trg.arrow"
    if aligned:
        texts = read_sides(*inputs, spills, clean)
    else:
        texts = read_text(inputs[0], spills[0], clean), read_text(inputs[1], spills[1], clean)
    a, b = (embed_text(encoder, text, vectors or work, name) for text, name in zip(texts, ("src", "trg"), strict=True))
    return a, b


def mine_files(
    inputs: Inputs,
    encoder: ModelEncoder,
    options: Mine,
    outputs: PairOutputs,
    work: Path,
    vectors: Path | None = None,
    judges: Judges | None = None,
) -> MiningResult:
    """Mine the translations among two texts' different sentences that pass the rules, and write them, best first.

    A sentence that stands more than once is mined once, as its first row; with documents, once in each of them. Gold pairs of
    copies are one pair. The threshold is ``options.threshold``, else what gold pairs or known pairs give, else none.

    Args:
        inputs: the two sides.
        encoder: the model.
        options: of mining.
        outputs: where to.
        work: a folder for temporary files.
        vectors: where vectors and indexes are kept to be used again, if they are.
        judges: gold pairs, known pairs, documents.

    Raises:
        UserError: for anything wrong with texts, model, gold, known pairs, documents or outputs.
    """
    judges = judges or Judges()
    outputs.check(*inputs)
    judges.check(inputs, options)
    of_pair = rules_of(inputs, options)
    a, b = embed_files(inputs, encoder, work, vectors, of_pair.clean)
    known = None if judges.known is None else embed_known(judges.known, encoder, a, b, work, of_pair)
    units_a, units_b = _units(a, b, judges.documents, options, work)
    rules = rules_between(units_a, units_b, (a, b), of_pair)
    true, total = (None, 0) if judges.gold is None else gold_units(judges.gold, units_a, units_b)
    room = ScratchArrays.for_rows(work / "mining", len(units_a) + len(units_b), options.k, options.memory_bytes)
    label = f"mine {a.text.language}-{b.text.language}"
    search = search_units(units_a, units_b, options, label, vectors, room, rules.copies)
    mined = mine_neighbors(search.neighbors, options, room, rules)
    left_out = LeftOut.of(rules, mined.broken, true)
    pairs, threshold, result = mined.pairs, options.threshold, None
    estimate = None if known is None else known_estimate(known, a, b, search.neighbors, options, of_pair)
    if estimate is not None and threshold is None and not judges.tune_gold:
        threshold = estimate.threshold
    if true is not None and judges.gold is not None:
        check_offset(judges.gold, pairs, true)
        flags = gold_flags(pairs, true)
        if judges.tune_gold:
            threshold = tune(pairs.score, flags, total).value
        result = against_gold(pairs.score, flags, total, threshold, judges.tune_gold)
    about = dict(search.about)
    if not about["exact"]:
        sample = exact_sample(units_a.vectors, units_b.vectors, search_job(options, copies=rules.copies), options.score)
        lost = cost(sample, mined, threshold).as_metrics()
        about["cost"] = {name: round(value, 6) if isinstance(value, float) else value for name, value in lost.items()}
    control = _control(units_a, units_b, mined, options, threshold, room.part("control"), rules)
    spread = histogram(pairs.score)
    wanted = pairs if threshold is None else pairs.above(threshold)
    rows = replace(wanted, row_a=units_a.first[wanted.row_a], row_b=units_b.first[wanted.row_b])
    made_by = identity_of_run("mined", encoder, options, threshold, about) | judged_by(
        estimate, control, threshold, spread, left_out
    )
    files = outputs.write(rows, a, b, made_by)
    not_planted = 0 if known is None else known.left_out
    return MiningResult(
        *(a, b, len(pairs), len(wanted), threshold, about, result, estimate, not_planted, control, spread, files),
        left_out=left_out,
    )


def _units(
    a: EmbeddedText, b: EmbeddedText, documents: Inputs | None, options: Mine, work: Path
) -> tuple[Units, Units]:
    if documents is None:
        return units_of(a), units_of(b)
    within = None if options.within == "corpus" else options.within
    one, other = (
        units_of(side, read_keys(keys, side.text, work / f"{name}.arrow"), within)
        for side, keys, name in ((a, documents[0], "documents-src"), (b, documents[1], "documents-trg"))
    )
    return one, other


def _control(
    a: Units, b: Units, mined: Mined, options: Mine, threshold: float | None, room: ScratchArrays, rules: PairRules
) -> Control | None:
    if options.within != "corpus":
        shuffled = restriction(a, b, options.within, options.window, shuffled=0)
        return None if shuffled is None else restricted_control(a.vectors, b.vectors, shuffled, options, rules)
    if a.documents is not None and b.documents is not None and shared_documents(a.documents, b.documents):
        return shuffled_control(a.vectors, b.vectors, a.documents, b.documents, options, rules=rules)
    return partner_control(mined, options, threshold, room, rules)


def search_units(
    a: Units,
    b: Units,
    options: Mine,
    label: str,
    kept: Path | None,
    room: ScratchArrays | None = None,
    copies: Copies | None = None,
) -> Search:
    """The neighbours of both sides, in a room; indexes are kept in a folder `indexes` of `kept`."""
    indexes = None if kept is None else kept / "indexes"
    only = None if options.within == "corpus" else restriction(a, b, options.within, options.window)
    with progress(label, len(a) - (0 if only is None else only.alone_a), "sentences") as advance:
        job = search_job(options, indexes=indexes, scratch=room or ScratchArrays(), copies=copies, advance=advance)
        return find_neighbors(a.vectors, b.vectors, job, only)


def judged_by(
    estimate: Estimate | None, control: Control | None, threshold: float | None, spread: Histogram, left_out: LeftOut
) -> dict[str, Any]:
    """What there is to judge a threshold by, for the metadata of what is written."""
    found: dict[str, Any] = {"histogram": spread.as_metrics(), "left_out": left_out.as_metrics()}
    if estimate is not None:
        found["known"] = estimate.as_metrics()
    if control is not None:
        found["control"] = control.as_metrics(threshold)
    return found


def identity_of_run(
    kind: str, encoder: ModelEncoder, options: Mine, threshold: float | None, about: dict[str, Any]
) -> dict[str, Any]:
    """What made the pairs: no times, no paths."""
    return {
        "kind": kind,
        "encoder": encoder.identity,
        "options": options.model_dump(mode="json", exclude={"memory_bytes", "index_bytes", "threshold"}),
        "threshold": threshold,
        "search": about,
    }
