"""Fuzz every reader for as long as wanted: mutated valid files, each in a process with limits of time and memory.

    python bench/fuzz.py --seconds 60 --jobs 2 [--only tmx,po] [--atheris] [--out fuzz.json]

Whatever the bytes, a reader gives rows, rejects or one line (tests/helpers/fuzz_targets.py); a traceback, a crash, more than
``--timeout`` seconds or more than ``--memory`` MiB over what the libraries take is a finding. A finding's input is kept in
``--keep``. The same seed gives the same inputs. With ``--atheris`` (``pip install atheris``) libFuzzer chooses the inputs
by the branches that the Python code takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]


def main() -> None:
    """Fuzz the targets, each in its own processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="for each target")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="names of targets, with commas between them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=int, default=20, help="seconds for one input")
    parser.add_argument("--memory", type=int, default=2048, help="MiB for one input")
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    from fuzz_targets import all_targets

    names = [name for name in options.only.split(",") if name] or list(all_targets())
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: fuzz(name, options), names))
    print("| reader | inputs | seconds | read | refused | findings |\n|---|---|---|---|---|---|")
    for result in results:
        print("| {name} | {inputs:,} | {seconds:.0f} | {read:,} | {refused:,} | {findings} |".format(**result))
    total = sum(result["inputs"] for result in results)
    print(f"{total:,} inputs, {sum(result['findings'] for result in results)} findings")
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def fuzz(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Run workers on a target until its time is over; a worker that dies is a finding, and the next goes on."""
    counts = {"inputs": 0, "read": 0, "refused": 0, "findings": 0}
    start, seed = time.monotonic(), options.seed
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        while (left := options.seconds - (time.monotonic() - start)) > 1:
            state = Path(folder) / "state.json"
            state.unlink(missing_ok=True)
            command = [sys.executable, __file__, "--worker", name, "--seconds", str(left), "--seed", str(seed)]
            command += ["--timeout", str(options.timeout), "--memory", str(options.memory), "--keep", folder]
            command += ["--atheris"] if options.atheris else []
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"}
            environment |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", check=False
            )
            found = json.loads(state.read_text()) if state.exists() else {}
            for key in ("inputs", "read", "refused"):
                counts[key] += found.get(key, 0)
            if done.returncode == 0:
                break
            counts["findings"] += 1
            seed += 1_000_003
            keep(name, Path(folder), options.keep, done)
    return {"name": name, "seconds": time.monotonic() - start, **counts}


def keep(name: str, folder: Path, where: Path, done: subprocess.CompletedProcess[str]) -> None:
    """Keep the input of a finding and what was said."""
    where.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('/', '_').replace(' ', '_')}-{len(list(where.iterdir())):04d}"
    if (folder / "input").exists():
        (where / f"{stem}.input").write_bytes((folder / "input").read_bytes())
    said = "\n".join(done.stderr.splitlines()[-40:])
    (where / f"{stem}.txt").write_text(f"exit {done.returncode}\n{said}\n", encoding="utf-8")
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    print(f"finding: {name}: exit {done.returncode}: {last[:160]}", file=sys.stderr)


def work(options: argparse.Namespace) -> None:
    """One process: inputs until the time is over or one is a finding (then exit 1, killed by a signal, or by an alarm)."""
    from fuzz_targets import all_targets, apply_edits, check, random_edits

    target = all_targets()[options.worker]
    folder = options.keep
    seeds = target.seeds()
    for seed in seeds:
        check(target, folder, seed)  # warm: libraries are loaded before memory is measured
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (options.memory << 20),) * 2)
    counts = {"inputs": 0, "read": 0, "refused": 0}
    end = noted = 0.0  # time runs from the first input: libFuzzer and its instruments take long to start

    def one(data: bytes) -> None:
        nonlocal noted, end
        if not end:
            noted, end = time.monotonic(), time.monotonic() + options.seconds
        (folder / "input").write_bytes(data)
        counts["inputs"] += 1
        signal.alarm(options.timeout)
        try:
            counts[check(target, folder, data)] += 1
        except BaseException:
            (folder / "state.json").write_text(json.dumps(counts), encoding="utf-8")
            traceback.print_exc()
            os._exit(1)
        signal.alarm(0)
        if time.monotonic() - noted > 1:
            noted = time.monotonic()
            (folder / "state.json").write_text(json.dumps(counts), encoding="utf-8")
        if noted > end:
            (folder / "state.json").write_text(json.dumps(counts), encoding="utf-8")
            os._exit(0)

    if options.atheris:
        import atheris

        corpus = folder / "corpus"
        corpus.mkdir(exist_ok=True)
        for place, seed in enumerate(seeds):
            (corpus / f"{place:03d}").write_bytes(seed)
        for module in [
            name for name in sys.modules if name.split(".")[0] in {"pipeline", "polib", "markdown_it", "csv"}
        ]:
            for value in list(vars(sys.modules[module]).values()):
                if getattr(value, "__module__", None) == module and hasattr(value, "__code__"):
                    atheris.instrument_func(value)
        atheris.Setup([sys.argv[0], str(corpus), f"-seed={options.seed + 1}", "-max_len=65536", "-verbosity=0",
                       "-rss_limit_mb=0", "-detect_leaks=0"], one)  # fmt: skip
        atheris.Fuzz()
        return
    rng = random.Random(options.seed)  # noqa: S311
    while True:
        one(apply_edits(rng.choice(seeds), random_edits(rng, target.words)))


if __name__ == "__main__":
    main()
