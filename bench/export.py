"""An exported student against torch on a CPU: sentences a second, and what the vectors are worth.

Each form runs in a process of its own, one thread, in turns (torch, float32, int8, torch, …), so that a machine that slows
down slows all of them. Tokenizing is the same for all and left out; every form sorts by length and takes the same tokens at
once. Worth: cosines to torch's vectors, and, with aligned text, retrieval accuracy (mean of both directions).

    softalign export --to onnx --out export
    python bench/export.py --export export --text text.en
    python bench/export.py --export export --text text.en --translation text.fr --rounds 5
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FORMS = ("torch", "onnx/model.onnx", "onnx/model_int8.onnx")


def measure(form: str, folder: Path, texts: list[str], batch_tokens: int, out: Path) -> float:
    """Encode sentences in one form, save the vectors, and return sentences a second (after a warm-up of a tenth)."""
    import torch

    from pipeline.exporting.runtime import OnnxModel
    from pipeline.exporting.source import open_source

    torch.set_num_threads(1)
    source = open_source(folder)
    batch = source.encoder.tokenize(texts)
    if form == "torch":
        from pipeline.encoders.model import embed

        def encode(part: object) -> np.ndarray:
            return embed(source.encoder.model, part, batch_tokens)
    else:
        model = OnnxModel(folder / form, int(getattr(source.encoder.model, "pad", 0)), threads=1)

        def encode(part: object) -> np.ndarray:
            return model.encode_tokens(part, batch_tokens)

    encode(batch.select(np.arange(max(1, len(texts) // 10))))
    start = time.perf_counter()
    vectors = encode(batch)
    seconds = time.perf_counter() - start
    np.save(out, vectors)
    return len(texts) / seconds


def accuracy(a: np.ndarray, b: np.ndarray) -> float:
    """How often the nearest is the translation, mean of both directions."""
    similarity = a @ b.T
    rows = np.arange(len(a))
    return float(((similarity.argmax(axis=1) == rows).mean() + (similarity.argmax(axis=0) == rows).mean()) / 2)


def main() -> None:
    """Run the forms in turns and print the table, or (in a process of its own) measure one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True, help="a folder of `softalign export --to onnx`")
    parser.add_argument("--text", type=Path, required=True, help="sentences, one a line")
    parser.add_argument("--translation", type=Path, help="their translations, line by line")
    parser.add_argument("--limit", type=int, default=1000, help="lines taken")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--one", nargs=2, metavar=("FORM", "NPY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    texts = options.text.read_text(encoding="utf-8").splitlines()[: options.limit]
    count = len(texts)
    if options.translation:
        texts += options.translation.read_text(encoding="utf-8").splitlines()[: options.limit]
    if options.one:
        form, out = options.one
        print(json.dumps(measure(form, options.export, texts, options.batch_tokens, Path(out))))
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        files = {form: Path(name) / f"{place}.npy" for place, form in enumerate(FORMS)}
        speeds: dict[str, list[float]] = {form: [] for form in FORMS}
        for _ in range(options.rounds):
            for form in FORMS:
                command = [sys.executable, __file__, *sys.argv[1:], "--one", form, str(files[form])]
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                speeds[form].append(float(done.stdout.splitlines()[-1]))
        vectors = {form: np.load(path) for form, path in files.items()}
    print(f"{len(texts):,} sentences, {options.rounds} rounds, one thread\n")
    print("| form | MB | sentences/s, median (least–most) | lowest cosine | mean cosine | retrieval accuracy |")
    print("|---|---|---|---|---|---|")
    for form in FORMS:
        file = options.export / ("model.safetensors" if form == "torch" else form)
        size = sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*")) / 1e6
        speed = sorted(speeds[form])
        cosines = (vectors["torch"] * vectors[form]).sum(axis=1)[vectors["torch"].any(axis=1)]
        found = vectors[form]
        worth = f"{100 * accuracy(found[:count], found[count:]):.2f}" if options.translation else "–"
        print(
            f"| {form} | {size:.1f} | {np.median(speed):,.0f} ({speed[0]:,.0f}–{speed[-1]:,.0f}) "
            f"| {cosines.min():.5f} | {cosines.mean():.5f} | {worth} |"
        )


if __name__ == "__main__":
    main()
