"""Approximate against exact mining of the same vectors: time, and what is lost.

    softalign mine --model M --src a.en --trg b.fr --out t.parquet --vectors /tmp/vectors --keep all
    python bench/mining_approximate.py --vectors /tmp/vectors --recall 0.93 0.95 0.97 --rounds 3 --threshold 1.1

Every run is a process of its own, by turns; timed is the whole of mining from vectors in files to pairs, with the making of
clusters or indexes, but without starting Python. Pairs are compared with exact mining's: all of them, and those above the
threshold (without one: the best tenth). ``--index`` measures FAISS instead of clusters.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import faiss
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.config.mine import Mine
from pipeline.mining.mine import find_neighbors, mine_neighbors


def run(arguments: argparse.Namespace) -> None:
    """One mining; writes its pairs and prints seconds as JSON."""
    x, y = (np.load(arguments.vectors / f"{name}.npy", mmap_mode="r") for name in ("src", "trg"))
    options = Mine() if arguments.one == 0 else Mine(search="approximate", recall=arguments.one, index=arguments.index)
    start, start_cpu = time.perf_counter(), time.process_time()
    search = find_neighbors(x, y, options)
    pairs = mine_neighbors(search.neighbors, options).pairs
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}
    if arguments.out:
        np.savez(arguments.out, a=pairs.row_a, b=pairs.row_b, score=pairs.score, n=search.neighbors.forward_row)
    print("\n" + json.dumps({name: round(value, 2) for name, value in spent.items()} | {"about": search.about}))


def compare(arguments: argparse.Namespace) -> None:
    """All recalls and exact mining by turns; medians and losses."""
    names = [0.0, *arguments.recall]
    seconds: dict[float, list[float]] = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            out = arguments.vectors / f"pairs-{name}.npz"
            command = [
                sys.executable,
                __file__,
                "--vectors",
                str(arguments.vectors),
                "--one",
                str(name),
                "--out",
                str(out),
            ]
            command += ["--index", arguments.index] if arguments.index else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout.strip().splitlines()[-1])
            seconds[name].append(result["seconds"])
            print(f"{name or 'exact'}: {json.dumps(result)}", flush=True)
    exact = np.load(arguments.vectors / "pairs-0.0.npz")
    threshold = float(np.quantile(exact["score"], 0.9)) if arguments.threshold is None else arguments.threshold
    median = statistics.median(seconds[0.0])
    print(
        f"exact: {median:.1f} s, {len(exact['a']):,} pairs, {(exact['score'] >= threshold).sum():,} above {threshold:.4f}"
    )
    for name in arguments.recall:
        found = np.load(arguments.vectors / f"pairs-{name}.npz")
        same = [
            len(_pairs(exact, limit) & _pairs(found, limit)) / max(len(_pairs(exact, limit)), 1)
            for limit in (-np.inf, threshold)
        ]
        near = np.mean([np.isin(one, other).mean() for one, other in zip(exact["n"], found["n"], strict=True)])
        took = statistics.median(seconds[name])
        print(
            f"recall {name}: {took:.1f} s, {median / took:.1f} times as fast; {100 * near:.2f} % of side a's neighbours, "
            f"{100 * same[0]:.2f} % of all pairs, {100 * same[1]:.2f} % of those above the threshold"
        )


def _pairs(found: np.lib.npyio.NpzFile, limit: float) -> set[tuple[int, int]]:
    kept = found["score"] >= limit
    return set(zip(found["a"][kept].tolist(), found["b"][kept].tolist(), strict=True))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True, help="the folder of src.npy and trg.npy")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.93, 0.95, 0.97])
    parser.add_argument("--index", help="auto, or a FAISS factory string")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(torch.get_num_threads())
    compare(arguments) if arguments.one is None else run(arguments)


if __name__ == "__main__":
    main()
