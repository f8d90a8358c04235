"""Search backends side by side on the same vectors: time, memory, and what is lost against exact search.

    softalign mine --model M --src a.en --trg b.fr --out t.parquet --vectors /tmp/vectors --keep all
    python bench/mining_searches.py --vectors /tmp/vectors --search exact faiss:Flat faiss:auto@0.95 faiss:HNSW32@0.95

A search is `backend[:index][@recall]`. Every run is a process of its own, by turns; timed is the whole of mining from
vectors in files to pairs, with the making of indexes, but without starting Python. Neighbours and pairs are compared with
those of the first search: all of them, and those above the threshold (without one: the best tenth). Beside the seconds of
the clock stand the process' CPU seconds, which a machine that others use as well changes less.

    python bench/mining_searches.py --vectors /tmp/vectors --sample 3000 --search faiss:auto@0.95

Where an exact search of everything would take a day, only some sentences are searched exactly, with the neighbourhoods of
their neighbours (`pipeline.mining.judging.quality`): pairs of which each side is the other's best are pairs of exact mining,
and the share of them that the search under test has is known then.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from pipeline.config.mine import Mine
from pipeline.mining.judging.quality import exact_sample
from pipeline.mining.mine import find_neighbors, mine_neighbors, search_job


def options_of(search: str) -> Mine:
    """The section ``mine`` of a search, `backend[:index][@recall]`."""
    named, _, recall = search.partition("@")
    backend, _, index = named.partition(":")
    return Mine(search=backend, index=index or None, recall=float(recall or 0.95))


def run(arguments: argparse.Namespace) -> None:
    """One mining; writes its pairs and prints what it took as JSON."""
    x, y = (np.load(arguments.vectors / f"{name}.npy", mmap_mode="r")[: arguments.rows] for name in ("src", "trg"))
    options = options_of(arguments.one)
    start, start_cpu = time.perf_counter(), time.process_time()
    search = find_neighbors(x, y, search_job(options))
    spent = {"search": time.process_time() - start_cpu}
    pairs = mine_neighbors(search.neighbors, options).pairs
    spent |= {"seconds": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}
    spent["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    near = {"forward": search.neighbors.forward_row, "backward": search.neighbors.backward_row}
    np.savez(arguments.out, a=pairs.row_a, b=pairs.row_b, score=pairs.score, **near)
    print("\n" + json.dumps({name: round(value, 2) for name, value in spent.items()} | {"about": search.about}))


def compare(arguments: argparse.Namespace) -> None:
    """All searches by turns; medians, and what each has of the first one's."""
    taken: dict[str, list[dict[str, Any]]] = {search: [] for search in arguments.search}
    for number in range(arguments.rounds):
        for search in arguments.search if number % 2 == 0 else arguments.search[::-1]:
            command = [sys.executable, __file__, "--vectors", str(arguments.vectors), "--one", search]
            command += ["--out", str(out_of(arguments, search))]
            command += ["--rows", str(arguments.rows)] if arguments.rows else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            taken[search].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"{search}: {json.dumps(taken[search][-1])}", file=sys.stderr, flush=True)
    first = np.load(out_of(arguments, arguments.search[0]))
    threshold = float(np.quantile(first["score"], 0.9)) if arguments.threshold is None else arguments.threshold
    print(f"{len(first['a']):,} pairs, {(first['score'] >= threshold).sum():,} of at least {threshold:.4f}\n")
    print("| search | seconds | CPU seconds | neighbours | pairs | pairs above the threshold | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for search, runs in taken.items():
        found = np.load(out_of(arguments, search))
        near = np.mean([share(first[side], found[side]) for side in ("forward", "backward")])
        same = [
            len(_pairs(first, limit) & _pairs(found, limit)) / max(len(_pairs(first, limit)), 1)
            for limit in (-np.inf, threshold)
        ]
        seconds, cpu, peak = (statistics.median(one[key] for one in runs) for key in ("seconds", "cpu", "peak_mib"))
        shares = " | ".join(f"{100 * one:.2f} %" for one in (near, *same))
        print(f"| {search} | {seconds:.1f} | {cpu:.1f} | {shares} | {peak:,.0f} MiB |")


def compare_sample(arguments: argparse.Namespace) -> None:
    """One search of everything, beside an exact one of some rows of the first side and of their surroundings."""
    (search,) = arguments.search
    if not (path := out_of(arguments, search)).is_file():
        command = [sys.executable, __file__, "--vectors", str(arguments.vectors), "--one", search, "--out", str(path)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1])
    found = np.load(path)
    x, y = (np.load(arguments.vectors / f"{name}.npy", mmap_mode="r") for name in ("src", "trg"))
    threshold = float(np.quantile(found["score"], 0.9)) if arguments.threshold is None else arguments.threshold
    options = options_of(search)
    exact = exact_sample(x, y, replace(search_job(options), sample=arguments.sample), options.score)
    linked = set(zip(found["a"].tolist(), found["b"].tolist(), strict=True))
    there = np.array([pair in linked for pair in zip(exact.row_a.tolist(), exact.row_b.tolist(), strict=True)])
    above = exact.score >= threshold
    print(
        f"{search}: {len(found['a']):,} pairs of {len(x):,} × {len(y):,}; of {len(there):,} pairs that exact "
        f"mining links {there.mean():.2%}; of {above.sum():,} of at least {threshold:.4f} {there[above].mean():.2%}"
    )


def out_of(arguments: argparse.Namespace, search: str) -> Path:
    """Where a search's pairs are written."""
    return Path(arguments.vectors) / f"pairs-{search.replace(':', '-').replace(',', '-')}.npz"


def share(exact: np.ndarray, found: np.ndarray) -> float:
    """The share of neighbours [n, k] that are among those found [n, k], whatever their places."""
    return float(np.mean([(exact[:, place, None] == found).any(axis=1) for place in range(exact.shape[1])]))


def _pairs(found: np.lib.npyio.NpzFile, limit: float) -> set[tuple[int, int]]:
    kept = found["score"] >= limit
    return set(zip(found["a"][kept].tolist(), found["b"][kept].tolist(), strict=True))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True, help="the folder of src.npy and trg.npy")
    parser.add_argument("--search", nargs="+", default=["exact", "faiss:Flat", "faiss:auto@0.9", "faiss:auto@0.95"])
    parser.add_argument("--rows", type=int, help="the first rows of either side only")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, help="rows that are searched exactly, instead of everything")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(torch.get_num_threads())
    if arguments.one is not None:
        run(arguments)
    elif arguments.sample is not None:
        compare_sample(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
