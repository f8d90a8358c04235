"""Mining from files to files, with any model and without a pipeline.

Texts and vectors lie in memory-mapped files of a work folder; memory is that of `pipeline.mining.mine` and about 200 bytes a
row while duplicates are looked for. Between two sides of vectors, the work is that of `pipeline.mining.sides`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.mine import Mine
from pipeline.config.prepare import Clean
from pipeline.console.errors import UserError
from pipeline.encoders.load import ModelEncoder
from pipeline.ground.arrays import Rows
from pipeline.mining.files.gold import GoldResult, against_gold, gold_units
from pipeline.mining.files.known import KnownPairs, embed_known, known_estimate
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.result import MiningResult, PairJudgement, made_by
from pipeline.mining.files.text import TextInput, read_sides, read_text
from pipeline.mining.files.units import Units, read_keys, units_of
from pipeline.mining.files.vectors import EmbeddedText, embed_text
from pipeline.mining.judging.bucc import check_offset, gold_flags
from pipeline.mining.judging.histogram import histogram
from pipeline.mining.judging.threshold import tune
from pipeline.mining.pair_rules import MinedRules
from pipeline.mining.sides import MinedSides, MiningRun, mine_sides

Inputs = tuple[TextInput, TextInput]
INDEXES = "indexes"
"""The folder, among kept vectors, in which kept FAISS indexes lie."""


@dataclass(frozen=True)
class Judges:
    """What thresholds are chosen and pairs are judged by.

    Attributes:
        gold: BUCC's gold file, of texts with ids.
        tune_gold: whether the threshold is tuned on it.
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
        options: how pairs are found.
        outputs: where the pairs go.
        work: a folder for temporary files.
        vectors: the folder in which vectors and indexes are kept to be used again; None: they are thrown away.
        judges: gold pairs, known pairs, documents.

    Raises:
        UserError: for anything wrong with texts, model, gold, known pairs, documents or outputs.
    """
    judges = judges or Judges()
    # 1. Refuse what can't be meant, before anything is done.
    outputs.check(*inputs)
    judges.check(inputs, options)
    # 2. Read and embed both sides, and the known pairs; what is mined is each different sentence.
    rules = rules_of(inputs, options)
    a, b = embed_files(inputs, encoder, work, vectors, rules.clean)
    known = None if judges.known is None else embed_known(judges.known, encoder, (a, b), work, rules)
    units = _units(a, b, judges.documents, options, work)
    gold = None if judges.gold is None else gold_units(judges.gold, *units)
    # 3. Mine.
    run = mining_run(options, rules, vectors, f"mine {a.text.language}-{b.text.language}", work / "mining")
    found = mine_sides(units[0].side, units[1].side, run)
    # 4. Judge: the threshold first, then what it costs and lets through.
    judged = _judged(found, judges, known, gold)
    about = _about(found, judged.threshold)
    # 5. Write; the pairs' rows are now those of the texts.
    wanted = found.pairs if judged.threshold is None else found.pairs.above(judged.threshold)
    rows = replace(wanted, row_a=units[0].first[wanted.row_a], row_b=units[1].first[wanted.row_b])
    files = outputs.write(rows, a, b, made_by("mined", encoder, options, about, judged))
    return MiningResult(
        **vars(judged), a=a, b=b, search=about, found=len(found.pairs), written=len(wanted), files=files
    )


def rules_of(inputs: Inputs, options: Mine) -> MinedRules:
    """Prepare's rules as they are by default, but for those that are kept."""
    return MinedRules.of(Clean(), options.keep, (inputs[0].language, inputs[1].language))


def mining_run(
    options: Mine, rules: MinedRules, vectors: Path | None, label: str, scratch: Path | None = None
) -> MiningRun:
    """How files are mined: as arrays are, with the indexes among the kept vectors."""
    indexes = None if vectors is None else vectors / INDEXES
    return MiningRun(options, rules, label=label, indexes=indexes, scratch=scratch)


def embed_files(
    inputs: Inputs, encoder: ModelEncoder, work: Path, vectors: Path | None, clean: Clean, aligned: bool = False
) -> tuple[EmbeddedText, EmbeddedText]:
    """Read and embed both sides.

    Args:
        inputs: the two sides.
        encoder: the model.
        work: a folder for texts, and for vectors that nobody wants to keep.
        vectors: the folder in which vectors are kept to be used again.
        clean: the rules that sentences have to pass.
        aligned: whether rows belong together.

    Raises:
        UserError: if text or vectors can't be used (`read_text`, `read_sides`, `embed_text`).
    """
    spills = work / "src.arrow", work / "trg.arrow"
    if aligned:
        texts = read_sides(*inputs, spills, clean)
    else:
        texts = read_text(inputs[0], spills[0], clean), read_text(inputs[1], spills[1], clean)
    a, b = (embed_text(encoder, text, vectors or work, name) for text, name in zip(texts, ("src", "trg"), strict=True))
    return a, b


def _units(
    a: EmbeddedText, b: EmbeddedText, documents: Inputs | None, options: Mine, work: Path
) -> tuple[Units, Units]:
    if documents is None:
        return units_of(a), units_of(b)
    one, other = (
        units_of(side, read_keys(keys, side.text, work / f"{name}.arrow"), options.within == "window")
        for side, keys, name in ((a, documents[0], "documents-src"), (b, documents[1], "documents-trg"))
    )
    return one, other


def _judged(
    found: MinedSides, judges: Judges, known: KnownPairs | None, gold: tuple[Rows, int] | None
) -> PairJudgement:
    """The threshold, and what speaks for it; ``gold`` are gold pairs of units [g, 2], and how many there are in all."""
    pairs, threshold = found.pairs, found.searched.run.options.threshold
    estimate = None if known is None else known_estimate(known, found.searched)
    if estimate is not None and threshold is None and not judges.tune_gold:
        threshold = estimate.threshold
    result: GoldResult | None = None
    if gold is not None and judges.gold is not None:
        true, total = gold
        check_offset(judges.gold, pairs, true)
        flags = gold_flags(pairs, true)
        if judges.tune_gold:
            threshold = tune(pairs.score, flags, total).value
        result = against_gold(pairs.score, flags, total, threshold, judges.tune_gold)
    return PairJudgement(
        threshold=threshold,
        spread=histogram(pairs.score),
        left_out=found.left_out(None if gold is None else gold[0]),
        control=found.control(threshold),
        gold=result,
        estimate=estimate,
        known_left_out=0 if known is None else known.left_out,
    )


def _about(found: MinedSides, threshold: float | None) -> dict[str, Any]:
    """How neighbours were found, and what an approximate search lost."""
    if (lost := found.cost(threshold)) is None:
        return dict(found.about)
    rounded = {
        name: round(value, 6) if isinstance(value, float) else value for name, value in lost.as_metrics().items()
    }
    return {**found.about, "cost": rounded}
