"""Exact mining against LASER's mine_bitexts.py and sentence-transformers' bitext mining example, on the same vectors.

    python bench/mining.py make --rows 100000 --folder /tmp/mining
    python bench/mining.py take --vectors /tmp/vectors --folder /tmp/mining    # or: vectors of real text
    python bench/mining.py compare --folder /tmp/mining --rounds 3 --peers LASER/source --example parallel-sentence-mining

``--peers`` holds LASER's mine_bitexts.py, ``--example`` sentence-transformers' bitext_mining_utils.py; neither is part
of this repository. Every run is a process of its own; the contestants take turns, so that a slow minute of the machine
meets all of them. Timed: reading the vectors, searching, scoring, linking, writing ``score TAB a TAB b``; not timed:
starting Python and importing. On a machine that others use too, compare CPU time, with OMP_NUM_THREADS=1. ``faiss`` is
the neighbour search that both peers do, alone; ``search`` is ours.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import json
import resource
import runpy
import statistics
import subprocess
import sys
import time
import types
from pathlib import Path

import faiss
import numpy as np
import torch

from pipeline.config.mine import Mine
from pipeline.mining.mine import mine
from pipeline.mining.outputs import OutputSide, PairsToWrite, format_of
from pipeline.search.job import SearchJob
from pipeline.search.search import search

DIMENSION = 384
K = 4
SHOWN = 10


def make(folder: Path, rows: int, seed: int = 0) -> None:
    """Vectors of a mixture of topics; a quarter of side b are noisy copies of side a's. Texts name their row."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    topics = generator.standard_normal((300, DIMENSION), dtype=np.float32)
    sides = []
    for _ in range(2):
        which = generator.integers(0, len(topics), (rows, 2))
        noise = generator.standard_normal((rows, DIMENSION), dtype=np.float32)
        sides.append(topics[which[:, 0]] + 0.5 * topics[which[:, 1]] + 1.2 * noise)
    known = rows // 4
    noise = generator.standard_normal((known, DIMENSION), dtype=np.float32)
    sides[1][:known] = sides[0][:known] + 0.8 * noise
    sides[1] = sides[1][generator.permutation(rows)]
    for name, vectors in zip("ab", sides, strict=True):
        (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tofile(folder / f"{name}.f32")
        (folder / f"{name}.txt").write_text("".join(f"{name}{row}\n" for row in range(rows)))


def take(folder: Path, vectors: Path) -> None:
    """Vectors of real text, as `softalign mine --vectors` keeps them. Texts name their row."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, kept in (("a", "src"), ("b", "trg")):
        wide = np.load(vectors / f"{kept}.npy").astype(np.float32)
        (wide / np.linalg.norm(wide, axis=1, keepdims=True)).tofile(folder / f"{name}.f32")
        (folder / f"{name}.txt").write_text("".join(f"{name}{row}\n" for row in range(len(wide))))


def load(folder: Path, name: str) -> np.ndarray:
    """A side's vectors, memory-mapped."""
    return np.memmap(folder / f"{name}.f32", dtype=np.float32, mode="r").reshape(-1, DIMENSION)


def run_softalign(folder: Path, out: Path) -> None:
    """Our mining, as the command line does it."""
    pairs = mine(load(folder, "a"), load(folder, "b"), Mine(k=K, search="exact"))
    texts = [(folder / f"{name}.txt").read_text().splitlines() for name in "ab"]
    format_of(out).write(out, PairsToWrite(pairs, OutputSide.of("en", texts[0]), OutputSide.of("fr", texts[1])))


def run_laser(folder: Path, out: Path, source: Path) -> None:
    """LASER's script as it is; its imports of encoders, which mining doesn't use, are stood in for."""
    import os

    def embed_load(path: str, dim: int, verbose: bool = False, fp16: bool = False) -> np.ndarray:
        return np.fromfile(path, dtype=np.float16 if fp16 else np.float32).reshape(-1, dim)

    embed = types.ModuleType("embed")
    embed.__dict__.update(SentenceEncoder=None, EncodeLoad=None, EncodeFile=None, EmbedLoad=embed_load)
    text = types.ModuleType("lib.text_processing")
    text.__dict__.update(Token=None, BPEfastApply=None)
    sys.modules.update({"embed": embed, "lib": types.ModuleType("lib"), "lib.text_processing": text})
    os.environ["LASER"] = str(source.parent)
    files = [str(folder / "a.txt"), str(folder / "b.txt")]
    vectors = ["--src-embeddings", str(folder / "a.f32"), "--trg-embeddings", str(folder / "b.f32")]
    options = ["--src-lang", "en", "--trg-lang", "fr", "--mode", "mine", "--dim", str(DIMENSION), "-k", str(K)]
    sys.argv = ["mine_bitexts.py", *files, *vectors, *options, "--output", str(out)]
    runpy.run_path(str(source / "mine_bitexts.py"), run_name="__main__")


def run_example(folder: Path, out: Path, source: Path) -> None:
    """sentence-transformers' example from its vectors on, exact search; its lines are Apache-2.0."""
    sys.path.insert(0, str(source))
    from bitext_mining_utils import kNN, score_candidates  # type: ignore[import-not-found]

    texts = [(folder / f"{name}.txt").read_text().splitlines() for name in "ab"]
    x, y = (np.array(load(folder, name)) for name in "ab")
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    x2y_sim, x2y_ind = kNN(x, y, K)
    y2x_sim, y2x_ind = kNN(y, x, K)
    x2y_mean, y2x_mean = x2y_sim.mean(axis=1), y2x_sim.mean(axis=1)
    fwd = score_candidates(x, y, x2y_ind, x2y_mean, y2x_mean, lambda a, b: a / b)
    bwd = score_candidates(y, x, y2x_ind, y2x_mean, x2y_mean, lambda a, b: a / b)
    fwd_best = x2y_ind[np.arange(len(x)), fwd.argmax(axis=1)]
    bwd_best = y2x_ind[np.arange(len(y)), bwd.argmax(axis=1)]
    first = np.concatenate([np.arange(len(x)), bwd_best])
    second = np.concatenate([fwd_best, np.arange(len(y))])
    scores = np.concatenate([fwd.max(axis=1), bwd.max(axis=1)])
    seen_a: set[int] = set()
    seen_b: set[int] = set()
    with out.open("w") as opened:
        for i in np.argsort(-scores):
            a, b = int(first[i]), int(second[i])
            if a not in seen_a and b not in seen_b:
                seen_a.add(a)
                seen_b.add(b)
                opened.write(f"{scores[i]:.4f}\t{texts[0][a]}\t{texts[1][b]}\n")


def run_faiss(folder: Path, out: Path) -> None:
    """The two searches of both peers, alone."""
    x, y = (np.array(load(folder, name)) for name in "ab")
    for one, other in ((x, y), (y, x)):
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(other)
        index.search(one, K)


def run_search(folder: Path, out: Path) -> None:
    """Our search of both directions, alone."""
    search(load(folder, "a"), load(folder, "b"), SearchJob(K, backend="exact"))


def run(arguments: argparse.Namespace) -> None:
    """One contestant, once; prints seconds and peak memory as JSON."""
    folder, out = arguments.folder, arguments.folder / f"{arguments.name}.tsv"
    start, start_cpu = time.perf_counter(), time.process_time()
    match arguments.name:
        case "softalign":
            run_softalign(folder, out)
        case "laser":
            run_laser(folder, out, arguments.peers)
        case "example":
            run_example(folder, out, arguments.example)
        case "faiss":
            run_faiss(folder, out)
        case "search":
            run_search(folder, out)
    spent = {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - start_cpu, 2),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"name": arguments.name, **spent, "peak_mib": round(peak)}))


def pairs_of(path: Path) -> dict[tuple[str, str], float]:
    """The pairs of a TSV and their scores."""
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return {(a, b): float(score) for score, a, b in rows}


def compare(arguments: argparse.Namespace) -> None:
    """All contestants by turns; medians, ratios and differences of pairs."""
    names = ["search", "faiss", "softalign"]
    names += ["laser"] if arguments.peers else []
    names += ["example"] if arguments.example else []
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            command = [sys.executable, __file__, "run", "--folder", str(arguments.folder), "--name", name]
            for option in ("peers", "example"):
                if (value := getattr(arguments, option)) is not None:
                    command += [f"--{option}", str(value)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout.strip().splitlines()[-1])
            seconds[name].append(result["seconds"])
            cpu[name].append(result["cpu_seconds"])
            print(json.dumps(result), flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print("medians:", json.dumps(medians))
    print("medians of CPU time:", json.dumps({name: statistics.median(values) for name, values in cpu.items()}))
    print(f"search: {medians['faiss'] / medians['search']:.2f} times as fast as FAISS' two searches")
    ours = pairs_of(arguments.folder / "softalign.tsv")
    for name in names[3:]:
        theirs = pairs_of(arguments.folder / f"{name}.tsv")
        shared = ours.keys() & theirs.keys()
        off = max((abs(ours[pair] - theirs[pair]) for pair in shared), default=0.0)
        print(
            f"{name}: {medians[name] / medians['softalign']:.2f} times our time; {len(shared):,} pairs in both, "
            f"{len(ours) - len(shared):,} only ours, {len(theirs) - len(shared):,} only theirs; "
            f"scores differ by at most {off:.1e}"
        )
        for title, one, other in (("only ours", ours, theirs), ("only theirs", theirs, ours)):
            for pair in sorted(one.keys() - other.keys(), key=lambda pair: -one[pair])[:SHOWN]:
                rivals = [
                    (rival, score) for rival, score in other.items() if rival[0] == pair[0] or rival[1] == pair[1]
                ]
                print(f"  {title}: {' '.join(pair)} {one[pair]:.6f}; the other has", *rivals)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "take", "run", "compare"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--name", choices=["softalign", "laser", "example", "faiss", "search"])
    parser.add_argument("--peers", type=Path, help="LASER's folder `source`")
    parser.add_argument("--example", type=Path, help="sentence-transformers' folder of the example")
    parser.add_argument("--vectors", type=Path, help="for `take`: the folder of src.npy and trg.npy (384 dimensions)")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(torch.get_num_threads())
    match arguments.command:
        case "make":
            make(arguments.folder, arguments.rows)
        case "take":
            take(arguments.folder, arguments.vectors)
        case "run":
            run(arguments)
        case "compare":
            compare(arguments)


if __name__ == "__main__":
    main()
