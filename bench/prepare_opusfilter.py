"""prepare against OpusFilter: the same filters on the same input, in one run.

The input is two-column TSV files of one language pair, and a tenth of their lines once more (exact duplicates). Filters of
both: exact duplicates; length 2-2,000 characters; length ratio below 3 in characters; letters at least 30 % of what isn't
space; at least a quarter of the letters in the language's script. Both read plain files and may use all cores; softalign's
time includes starting Python, hashing, and writing its sorted, sharded artifacts and the rejects.

    python -m venv /tmp/opusfilter && /tmp/opusfilter/bin/pip install opusfilter
    python bench/prepare_opusfilter.py ../shared/corpora/train/en-fr --opusfilter /tmp/opusfilter/bin/opusfilter
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import zstandard
from ruamel.yaml import YAML

SCRIPTS = {"en": "Latin", "fr": "Latin", "ru": "Cyrillic"}
RATIO = 3.0


def write_input(source: Path, folder: Path, a: str, b: str) -> int:
    """Write the two Moses files; returns the number of lines."""
    lines: list[bytes] = []
    for path in sorted(source.glob("*.tsv.zst")):
        with zstandard.open(path, "rb") as opened:
            lines += opened.read().split(b"\n")[:-1]
    lines += lines[::10]
    for language, column in ((a, 0), (b, 1)):
        text = b"".join(line.split(b"\t")[column] + b"\n" for line in lines)
        (folder / f"in.{language}").write_bytes(text)
    return len(lines)


def run_opusfilter(folder: Path, a: str, b: str, program: str) -> set[tuple[str, str]]:
    """Filter with OpusFilter; returns what it kept."""
    filters = [
        {"LengthFilter": {"min_length": 2, "max_length": 2000, "unit": "char"}},
        {"LengthRatioFilter": {"threshold": RATIO, "unit": "char"}},
        {"AlphabetRatioFilter": {"threshold": 0.3, "exclude_whitespace": True}},
        {"CharacterScoreFilter": {"scripts": [SCRIPTS[a], SCRIPTS[b]], "thresholds": [0.25, 0.25]}},
    ]
    inputs, unique, kept = ([f"{stem}.{code}" for code in (a, b)] for stem in ("in", "unique", "kept"))
    steps = [
        {"type": "remove_duplicates", "parameters": {"inputs": inputs, "outputs": unique}},
        {"type": "filter", "parameters": {"inputs": unique, "outputs": kept, "filters": filters}},
    ]
    config = {"common": {"output_directory": str(folder), "default_n_jobs": os.cpu_count()}, "steps": steps}
    with (folder / "opusfilter.yaml").open("w") as out:
        YAML(typ="safe", pure=True).dump(config, out)
    subprocess.run([program, str(folder / "opusfilter.yaml")], check=True, capture_output=True, cwd=folder)
    sides = [(folder / name).read_text(encoding="utf-8").split("\n")[:-1] for name in kept]
    return {(spaced(x), spaced(y)) for x, y in zip(*sides, strict=True)}


def spaced(text: str) -> str:
    """White space as prepare leaves it."""
    return " ".join(text.split())


def prepare_here(folder: Path, a: str, b: str) -> None:
    """Filter with softalign."""
    from pipeline.config.params import check_params
    from pipeline.prepare.prepare import PrepareOutputs, prepare

    clean = {
        "normalization": "none", "control_characters": False, "copies": False, "max_length_ratio": RATIO,
        "length_unit": "characters", "min_number_overlap": 0.0, "urls": False,
    }  # fmt: skip
    corpus = {"name": "train", "format": "moses", "path": "in.{lang}", "heldout": False}
    section = {"corpora": [corpus], "clean": clean, "duplicates": {"normalized": False}}
    params = check_params(
        {"languages": [a, b], "pairs": [f"{a}-{b}"], "prepare": section, "teacher": {"model": "none"}}
    )
    names = ("sentences", "pairs", "monolingual", "heldout", "rejects")
    metrics = prepare(params, folder, PrepareOutputs(*(folder / "out" / name for name in names)))
    print(metrics["corpora"]["train"])


def kept_here(folder: Path, a: str, b: str) -> set[tuple[str, str]]:
    """What softalign kept."""
    from pipeline.artifacts.shards import open_folder

    def load(kind: str, name: str) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(pl.from_arrow(s.table)) for s in open_folder(folder / "out" / kind / name)])

    pairs = load("pairs", f"{a}-{b}")
    for side, language in (("a", a), ("b", b)):
        text = load("sentences", language).select(pl.col("id").alias(side), pl.col("text").alias(f"text_{side}"))
        pairs = pairs.join(text, on=side)
    return {(spaced(x), spaced(y)) for x, y in pairs.select("text_a", "text_b").iter_rows()}


def main() -> None:
    """Measure both and compare what they keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a folder <a>-<b> of *.tsv.zst")
    parser.add_argument("--opusfilter", default="opusfilter")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        prepare_here(options.source, *options.run)
        return
    a, b = options.source.name.split("-")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = write_input(options.source, folder, a, b)
        start = time.perf_counter()
        command = [sys.executable, __file__, str(folder), "--run", a, b]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        ours_seconds = time.perf_counter() - start
        ours_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        start = time.perf_counter()
        theirs = run_opusfilter(folder, a, b, options.opusfilter)
        theirs_seconds = time.perf_counter() - start
        ours = kept_here(folder, a, b)
        print(f"softalign's account: {done.stdout.strip()} (peak {ours_peak:,.0f} MiB)\n")
        print("| | pairs in | seconds | pairs/s | kept | kept by this one only |\n|---|---|---|---|---|---|")
        for label, seconds, kept, other in (
            ("softalign prepare", ours_seconds, ours, theirs),
            ("OpusFilter", theirs_seconds, theirs, ours),
        ):
            print(
                f"| {label} | {lines:,} | {seconds:.1f} | {lines / seconds:,.0f} | {len(kept):,} | {len(kept - other):,} |"
            )
        for pair in sorted(ours ^ theirs)[:10]:
            print("differs:", pair)


if __name__ == "__main__":
    main()
