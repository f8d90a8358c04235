"""Peak memory of exact mining beyond its memory-mapped vectors.

    python bench/mining_memory.py --rows 100000 1000000 --others 2048 --folder /tmp/memory

Side a has the rows, random float16 vectors of 384 dimensions in a file; side b has ``--others`` rows. What is held does not
depend on how many tiles side b has, so a small side b shows it without the hours that the product of two large sides takes.
Counted: anonymous memory of the process (``RssAnon``), sampled 50 times a second, less what it was before mining (Python,
torch); the neighbours that mining returns are shown beside it. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.config import Mine
from pipeline.mining.mine import mine

DIMENSION = 384


def make(path: Path, rows: int) -> np.ndarray:
    """A file of random vectors, memory-mapped."""
    generator = np.random.default_rng(rows)
    with path.open("wb") as opened:
        for start in range(0, rows, 65_536):
            part = generator.standard_normal((min(65_536, rows - start), DIMENSION), dtype=np.float32)
            opened.write(part.astype(np.float16).tobytes())
    return np.memmap(path, dtype=np.float16, mode="r").reshape(rows, DIMENSION)


def anonymous_mib() -> float:
    """Anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(folder: Path, rows: int, others: int) -> None:
    """One size, in a process of its own."""
    x, y = make(folder / "a.f16", rows), make(folder / "b.f16", others)
    mine(x[:1000], y[:1000], Mine())
    before, peak, done = anonymous_mib(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, anonymous_mib())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    mine(x, y, Mine())
    done.set()
    watcher.join()
    neighbours = (rows + others) * 4 * 12 / 2**20
    print(
        f"{rows:>9,} x {others:,}: {peak - before:6.0f} MiB above {before:.0f} MiB, of which neighbours {neighbours:.0f} MiB"
        f" ({(peak - before - neighbours):.0f} MiB besides); vectors mapped {x.nbytes / 2**20:.0f} MiB",
        flush=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", required=True)
    parser.add_argument("--others", type=int, default=2048)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if len(arguments.rows) == 1:
        measure(arguments.folder, arguments.rows[0], arguments.others)
        return
    for rows in arguments.rows:
        command = [sys.executable, __file__, "--rows", str(rows), "--others", str(arguments.others)]
        subprocess.run([*command, "--folder", str(arguments.folder)], check=True)


if __name__ == "__main__":
    main()
