"""What is brought along to a machine with a GPU: a folder that needs neither network, nor text tools, nor params.yaml there.

model/              the encoder in sentence-transformers' layout, its matrices in blocks of four bits (`.q4`)
teacher/            another teacher, likewise; the student's start is one as well
arrays.npz          tokens, pairs and gold scores, in the smallest integers that hold them
contents.json       what the arrays are, the section `train` of the parameters, and sentences as text for the peers
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from torch import Tensor

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError
from pipeline.encoders.q4 import BLOCK, BLOCK_BYTES, narrow, widen

FORM = 3
"""Raised when an older pack can't be read any more."""
NARROWED = 65_536
"""Blocks that are narrowed or widened at a time."""
PART_BYTES = 15 << 20
"""Of a file that is brought back."""
EXACT = "position_embeddings"
"""Stays float32, as biases and norms do: few values, and every token gets one."""


@dataclass(frozen=True)
class Scored:
    """A task of a benchmark, tokenized.

    Attributes:
        benchmark: its name.
        name: of the task.
        a: sentences [n].
        b: their translations, or what they are compared with [n].
        gold: people's scores [n]; None: row i of ``b`` is to be found for row i of ``a``.
    """

    benchmark: str
    name: str
    a: TokenBatch
    b: TokenBatch
    gold: NDArray[np.float64] | None


@dataclass(frozen=True)
class Contents:
    """All but the model.

    Attributes:
        sentences: training sentences by language.
        pairs: by language pair (``en-fr``), rows of both languages [n, 2].
        scored: the dev set (``dev``) and benchmarks.
        texts: some of the training sentences as text.
        about: ``train`` (the parameters' section), ``neighbors`` (k of their neighbourhoods), ``prefix``, ``max_length``, and
            where it comes from.
        others: another teacher's tokens of ``sentences``, of the languages that it labels.
    """

    sentences: dict[str, TokenBatch]
    pairs: dict[str, NDArray[np.int64]]
    scored: list[Scored] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    others: dict[str, TokenBatch] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``arrays.npz`` and ``contents.json``."""
        arrays: dict[str, NDArray[Any]] = {}
        for language, batch in self.sentences.items():
            _put(arrays, f"sentences/{language}", batch)
        for language, batch in self.others.items():
            _put(arrays, f"others/{language}", batch)
        for name, rows in self.pairs.items():
            arrays[f"pairs/{name}"] = smallest(rows)
        for number, task in enumerate(self.scored):
            _put(arrays, f"scored/{number}/a", task.a)
            _put(arrays, f"scored/{number}/b", task.b)
            if task.gold is not None:
                arrays[f"scored/{number}/gold"] = task.gold
        # What numpy.savez writes, packed a quarter smaller than it would be by numpy.savez_compressed.
        with zipfile.ZipFile(folder / "arrays.npz", "w", zipfile.ZIP_LZMA) as file:
            for name, values in arrays.items():
                with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, values, allow_pickle=False)
        content = {
            "form": FORM,
            "languages": list(self.sentences),
            "others": list(self.others),
            "pairs": list(self.pairs),
            "scored": [[task.benchmark, task.name] for task in self.scored],
            "texts": self.texts,
            "about": self.about,
        }
        (folder / "contents.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Contents:
        """Read them back.

        Raises:
            InputError: if the folder is none of bench/gpu/pack.py, or of another form.
        """
        described, held = folder / "contents.json", folder / "arrays.npz"
        try:
            content = json.loads(described.read_text(encoding="utf-8"))
            arrays = np.load(held, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(folder, f"no pack of bench/gpu/pack.py ({error}); make it again") from None
        if content.get("form") != FORM:
            raise InputError(described, f"found form {content.get('form')}, expected {FORM}; make the pack again")
        scored = []
        for number, (benchmark, name) in enumerate(content["scored"]):
            place = f"scored/{number}"
            gold = arrays.get(f"{place}/gold")
            scored.append(Scored(benchmark, name, _get(arrays, f"{place}/a"), _get(arrays, f"{place}/b"), gold))
        return cls(
            {language: _get(arrays, f"sentences/{language}") for language in content["languages"]},
            {name: arrays[f"pairs/{name}"].astype(np.int64) for name in content["pairs"]},
            scored,
            content["texts"],
            content["about"],
            {language: _get(arrays, f"others/{language}") for language in content["others"]},
        )


def smallest(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers from 0 on in the smallest type that holds them.

    >>> smallest(np.array([3, 300])).dtype
    dtype('uint16')
    """
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _put(arrays: dict[str, NDArray[Any]], name: str, batch: TokenBatch) -> None:
    arrays[f"{name}/tokens"], arrays[f"{name}/lengths"] = smallest(batch.tokens), smallest(batch.lengths)


def _get(arrays: Mapping[str, NDArray[Any]], name: str) -> TokenBatch:
    return TokenBatch(arrays[f"{name}/tokens"].astype(np.int32), arrays[f"{name}/lengths"].astype(np.int64))


def shrink_model(folder: Path) -> None:
    """Put every safetensors file of a model's folder, in place, into its four-bit form (``.q4`` behind its name)."""
    for file in sorted(folder.rglob("*.safetensors")):
        held: dict[str, NDArray[Any]] = {}
        shapes: dict[str, list[int]] = {}
        for name, values in load_file(file).items():
            in_blocks = values.ndim == 2 and values.shape[1] % BLOCK == 0 and EXACT not in name
            held[name] = values
            if in_blocks:
                rows = np.ascontiguousarray(values, dtype=np.float32).reshape(-1, BLOCK)
                parts = [narrow(rows[start : start + NARROWED]) for start in range(0, len(rows), NARROWED)]
                held[name], shapes[name] = np.concatenate(parts), list(values.shape)
        save_file(held, file.with_name(f"{file.name}.q4"), {"blocks": json.dumps(shapes)})
        file.unlink()


def widen_model(packed: Path, folder: Path) -> None:
    """Make an ordinary model folder, in float32, of one that `shrink_model` has shrunk.

    Raises:
        InputError: if a file of weights is damaged.
    """
    shutil.copytree(packed, folder, ignore=shutil.ignore_patterns("*.q4"), dirs_exist_ok=True)
    found = sorted(packed.rglob("*.safetensors.q4"))
    if not found:
        raise InputError(packed, "holds no *.safetensors.q4; expected the folder model of bench/gpu/pack.py")
    for file in found:
        tensors: dict[str, NDArray[Any]] = {}
        try:
            with safe_open(file, "np") as opened:
                shapes = json.loads((opened.metadata() or {})["blocks"])
                for name in opened.keys():  # noqa: SIM118 (no mapping)
                    values = opened.get_tensor(name)
                    if name in shapes:
                        values = widen(values.reshape(-1, BLOCK_BYTES)).reshape(shapes[name])
                    tensors[name] = values
        except (SafetensorError, KeyError, ValueError) as error:
            raise InputError(file, f"no weights in blocks of four bits ({error}); make the pack again") from None
        target = folder / file.relative_to(packed).with_name(file.name.removesuffix(".q4"))
        save_file(tensors, target, {"format": "pt"})


def write_difference(start: Mapping[str, Tensor], trained: Mapping[str, Tensor], folder: Path) -> None:
    """Write what a training has changed, in eight bits with one float32 scale a row; vectors stay float32.

    A value is off by at most 1/254 of the largest change in its row. The files ``student-N.safetensors`` have at most
    `PART_BYTES`.

    Args:
        start: parameters by name, on the CPU.
        trained: the same, trained.
        folder: where to; made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, NDArray[Any]]] = [{}]
    size = 0
    for name, value in trained.items():
        change = (value.float() - start[name].float()).numpy()
        rows = change.reshape(len(change), -1) if change.ndim > 1 else change.reshape(1, -1)
        scale = np.abs(rows).max(axis=1, keepdims=True) / 127
        steps = np.rint(rows / np.where(scale > 0, scale, 1)).astype(np.int8).reshape(change.shape)
        # A matrix too long for one file goes into several, by rows.
        by = max(1, (PART_BYTES // 2) // max(steps[:1].nbytes + 4, 1)) if change.ndim > 1 else len(change)
        for first in range(0, len(change), by):
            held = (
                {f"{name}@{first}": steps[first : first + by], f"{name}@{first}/scale": scale[first : first + by, 0]}
                if change.ndim > 1
                else {name: change}
            )
            taken = sum(values.nbytes for values in held.values())
            if size and size + taken > PART_BYTES:
                parts.append({})
                size = 0
            parts[-1].update(held)
            size += taken
    for number, part in enumerate(parts):
        save_file(
            {name: np.ascontiguousarray(values) for name, values in part.items()},
            folder / f"student-{number}.safetensors",
        )


def read_difference(folder: Path) -> dict[str, Tensor]:
    """What `write_difference` wrote, in float32, by name."""
    whole: dict[str, Tensor] = {}
    rows: dict[str, dict[int, Tensor]] = {}
    held = {name: values for file in folder.glob("student-*.safetensors") for name, values in load_file(file).items()}
    for name, values in held.items():
        if "@" not in name:
            whole[name] = torch.from_numpy(values)
        elif not name.endswith("/scale"):
            of, _, first = name.partition("@")
            scale = held[f"{name}/scale"].reshape(-1, *[1] * (values.ndim - 1))
            rows.setdefault(of, {})[int(first)] = torch.from_numpy(values.astype(np.float32) * scale)
    return whole | {name: torch.cat([part for _, part in sorted(parts.items())]) for name, parts in rows.items()}
