"""LASER's ``mine_bitexts.py``, as it is."""

from __future__ import annotations

import os
import runpy
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import scored_pairs
from speed.worker import Clock, Work


def mining(options: dict[str, Any]) -> Work:
    """From vectors in files to a file of pairs. Its imports of encoders, which mining doesn't use, are stood in for."""
    folder, out = Path(options["folder"]), Path(options["folder"]) / "laser.tsv"

    def load(path: str, dim: int, verbose: bool = False, fp16: bool = False) -> Any:
        return np.fromfile(path, dtype=np.float16 if fp16 else np.float32).reshape(-1, dim)

    embed = types.ModuleType("embed")
    embed.__dict__.update(SentenceEncoder=None, EncodeLoad=None, EncodeFile=None, EmbedLoad=load)
    text = types.ModuleType("lib.text_processing")
    text.__dict__.update(Token=None, BPEfastApply=None)
    sys.modules.update({"embed": embed, "lib": types.ModuleType("lib"), "lib.text_processing": text})
    os.environ["LASER"] = options["laser"]
    files = [str(folder / "a.txt"), str(folder / "b.txt")]
    vectors = ["--src-embeddings", str(folder / "a.f32"), "--trg-embeddings", str(folder / "b.f32")]
    how = ["--mode", "mine", "--dim", str(options["dimension"]), "-k", str(options["k"]), "--output", str(out)]

    def work(clock: Clock) -> Any:
        sys.argv = ["mine_bitexts.py", *files, *vectors, "--src-lang", "en", "--trg-lang", "fr", *how]
        runpy.run_path(str(Path(options["laser"]) / "mine_bitexts.py"), run_name="__main__")
        with clock.paused():
            return scored_pairs(out)

    return work
