"""The stage prepare: from the corpora that params.yaml names to unique sentences, pairs and held-out sets.

Three passes, none of which holds more than a part of the corpus:

1. Read: every file once, as a stream of chunks; clean them, give rows their keys, spill them to disk by a hash of both sides.
2. Merge: rows that say the same are in one partition of the spill; the first stays. What stays is spilled again: pairs by
   their key, sentences by theirs, and, if documents are held out, both sides by a hash of their normal form.
3. Write: each partition is a range of keys; sorted, they are the shards.

The reading and the later passes are one process'; the cleaning of chunks, which takes most of the first pass, is an engine's.

Held in memory at a time: a chunk (65,536 rows; with workers, four for each), ``memory_bytes`` of a spill, one shard, the
sentences of benchmarks, one byte for each held-out candidate, and the held-out pairs (``heldout.limit`` of each set and
language pair).
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.artifacts.keys import top_bits
from pipeline.artifacts.shards import HELDOUT, MONOLINGUAL, PAIRS, SENTENCES, shard_path, write_shard
from pipeline.compute.in_process import Here, here
from pipeline.compute.work import Crew, Engine, Terms, Work
from pipeline.config.params import Params
from pipeline.config.prepare import Prepare
from pipeline.console.progress import progress
from pipeline.corpora.registry import corpus_request, text_request
from pipeline.ground.atomic import atomic_folder
from pipeline.prepare.account import Account
from pipeline.prepare.benchmarks import Benchmarks
from pipeline.prepare.cleaning import ChunkToClean, CleanChunk, Cleaner, clean_chunk, cleaner_identity, load_cleaner
from pipeline.prepare.holding import SETS, NearAccount, choose, sift_near
from pipeline.prepare.hubs import Hub
from pipeline.prepare.merging import SecondPass
from pipeline.prepare.near import NearHeldOut
from pipeline.prepare.notes import find_notes, refuse_nothing
from pipeline.prepare.reading import CleaningWork, FirstPass, plan
from pipeline.prepare.rejects import Rejects
from pipeline.prepare.shards import as_table, write_shards
from pipeline.prepare.spill import SortedRun, Spill

log = logging.getLogger(__name__)

CHUNK_GUESS = 4 << 20
"""Bytes of a file that make a chunk, about: only for how many workers are worth starting."""


@dataclass(frozen=True)
class PrepareOutputs:
    """The folders that prepare writes.

    Attributes:
        sentences: unique training sentences, a folder per language.
        pairs: unique training pairs, a folder per language pair.
        monolingual: sentences to be embedded for mining and evaluation, a folder per language.
        heldout: known pairs, a folder per language pair.
        rejects: what was left out, a file per corpus.
    """

    sentences: Path
    pairs: Path
    monolingual: Path
    heldout: Path
    rejects: Path


def prepare(
    params: Params, root: Path, out: PrepareOutputs, engine: Engine | None = None, shared: Sequence[Path] = ()
) -> dict[str, Any]:
    """Read, clean, deduplicate, hold out and write; see the module.

    Args:
        params: the whole of params.yaml.
        root: the folder that its paths are relative to.
        out: the folders to write; each is replaced as a whole, and only if all went well.
        engine: who cleans; this process if not given.
        shared: folders that the engine's workers must see.

    Returns:
        The metrics: for each corpus units read, kept, held out, and rejected by reason, which add up; pairs, sentences,
        held-out pairs and monolingual sentences by language.

    Raises:
        UserError: if an input is missing or damaged, too much of a corpus can't be read, or no pair is kept.
    """
    return _run(params, root, out, None, engine or Here(), shared)


def dry_run(params: Params, root: Path, limit: int) -> dict[str, Any]:
    """The metrics of `prepare` for the first ``limit`` units of each corpus; nothing is written to the project."""
    with tempfile.TemporaryDirectory(prefix="softalign-") as folder:
        out = PrepareOutputs(**{field.name: Path(folder, field.name) for field in fields(PrepareOutputs)})
        return _run(params, root, out, limit, Here())


def _run(
    params: Params, root: Path, out: PrepareOutputs, limit: int | None, engine: Engine, shared: Sequence[Path] = ()
) -> dict[str, Any]:
    config = params.prepare
    works = plan(
        [
            (one.format, corpus_request(one, params.language_pairs, root), config.heldout if one.heldout else None)
            for one in config.corpora
        ]
        + [(text.format, text_request(text, root, params.languages), None) for text in config.text]
    )
    with ExitStack() as stack:
        made = {field.name: atomic_folder(getattr(out, field.name)) for field in fields(PrepareOutputs)}
        folders = PrepareOutputs(**{name: stack.enter_context(folder) for name, folder in made.items()})
        spilled = folders.rejects / "spill"
        writer = _Writer(params, folders, spilled)
        account = Account([work.request.name for work in works])
        rejects = Rejects(account, spilled, config.memory_bytes)
        benchmarks = Benchmarks(config.decontaminate, root)
        first = FirstPass(config.max_bad_share, account, limit)
        second = SecondPass(
            spilled, config.duplicates, config.memory_bytes, account, rejects, mask_digits=bool(config.heldout.near)
        )
        with _crew(config, benchmarks, root, engine, _size(works), shared) as crew:
            _read(works, first, crew, second, writer, rejects, benchmarks)
        second.run()
        heldout, near = choose(second, config.heldout, rejects)
        metrics = writer.write(second, NearHeldOut(heldout, config.heldout.near), near, account, rejects)
        rejects.write(folders.rejects, first.order)
        shutil.rmtree(spilled, ignore_errors=True)  # not there, where nothing was spilled
        for line in near.lines():
            log.warning(line)
        notes = find_notes(params, works, account, metrics, writer.hubs, benchmarks.unreadable)
        metrics = {"corpora": account.as_dict(), "benchmarks": benchmarks.as_dict(), "notes": notes, **metrics}
        if limit is None:
            refuse_nothing(metrics)
        return metrics


def _crew(
    config: Prepare, benchmarks: Benchmarks, root: Path, engine: Engine, size: int, shared: Sequence[Path]
) -> AbstractContextManager[Crew[ChunkToClean, CleanChunk]]:
    """Who cleans; an engine's workers read the benchmarks again, each for itself."""
    chunks = 1 + size // CHUNK_GUESS
    if engine.alone:
        return nullcontext(here(clean_chunk, Cleaner(config.clean, benchmarks)))
    work = Work("prepare", load_cleaner, (config.clean, config.decontaminate, root), clean_chunk)
    return engine.crew(work, chunks, Terms(lambda: cleaner_identity(benchmarks), shared))


def _size(works: list[CleaningWork]) -> int:
    return sum(source.size for work in works for unit in work.units for source in unit.sources)


def _read(
    works: list[CleaningWork],
    first: FirstPass,
    crew: Crew[ChunkToClean, CleanChunk],
    second: SecondPass,
    writer: _Writer,
    rejects: Rejects,
    benchmarks: Benchmarks,
) -> None:
    with progress("prepare: read", _size(works), "bytes") as advance:
        for chunk in crew.map(first.chunks(works, advance), lambda _: None):  # the bar counts bytes that were read
            for rejected in chunk.rejected:
                rejects.add(rejected)
            benchmarks.count(chunk.removed)
            if len(chunk.languages) == 2:
                second.rows.add(chunk.frame)
            else:
                writer.add_text(chunk.frame, chunk.languages[0])


class _Writer:
    """Turns what the passes spilled into artifacts and counts them; ``hubs`` are sentences with many counterparts."""

    def __init__(self, params: Params, folders: PrepareOutputs, spilled: Path) -> None:
        self.params, self.folders, self.spilled = params, folders, spilled
        self.shard_rows = params.prepare.shard_rows
        self.names = [corpus.name for corpus in params.prepare.corpora] + [text.name for text in params.prepare.text]
        self.text = Spill(spilled / "text", top_bits("id"), params.prepare.memory_bytes)
        self.hubs: dict[Hub, str] = {}
        self._hubs: list[Hub] = []
        self.languages = list(dict.fromkeys([*params.used_languages, *(text.language for text in params.prepare.text)]))

    def add_text(self, frame: pl.DataFrame, language: str) -> None:
        """Take cleaned one-sided text."""
        self.text.add(
            frame.select(
                pl.lit(language).alias("language"),
                pl.col("ka").alias("id"),
                pl.col("a").alias("text"),
                pl.lit(True).alias("to_mine"),
                "order", "corpus", "file", "line", "doc", "languages",
            )
        )  # fmt: skip

    def write(
        self, second: SecondPass, near: NearHeldOut, near_account: NearAccount, account: Account, rejects: Rejects
    ) -> dict[str, Any]:
        """Write all artifacts but the rejects; returns the counts of rows."""
        pairs = [pair.name for pair in self.params.language_pairs]

        def sentence_rows(frame: pl.DataFrame) -> pl.DataFrame:
            unique = self._sentence_rows(frame)
            near.look(unique)
            return unique

        metrics: dict[str, Any] = {"pairs": self._shards(second.pairs, "pairs", pairs, self._pair_rows)}
        self._hubs = second.sides.hubs(metrics["pairs"])
        metrics["sentences"] = self._shards(second.sentences, "sentences", self.params.used_languages, sentence_rows)
        heldout = sift_near(near, near_account, rejects)
        if heldout.height:
            account.heldout(heldout)
        metrics["heldout"] = self._heldout(heldout)
        metrics["heldout_near"] = near_account.as_dict()
        self._add_heldout_text(heldout)
        metrics["monolingual"] = self._shards(
            self.text, "monolingual", self.languages, lambda frame: self._text_rows(frame, account, rejects)
        )
        return metrics

    def _shards(self, spill: Spill, kind: str, names: list[str], rows: Any) -> dict[str, int]:
        """Sort each partition, append it to the run of its language (or pair), then cut the runs into shards."""
        runs = {name: SortedRun(self.spilled / f"{kind}-{name}.arrows") for name in names}
        for frame in spill.partitions():
            for name, part in _split(rows(frame)):
                runs[name].add(part)
        folder: Path = getattr(self.folders, kind)
        schema = {"pairs": PAIRS, "sentences": SENTENCES, "monolingual": MONOLINGUAL}[kind]
        for name, run in runs.items():
            write_shards(run, folder / name, schema, self._made_by(kind, name), self.shard_rows)
            run.path.unlink(missing_ok=True)
        return {name: run.rows for name, run in runs.items()}

    def _made_by(self, kind: str, name: str) -> dict[str, Any]:
        made_by = {"kind": kind, "artifact": f"{kind}/{name}"}
        if kind in {"sentences", "monolingual"}:
            return {**made_by, "language": name}
        pair = next(pair for pair in self.params.language_pairs if pair.name == name)
        return {**made_by, "languages": [pair.a, pair.b]}

    def _sentence_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.unique(["language", "id"], keep="any").sort("language", "id").rename({"language": "name"})
        keys = [hub.key for hub in self._hubs]
        named = frame.filter(pl.col("id").is_in(pl.Series(keys, dtype=pl.Binary).implode())) if keys else frame.clear()
        for language, key, text in named.select("name", "id", "text").iter_rows():
            self.hubs |= {hub: text for hub in self._hubs if (hub.language, hub.key) == (language, key)}
        return frame

    def _corpus_names(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("corpus").replace_strict(dict(enumerate(self.names)), return_dtype=pl.String))

    def _pair_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        # A pair of equal text under two normal forms can't be; equal ids are gone with the duplicates.
        frame = frame.with_columns(pl.col("languages").str.replace(" ", "-", literal=True).alias("name"))
        return self._corpus_names(frame.rename({"ka": "a", "kb": "b"}).sort("name", "id"))

    def _text_rows(self, frame: pl.DataFrame, account: Account, rejects: Rejects) -> pl.DataFrame:
        mined = frame.filter(pl.col("to_mine")).sort("order")
        again = mined.select(pl.struct("language", "id").is_first_distinct()).to_series()
        account.kept(mined.filter(again))
        rejects.add(
            mined.filter(~again)
            .with_columns(pl.lit("duplicate").alias("reason"), pl.lit(None, pl.String).alias("b"))
            .rename({"text": "a"})
        )
        keys = ["language", "id"]
        wanted = mined.select(keys).unique().with_columns(pl.lit(True).alias("mine"))
        firsts = frame.sort("order").unique(keys, keep="first", maintain_order=True)
        firsts = firsts.join(wanted, on=keys, how="left").with_columns(pl.col("mine").fill_null(False).alias("to_mine"))
        return self._corpus_names(firsts.sort("language", "id").rename({"language": "name"}))

    def _add_heldout_text(self, heldout: pl.DataFrame) -> None:
        if not heldout.height:
            return
        for position, side in enumerate("ab"):
            own = "" if side == "a" else "_b"
            place = [pl.coalesce(f"{name}{own}", name).alias(name) for name in ("file", "line")]
            self.text.add(
                heldout.select(
                    pl.col("languages").str.split(" ").list.get(position).alias("language"),
                    pl.col(f"k{side}").alias("id"),
                    pl.col(side).alias("text"),
                    pl.lit(False).alias("to_mine"),
                    "order", "corpus", *place, "doc", "languages",
                )
            )  # fmt: skip

    def _heldout(self, heldout: pl.DataFrame) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {name: {} for name in SETS.values()}
        for pair in self.params.language_pairs:
            if heldout.height:
                rows = heldout.filter(pl.col("languages") == f"{pair.a} {pair.b}").sort("id")
            else:
                rows = pl.DataFrame(schema={"set": pl.UInt8})
            for number, name in SETS.items():
                counts[name][pair.name] = rows.filter(pl.col("set") == number).height
            table = as_table([_heldout_rows(rows)] if rows.height else [], HELDOUT)
            write_shard(shard_path(self.folders.heldout / pair.name, 0), table, self._made_by("heldout", pair.name))
        return counts


def _heldout_rows(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.with_columns(pl.col("set").replace_strict(SETS, return_dtype=pl.String))
    return rows.drop("a", "b").rename({"ka": "a", "kb": "b"})


def _split(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (name,), part in frame.partition_by("name", as_dict=True, maintain_order=True, include_key=False).items():
        yield str(name), part
