"""softalign beside its peers: every comparison by turns, outputs compared first, ratios with their spread.

    make bench                                        # all rows, then the table in bench/README.md
    python bench/run.py teach static --rounds 5       # some rows
    python bench/run.py teach --size sentences=500 --text corpora/train
    python bench/run.py --table                       # only the table, from bench/results

A row that has a result is not measured again (``--again`` does); so a stopped run goes on where it was. ``--text`` is a
folder of ``<a>-<b>/*.tsv.zst`` (or SOFTALIGN_BENCH_TEXT); without it the default run's text is taken, which is too small for
the larger rows. ``--peers`` holds the virtual environments of peers that don't fit into this one (bench/peers).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH), str(BENCH.parent)]

from speed.results import read_results, write_result, write_table  # noqa: E402
from speed.rows import ROWS  # noqa: E402
from speed.rows.base import Run  # noqa: E402


def main() -> int:
    """Measure what is asked for; the exit code says whether every row gave a result."""
    options = _options()
    rows = options.rows or list(ROWS)
    if options.table:
        write_table(BENCH / "README.md", read_results(options.results))
        return 0
    if options.one:
        _measure(options, rows[0])
        return 0
    failed = []
    for name in rows:
        path = options.results / f"{name}.json"
        if path.exists() and not options.again:
            print(f"{name}: has a result ({path}); --again measures it again")
            continue
        missing = [peer for peer in ROWS[name].needs if not (options.peers / peer / "bin" / "python").exists()]
        if missing:
            print(f"{name}: left out, no environment {options.peers / missing[0]} (make bench builds it)")
            continue
        start = time.perf_counter()
        # A process of its own: what one row leaves in memory must not meet the next.
        done = subprocess.run([sys.executable, __file__, "--one", *_arguments(options), name])
        if done.returncode:
            failed.append(name)
        print(f"{name}: {'failed' if done.returncode else 'done'} in {time.perf_counter() - start:.0f} s", flush=True)
    if not options.no_table:
        write_table(BENCH / "README.md", read_results(options.results))
    return 1 if failed else 0


def _measure(options: argparse.Namespace, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=options.scratch) as folder:
        sizes = dict(size.split("=", 1) for size in options.size)
        run = Run(
            text=options.text,
            folder=Path(folder),
            rounds=options.rounds,
            threads=options.threads,
            peers=options.peers,
            sizes={key: float(value) for key, value in sizes.items()},
        )
        write_result(options.results, ROWS[name], run, ROWS[name].run(run))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = os.environ.get("SOFTALIGN_BENCH_TEXT")
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *ROWS], help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each contestant")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--size", action="append", default=[], metavar="NAME=N", help="another size, for every row")
    parser.add_argument("--text", type=Path, default=Path(text) if text else None)
    parser.add_argument("--peers", type=Path, default=BENCH.parent / ".venv" / "peers")
    parser.add_argument("--results", type=Path, default=BENCH / "results")
    parser.add_argument("--scratch", type=Path, help="for inputs; the system's temporary folder, if not given")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--no-table", action="store_true", help="leave bench/README.md as it is")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _arguments(options: argparse.Namespace) -> list[str]:
    found = ["--rounds", str(options.rounds), "--threads", str(options.threads)]
    found += [argument for size in options.size for argument in ("--size", size)]
    for name in ("text", "peers", "results", "scratch"):
        if (value := getattr(options, name)) is not None:
            found += [f"--{name}", str(value)]
    return found


if __name__ == "__main__":
    sys.exit(main())
