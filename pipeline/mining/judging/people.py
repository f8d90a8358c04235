"""Judging by people, from a file of mined pairs to a page, and from their answers to a curve of precision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.artifacts.parquet import read_about
from pipeline.artifacts.parquet_rows import fetch
from pipeline.console.errors import ArtifactError, InputError, UserError
from pipeline.ground.arrays import Floats, Rows
from pipeline.mining.judging.answers import Answer, Judgements, SampleDesign, Verdicts, join_judgements
from pipeline.mining.judging.page import Question, write_page
from pipeline.mining.judging.precision import Curve, precision_curve
from pipeline.mining.judging.strata import Stratum, draw, shuffled

COLUMNS = ("score", "text_a", "text_b")
RIGHT: dict[str, frozenset[Answer]] = {
    "no": frozenset({"translation"}),
    "yes": frozenset({"translation", "partly"}),
}
"""The answers that count as right, by whether partly right ones do."""


@dataclass(frozen=True)
class PairFile:
    """The pairs of one file that may be judged; their texts stay in the file.

    Attributes:
        path: the Parquet file, as `softalign mine`, `softalign score` or the stage mine wrote it.
        set: the set that is judged (``mine``, ``test``, ``dev``); None for a file without sets.
        languages: the codes of the two sides; empty where the file doesn't say.
        rows: the rows of the pairs in the file [n].
        scores: the score of each of them [n], finite.
        unscored: pairs left out because they have no finite score.
        digest: a hash of their texts and scores: not of what a threshold accepts.
    """

    path: Path
    set: str | None
    languages: tuple[str, str]
    rows: Rows
    scores: Floats
    unscored: int
    digest: str

    def sample(self, design: SampleDesign) -> list[Stratum]:
        """The strata of a sample, by positions in ``rows``."""
        return draw(self.scores, design.size, design.seed, design.decision)


@dataclass(frozen=True)
class JudgedFile:
    """What answers say of a file of pairs.

    Attributes:
        pairs: the file.
        design: the sample that was asked about.
        asked: how many pairs that was.
        verdicts: the answers of all judges, by position.
        curve: precision against threshold.
    """

    pairs: PairFile
    design: SampleDesign
    asked: int
    verdicts: Verdicts
    curve: Curve


def open_pairs(path: Path, wanted: str | None = None) -> PairFile:
    """Read the scores of a file of pairs, and hash what a judgement is about; holds 16 bytes a pair and one row group.

    Args:
        path: a Parquet file.
        wanted: the set to judge; None: ``mine`` where the file has sets and that one, else the only one.

    Raises:
        InputError: if it is no such file, or has no pair with a score.
        UserError: if the set is not in it, or which one is meant can't be told.
    """
    try:
        opened = pq.ParquetFile(path, memory_map=True)
    except FileNotFoundError:
        raise InputError(path, "no such file; expected pairs as `softalign mine --out pairs.parquet` writes") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            path, f"not Parquet ({str(error).splitlines()[0][:200]}); expected mined pairs as Parquet"
        ) from None
    with opened:
        names = opened.schema_arrow.names
        if lacking := [name for name in COLUMNS if name not in names]:
            raise InputError(
                path, f"has no column {lacking[0]!r} (it has {', '.join(names[:20])}); expected mined pairs"
            )
        chosen = _choose_set(path, opened, wanted) if "set" in names else None
        if wanted is not None and "set" not in names:
            raise UserError(f"--set: found {wanted!r}, but {path} has no sets")
        rows, scores, digest = _read(opened, chosen)
    finite = np.isfinite(scores)
    if not finite.any():
        of = "" if chosen is None else f" in its set {chosen!r}"
        raise InputError(path, f"has no pair with a score{of}; expected some to judge")
    return PairFile(path, chosen, _languages(path), rows[finite], scores[finite], int((~finite).sum()), digest)


def _choose_set(path: Path, opened: pq.ParquetFile, wanted: str | None) -> str:
    found = sorted(set(opened.read(columns=["set"]).column("set").unique().to_pylist()))
    if wanted is None and len(found) > 1 and "mine" in found:
        return "mine"
    if wanted is None and len(found) == 1:
        return str(found[0])
    if wanted not in found:
        problem = "found none" if wanted is None else f"found {wanted!r}"
        raise UserError(f"--set: {problem}; expected one of those in {path}: {', '.join(found) or 'it has no pairs'}")
    return str(wanted)


def _read(opened: pq.ParquetFile, chosen: str | None) -> tuple[Rows, Floats, str]:
    """Row numbers, scores and digest of the pairs of a set."""
    columns = [*COLUMNS, *(["set"] if chosen is not None else [])]
    digest, rows, scores, start = hashlib.sha256(), [], [], 0
    for batch in opened.iter_batches(65_536, columns=columns):
        table = pa.Table.from_batches([batch]).append_column("row", pa.array(np.arange(start, start + batch.num_rows)))
        start += batch.num_rows
        if chosen is not None:
            table = table.filter(pc.equal(table.column("set"), chosen))
        rows.append(table.column("row").to_numpy())
        scores.append(table.column("score").to_numpy().astype(np.float64))
        # Lengths before texts: what stands in one sentence can't be taken for the next one's.
        for name in ("text_a", "text_b"):
            texts = [(text or "").encode() for text in table.column(name).to_pylist()]
            digest.update(np.array([len(text) for text in texts], dtype="<i8").tobytes())
            digest.update(b"".join(texts))
        digest.update(scores[-1].astype("<f8").tobytes())
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty.astype(np.float64), *scores]), digest.hexdigest()


def _languages(path: Path) -> tuple[str, str]:
    about = read_about(path)
    found = about.get("languages") or str(about.get("pair", "")).split("-")
    return (str(found[0]), str(found[1])) if len(found) == 2 else ("", "")


def make_page(pairs: PairFile, out: Path, size: int, seed: int, decision: float | None) -> int:
    """Write the judging page of a sample; returns how many pairs it asks about.

    Args:
        pairs: the file of pairs.
        out: the page.
        size: pairs to ask about; all if there are fewer.
        seed: the seed of the sample and of the order.
        decision: the score near which a threshold is expected.
    """
    design = SampleDesign(
        pairs=pairs.path.name, sha256=pairs.digest, set=pairs.set, size=size, seed=seed, decision=decision
    )
    order = shuffled(pairs.sample(design), seed)
    texts = fetch(pairs.path, pairs.rows[order].tolist(), ["text_a", "text_b"])
    questions = [
        Question(int(place), a or "", b or "")
        for place, a, b in zip(order, texts["text_a"], texts["text_b"], strict=True)
    ]
    write_page(out, design, pairs.languages, questions)
    return len(questions)


def use_answers(pairs: PairFile, answers: Mapping[Path, Judgements], partly: str, seed: int = 0) -> JudgedFile:
    """What judges' answers say of the pairs.

    Args:
        pairs: the file of pairs, opened at the set that was judged.
        answers: what each file of answers holds; all are about one sample.
        partly: whether partly right pairs count as right (``yes`` or ``no``).
        seed: the seed of the band's draws.

    Raises:
        UserError: if the answers are about other pairs or samples, or contradict each other.
    """
    (first, judgements), *others = answers.items()
    design = judgements.sample
    for file, other in others:
        if other.sample != design:
            raise InputError(file, f"is about another sample than {first}; expected answers to the same page")
    if pairs.digest != design.sha256:
        raise ArtifactError(
            first,
            f"answers for other pairs ({design.pairs}) than those in {pairs.path}; expected answers to a page made of it",
        )
    strata = pairs.sample(design)
    asked = {int(place) for stratum in strata for place in stratum.drawn}
    verdicts = join_judgements(answers, asked, RIGHT[partly])
    return JudgedFile(pairs, design, len(asked), verdicts, precision_curve(pairs.scores, strata, verdicts.value, seed))
