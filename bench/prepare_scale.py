"""How prepare's time and memory grow with the corpus.

Takes a folder of ``<a>-<b>/*.tsv.zst`` (two columns), prepares it, then prepares N times as much, made by repetition with
changes (every repetition adds a word of its own to both sides, so no line is a duplicate). Each size runs in a process of
its own.

    python bench/prepare_scale.py ../shared/corpora/train --times 1 10
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zstandard

PAIRS = ("en-fr", "en-ja", "en-ko", "en-ru")


def repeat(source: Path, target: Path, times: int) -> None:
    """Write ``times`` changed copies of every file."""
    for path in sorted(source.glob("*/*.tsv.zst")):
        if path.parent.name not in PAIRS:
            continue
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        with zstandard.open(path, "rb") as opened:
            lines = opened.read().split(b"\n")[:-1]
        with zstandard.open(target / path.parent.name / path.name, "wb") as out:
            for number in range(times):
                word = b"" if number == 0 else b" " + bytes([96 + number]) * 4
                for line in lines:
                    out.write(line.replace(b"\t", word + b"\t", 1) + word + b"\n")


def prepare_once(folder: Path, near: float, share: float, heldout_near: str) -> None:
    """Prepare the corpora in a folder; print the account, seconds and the peak memory of this process as JSON."""
    from pipeline.config.params import check_params
    from pipeline.prepare.prepare import PrepareOutputs, prepare

    params = check_params(
        {
            "languages": ["en", "fr", "ja", "ko", "ru"],
            "pairs": list(PAIRS),
            "prepare": {
                "corpora": [{"name": "train", "format": "tsv", "path": "in/{a}-{b}/*.tsv.zst", "heldout": share > 0}],
                "heldout": {"share": share, "near": heldout_near if heldout_near == "digits" else float(heldout_near)},
                "duplicates": {"near": near},
            },
            "teacher": {"model": "none"},
        }
    )
    names = ("sentences", "pairs", "monolingual", "heldout", "rejects")
    start = time.perf_counter()
    metrics = prepare(params, folder, PrepareOutputs(*(folder / "out" / name for name in names)))
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
    print(json.dumps({"account": metrics["corpora"]["train"], **found}))


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--near", type=float, default=0.0, help="also look for near-duplicates at this similarity")
    parser.add_argument("--heldout", type=float, default=0.0, help="hold out this share of the documents")
    parser.add_argument("--heldout-near", default="digits", help="digits, a similarity, or 0: heldout.near")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        prepare_once(options.source, options.near, options.heldout, options.heldout_near)
        return
    print("| times | lines | kept | seconds | lines/s | CPU seconds | peak MiB |\n|---|---|---|---|---|---|---|")
    for times in options.times:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            repeat(options.source, folder / "in", times)
            command = [sys.executable, __file__, str(folder), "--run", "--near", str(options.near)]
            command += ["--heldout", str(options.heldout), "--heldout-near", options.heldout_near]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            lines, seconds = found["account"]["read"], found["seconds"]
            print(
                f"| {times} | {lines:,} | {found['account']['kept']:,} | {seconds:.1f} | {lines / seconds:,.0f} "
                f"| {found['cpu']:.0f} | {found['peak_mib']:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
