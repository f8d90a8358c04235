"""Peak memory of mining beyond its memory-mapped vectors.

    python bench/mining_memory.py --rows 100000 1000000 5000000 --others 2048 --folder /tmp/memory
    python bench/mining_memory.py --rows 5000000 --same --dimension 64 --recall 0.2 --folder /tmp/memory
    python bench/mining_memory.py --rows 250000 1000000 4000000 --dimension 16 --memory 64 --scratch --folder /tmp/memory

Side a has the rows, random float16 vectors in a file; side b has ``--others`` rows, or ``--same`` as many, of which the first
quarter (in whole blocks of 65,536) are side a's with noise. What exact mining holds does not depend on how many tiles side b
has, so a small side b shows it without the hours that the product of two large sides takes. With ``--recall`` the search is
approximate (FAISS' index by size, or ``--index``, with lists on disk past 256 MiB): random vectors have no near neighbours
but the planted ones, so a fifth is all that can be asked for. With ``--scratch``, what doesn't fit into ``--memory``
MiB goes to files.

Counted: anonymous memory of the process (``RssAnon``), sampled 50 times a second, less what it was before mining (Python,
torch); the neighbours that mining returns are shown beside it. Linux only.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from pipeline.config.mine import Mine
from pipeline.mining.mine import mine, search_job
from pipeline.search.scratch import ScratchArrays

NOISE = 0.5
CHUNK = 65_536


def make(path: Path, rows: int, dimension: int, planted: bool) -> np.ndarray:
    """A file of random vectors, memory-mapped; planted: the first quarter are those of the other side, with noise."""
    generator, noise = np.random.default_rng(0), np.random.default_rng(rows + 1)
    with path.open("wb") as opened:
        for start in range(0, rows, CHUNK):
            shape = min(CHUNK, rows - start), dimension
            part = generator.standard_normal(shape, dtype=np.float32)
            if planted:
                other = noise.standard_normal(shape, dtype=np.float32)
                part = part + NOISE * other if start < rows // 4 else other
            opened.write(part.astype(np.float16).tobytes())
    return np.memmap(path, dtype=np.float16, mode="r").reshape(rows, dimension)


def anonymous_mib() -> float:
    """Anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(arguments: argparse.Namespace, rows: int) -> None:
    """One size, in a process of its own."""
    others = rows if arguments.same else arguments.others
    options = Mine(search="exact", memory_bytes=arguments.memory << 20)
    if arguments.recall is not None:
        options = Mine(
            search="faiss",
            recall=arguments.recall,
            index=arguments.index,
            index_bytes=256 << 20,
            sample=64,
            memory_bytes=arguments.memory << 20,
        )
    x = make(arguments.folder / "a.f16", rows, arguments.dimension, planted=False)
    y = make(arguments.folder / "b.f16", others, arguments.dimension, planted=True)
    mine(x[:1000], y[:1000], Mine())
    start = time.perf_counter()
    before, peak, done = anonymous_mib(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, anonymous_mib())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    scratch = arguments.folder / "scratch" if arguments.scratch else None
    arrays = ScratchArrays.for_rows(scratch, rows + others, options.k, options.memory_bytes)
    pairs = mine(x, y, options, search_job(options, indexes=arguments.folder, scratch=arrays))
    done.set()
    watcher.join()
    seconds = time.perf_counter() - start
    came_back = int((pairs.row_a == pairs.row_b).sum()) / min(rows, -(-(others // 4) // CHUNK) * CHUNK, others)
    mapped = scratch is not None and scratch.exists()
    if mapped:
        shutil.rmtree(scratch)
    neighbours = 0.0 if mapped else (rows + others) * 4 * 12 / 2**20
    print(
        f"{rows:>9,} x {others:,}: {peak - before:6.0f} MiB above {before:.0f} MiB, of which neighbours {neighbours:.0f} MiB"
        f" ({(peak - before - neighbours):.0f} MiB besides); vectors mapped {(x.nbytes + y.nbytes) / 2**20:.0f} MiB; "
        f"{seconds:.0f} s, {100 * came_back:.1f} % of the planted pairs",
        flush=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", required=True)
    parser.add_argument("--others", type=int, default=2048)
    parser.add_argument("--same", action="store_true", help="side b has as many rows as side a")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--recall", type=float, help="search approximately")
    parser.add_argument("--index", help="auto, or a FAISS factory string")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--scratch", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if len(arguments.rows) == 1:
        measure(arguments, arguments.rows[0])
        return
    shared = sys.argv[1:]
    start = shared.index("--rows")
    del shared[start : start + 1 + len(arguments.rows)]
    for rows in arguments.rows:
        subprocess.run([sys.executable, __file__, "--rows", str(rows), *shared], check=True)


if __name__ == "__main__":
    main()
