"""What is fuzzed: every reader of outside bytes, with valid files to start from and the one way in which it may fail.

A target writes bytes to a file and reads it as the product does. It may give rows, rejects or a `UserError` whose message
is a line that can't steer a terminal; anything else is a defect. ``bench/fuzz.py`` runs these for long, tests/fuzz briefly.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import shutil
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pipeline.console.errors import ParamsError, UserError
from pipeline.console.plain_text import visible
from pipeline.corpora.base import SCHEMA, ReadRequest
from pipeline.corpora.registry import plain_reader

ROWS_READ = 200_000
"""Small inputs that give more rows than this are bombs."""


@dataclass(frozen=True)
class Target:
    """A reader of bytes.

    Attributes:
        name: of the target.
        seeds: valid (or nearly valid) inputs.
        run: writes the bytes into a folder and reads them.
        words: pieces that mutations insert.
        packed: what wraps a mutated seed (a compression), so that mutations reach behind it.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    run: Callable[[Path, bytes], None]
    words: tuple[bytes, ...] = ()
    packed: Callable[[bytes], bytes] | None = None


def check(target: Target, folder: Path, data: bytes) -> str:
    """Run a target on an input; returns ``"read"`` or ``"refused"``.

    Raises:
        AssertionError: for an error message that is no clean line.
        Exception: whatever a defect raises.
    """
    try:
        target.run(folder, data if target.packed is None else target.packed(data))
    except UserError as error:
        lines = str(error).split("\n") if isinstance(error, ParamsError) else [str(error)]
        assert all(lines), f"an empty message of {type(error).__name__}"
        assert all(visible(line) == line for line in lines), f"a message that steers: {error!r}"
        assert max(map(len, lines)) < 2_000, f"a message of {max(map(len, lines)):,} characters"
        return "refused"
    return "read"


EDGES = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\t", b'"', b"'", b"\\", b"\\u0000",
    b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xef\xbf\xbd", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\x1b[31m",
    b"NaN", b"-1", b"0", b"1e999", b"9" * 40, b"9" * 5000, b"null", b"true", b"{}", b"[]", b"[" * 3000, b"{\"a\":" * 2000,
    b"<", b">", b"&", b"&#0;", b"%s", b"{a}", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00" * 4,
)  # fmt: skip

Edit = tuple[str, float, float, bytes]
"""Kind, place and length (shares of the input), and bytes."""
KINDS = ("flip", "set", "insert", "overwrite", "delete", "repeat", "move", "truncate", "integer")


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """A mutated input: each edit changes one place. At most 1 MiB long."""
    for kind, place, length, piece in edits:
        start = int(place * (len(data) + 1))
        # mostly short, now and then much: the cube of a uniform share
        end = min(len(data), start + 1 + int(length**3 * len(data)))
        piece = piece or b"\x00"
        if kind == "flip" and start < len(data):
            data = data[:start] + bytes([data[start] ^ (1 << (piece[0] & 7))]) + data[start + 1 :]
        elif kind == "set" and start < len(data):
            data = data[:start] + piece[:1] + data[start + 1 :]
        elif kind == "insert":
            data = data[:start] + piece + data[start:]
        elif kind == "overwrite":
            data = data[:start] + piece + data[start + len(piece) :]
        elif kind == "delete":
            data = data[:start] + data[end:]
        elif kind == "repeat":
            data = data[:start] + data[start:end] * (2 + piece[0] % 40) + data[end:]
        elif kind == "move":
            data = data[:start] + data[end:] + data[start:end]
        elif kind == "truncate":
            data = data[:start]
        elif kind == "integer" and start + 4 <= len(data):
            value = struct.unpack_from("<i", data, start)[0] + (piece[0] - 128)
            data = data[:start] + struct.pack("<i", (value + 2**31) % 2**32 - 2**31) + data[start + 4 :]
        data = data[: 1 << 20]
    return data


def random_edits(rng: random.Random, words: Sequence[bytes]) -> list[Edit]:
    """Edits for `apply_edits`; few as a rule."""
    edits = []
    for _ in range(1 + int(rng.expovariate(0.5))):
        draw = rng.random()
        piece = rng.choice(EDGES) if draw < 0.4 or not words else rng.choice(words)
        if draw > 0.8:
            piece = rng.randbytes(rng.choice((1, 1, 2, 4, 8, 40)))
        edits.append((rng.choice(KINDS), rng.random(), rng.random(), piece))
    return edits


# --- corpora ---------------------------------------------------------------------------------------------------------


def _read_corpus(kind: str, request: ReadRequest) -> None:
    reader, rows = plain_reader(kind), 0
    for unit in reader.units(request):
        for chunk in reader.read(unit, request):
            assert chunk.frame.schema == pl.Schema(SCHEMA), f"{kind}: {chunk.frame.schema}"
            assert len(chunk.languages) in (1, 2)
            usable = chunk.frame.filter(chunk.frame["reason"].is_null())
            for side in ("a", "b")[: len(chunk.languages)]:
                assert usable[side].null_count() == 0, f"{kind}: a null on side {side}"
                assert (usable[side].str.len_bytes() <= 4 << 20).all(), f"{kind}: a text of over 4 MiB"
            chunk.frame.write_ndjson(io.BytesIO())  # every text is valid UTF-8
            rows += chunk.frame.height
            assert rows <= ROWS_READ, f"{kind}: over {ROWS_READ:,} rows of a small input"


def _corpus(
    kind: str,
    name: str,
    seeds: Callable[[], list[bytes]],
    words: tuple[bytes, ...] = (),
    label: str = "",
    **asked: object,
) -> Target:
    options: dict[str, object] = {"groups": (("en", "fr"),), "path": name, "languages": ("en", "fr"), **asked}

    def run(folder: Path, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        _read_corpus(kind, ReadRequest(name="c", root=folder, **options))  # type: ignore[arg-type]

    return Target(label or kind, seeds, run, words)


TEXT = "A river.\nUn café – naïve 中文 한국어\r\n\n \u2028 x\u200by\n" * 3
TSV = 'en\tfr\tid\nA river.\tUne rivière.\t1\n"quoted\t x\t2\nonly one\n\t\t\n'
CSV = 'en,fr,id\nA river.,"Une, ""rivière""",1\n"two\nlines",deux,2\n\n,,\n'
JSONL = (
    '{"en": "A river.", "fr": "Une rivi\\u00e8re."}\n{"translation": {"en": "x", "fra": "y"}, "id": 1}\n'
    '{"en": "\\ud83d\\ude00 \\u0000", "fr": 5}\n\n[1, 2]\n'
)
TMX = """<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body><!-- c --><?pi x?>
<tu><tuv xml:lang="en-US"><seg>Press <bpt i="1">&lt;b></bpt>OK<ept i="1"/> <hi>now</hi>.</seg></tuv>
<tuv xml:lang="FR"><seg>Appuyez&#233;.</seg></tuv><tuv xml:lang="fr-CA"><seg><![CDATA[Pesez<]]></seg></tuv></tu>
<tu><tuv lang="en"><seg>one</seg></tuv><tuv lang="fr"><seg>un</seg></tuv></tu></body></tmx>"""
XLIFF = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a.html" source-language="en-GB" target-language="fr"><body>
<trans-unit id="1"><source>Save <g id="1">now</g><x id="2"/></source><target>Enregistrer</target></trans-unit>
<trans-unit id="2"><source>Untouched</source></trans-unit></body></file></xliff>"""
XLIFF2 = """<xliff version="2.0" srcLang="fr" trgLang="en" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">
<unit id="1"><segment><source>Un <pc id="1">deux</pc></source><target>One two</target></segment></unit></file></xliff>"""
PO = """msgid ""
msgstr ""
"Language: fr\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

#. a comment
#: file.c:10
#, fuzzy, c-format
msgctxt "menu"
msgid "Save %s"
msgstr "Enregistrer"

msgid "one file"
msgid_plural "%d files"
msgstr[0] "un fichier"
msgstr[1] ""
"%d fichiers\\t\\"x\\""

#~ msgid "old"
#~ msgstr "vieux"
"""
MARKDOWN = """# Title

A *paragraph* of [a link](http://x.y "t"), `code` and ![image](i.png).
Second line <b>html</b>

> quote
> - list
>   1. inner

| a | b |
|---|:-:|
| 1 | 2 |

```python
code
```
***
[ref]: http://z
"""
XML_WORDS = tuple(
    word.encode() for word in
    ("<tu>", "</tu>", "<tuv xml:lang='en'>", "<seg>", "</seg>", "<source>", "<target/>", "<![CDATA[", "]]>", "<!--", "-->",
     "&amp;", "&x;", "<!DOCTYPE a [", "<!ENTITY x 'y'>", "<!ATTLIST tu a CDATA 'x'>", "]>", "<?xml version='1.1'?>", "<?p",
     " encoding='UTF-16'", " encoding='x'", " xmlns='y'", "xml:lang", "<hi>" * 300, "<x/>" * 500)
)  # fmt: skip
PO_WORDS = tuple(
    word.encode() for word in
    ('msgid ""\n', 'msgstr "', "msgctxt ", "msgid_plural ", "msgstr[", "]", "#~ ", "#| ", "#, fuzzy\n", "#:", '"Language: ',
     'Content-Type: text/plain; charset=x\\n"', "msgstr[9] ", "\\", '\\"')
)  # fmt: skip
MARKDOWN_WORDS = tuple(
    word.encode() for word in
    ("[", "](", "![", "*", "**", "_", "`", "```", "> ", ">" * 200, "- " * 100, "|", "|-" * 50, "<a", "<!--", "\t", "    ",
     "# ", "&amp;", "https://github.com/a/embedded-docs/b", "f" * 64, "[[" * 200, "*a_ " * 200)
)  # fmt: skip


def _pages(folder: Path, data: bytes) -> None:
    document = folder / "docs" / "Node"
    document.mkdir(parents=True, exist_ok=True)
    (document / "en.md").write_bytes(data)
    (document / "fr.md").write_bytes(data[: len(data) - len(data) % 3] if len(data) % 2 else data)
    _read_corpus("node-docs", ReadRequest("c", folder, (("en", "fr"),), "docs", languages=("en", "fr")))


def _parquet(nested: bool = False, **options: object) -> bytes:
    if nested:
        table = pa.table({"translation": pa.array([{"en": "a", "fr": "b"}, None, {"en": None, "fr": "c"}])})
    else:
        table = pa.table({"en": ["A river.", "b", None] * 9, "fr": ["Une", "é", "x"] * 9})
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _arrow(stream: bool) -> bytes:
    table = pa.table({"en": ["A river.", "b", None] * 9, "fr": pa.array(["Une", "é", "x"] * 9).dictionary_encode()})
    sink = io.BytesIO()
    maker = pa.ipc.new_stream if stream else pa.ipc.new_file
    with maker(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _zip() -> list[bytes]:
    out = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", method) as archive:
            archive.writestr(zipfile.ZipInfo("B.en-fr.en"), "one\ntwo\n" * 20)
            archive.writestr(zipfile.ZipInfo("B.en-fr.fr"), "un\ndeux\n" * 20)
        out.append(sink.getvalue())
    return out


def _lines(data: bytes, folder: Path, encoding: str) -> None:
    (folder / "x.en").write_bytes(data)
    _read_corpus("text", ReadRequest("c", folder, (("en",),), "x.en", languages=("en",), encoding=encoding))


def _moses(folder: Path, data: bytes) -> None:
    first, _, second = data.partition(b"\n\x01\n")
    (folder / "x.en").write_bytes(first)
    (folder / "x.fr").write_bytes(second or first)
    _read_corpus("moses", ReadRequest("c", folder, (("en", "fr"),), "x.{lang}", languages=("en", "fr")))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}
ENCODINGS = ("latin-1", "utf-16-le", "utf-7", "shift_jis", "gb18030", "hz", "iso2022_kr", "big5", "koi8-r", "utf-32")


def corpus_targets() -> list[Target]:
    """All formats, compressed streams and encodings."""
    text = lambda *seeds: lambda: [seed.encode() for seed in seeds]  # noqa: E731
    made = [
        Target("text", text(TEXT), lambda folder, data: _lines(data, folder, "utf-8")),
        Target("moses", lambda: [f"{TEXT}\n\x01\n{TEXT}".encode(), b"a\nb\n\x01\nc\n"], _moses),
        _corpus("tsv", "x.tsv", text(TSV), columns=(("en", "en"), ("fr", "fr")), label="tsv-named"),
        _corpus("tsv", "x.tsv", text(TSV)),
        _corpus("csv", "x.csv", text(CSV), (b'"', b",", b'""', b'"\n'), columns=(("en", "en"), ("fr", "fr"))),
        _corpus("jsonl", "x.jsonl", text(JSONL), (b'"en":', b'"\\ud800"', b'{"translation":', b'"fr": "')),
        _corpus("jsonl", "x.jsonl", text(JSONL), columns=(("en", "translation.en"), ("fr", 1)), label="jsonl-columns"),
        _corpus("parquet", "x.parquet", lambda: [_parquet(), _parquet(True), _parquet(compression="zstd"),
                                                 _parquet(use_dictionary=False, compression="none", data_page_version="2.0"),
                                                 ]),
        _corpus("arrow", "x.arrow", lambda: [_arrow(False), _arrow(True)]),
        _corpus("tmx", "x.tmx", text(TMX), XML_WORDS),
        _corpus("xliff", "x.xlf", text(XLIFF, XLIFF2), XML_WORDS),
        _corpus("po", "x.po", text(PO), PO_WORDS),
        _corpus("opus-zip", "x.zip", _zip),
        Target("node-docs", text(MARKDOWN), _pages, MARKDOWN_WORDS),
    ]  # fmt: skip
    for name, pack in PACKERS.items():
        made.append(_stream(name, pack))
        made.append(Target(f"tmx-{name}", text(TMX), made[9].run, XML_WORDS, pack))
    return made + [_encoding(encoding) for encoding in ENCODINGS]


def _stream(name: str, pack: Callable[[bytes], bytes]) -> Target:
    seeds = [pack(TEXT.encode()), pack(b"a\n") * 2, pack(b"x" * 99_999)]
    return Target(name, lambda: seeds, lambda folder, data: _lines(data, folder, "utf-8"))


def _encoding(name: str) -> Target:
    return Target(
        f"encoding-{name}", lambda: [TEXT.encode(name, "replace")], lambda folder, data: _lines(data, folder, name)
    )


# --- parameters, benchmarks, models, artifacts ---------------------------------------------------------------------------


PARAMS_WORDS = tuple(
    word.encode() for word in
    ("&a ", "*a", "<<: *a\n", "!!python/object:os.system x", "!!binary x", "!!timestamp 2024-99-99", "2024-99-99", "? ", ": ",
     "- ", "---\n", "...\n", "%YAML 1.1\n", "{", "}", "[", "]", ".nan", ".inf", "-.inf", "0x", "0o9", "1_0", "|\n", ">\n",
     "~",     "yes", "{a: &x [*x]}", "\t", "'", '"\\x', "\\U00110000", "12:30:45", "null")
)  # fmt: skip


def _params(folder: Path, data: bytes) -> None:
    from pipeline.config.params import load_params

    (folder / "params.yaml").write_bytes(data)
    load_params(folder / "params.yaml")


def _benchmark(kind: str, name: str, beside: dict[str, str] | None = None) -> Callable[[Path, bytes], None]:
    def run(folder: Path, data: bytes) -> None:
        from pipeline.evaluation.reading import read_benchmark

        (folder / name).write_bytes(data)
        for other, text in (beside or {}).items():
            (folder / other).write_text(text, encoding="utf-8")
        made = read_benchmark("b", kind, folder)  # type: ignore[arg-type]
        for task in made.tasks:
            for field in vars(task).values():
                if isinstance(field, list):
                    "".join(field).encode()

    return run


SENTENCES = "".join(f"A sentence {n}.\n" for n in range(6))
STSB = "".join(f'"A, ""sentence"" {n}.",An other {n},{n % 6}.0\n' for n in range(6))
KORSTS = "genre\tscore\tsentence1\tsentence2\n" + "".join(f'x\t{n % 6}\t"a {n}\tb {n}\n' for n in range(6))
JSTS = "".join(json.dumps({"sentence1": f"a {n}", "sentence2": "\U0001f600", "label": n % 6}) + "\n" for n in range(6))
NEWS = "".join(json.dumps({"sentence1": f"a {n}", "sentence2": "b", "score": 1 + n % 4}) + "\n" for n in range(6))
BUCC_A = "".join(f"fr-{n:05d}\tUne phrase {n}\n" for n in range(6))
BUCC_B = "".join(f"en-{n:05d}\tA sentence {n}\n" for n in range(6))
BUCC_GOLD = "".join(f"fr-{n:05d}\ten-{n:05d}\n" for n in range(4))


def _news_parquet() -> list[bytes]:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"sentence1": ["a", "b", "c"], "sentence2": ["d", "e", "f"], "score": [1.0, 2.0, 3.5]}), sink
    )
    return [sink.getvalue()]


def benchmark_targets() -> list[Target]:
    """Files of benchmarks as published, and vectors made elsewhere."""
    text = lambda *seeds: lambda: [seed.encode() for seed in seeds]  # noqa: E731
    sides = {"fr-en.training.fr": BUCC_A, "fr-en.training.en": BUCC_B, "fr-en.training.gold": BUCC_GOLD}
    sides |= {name.replace("training", "test"): content for name, content in sides.items()}
    inputs = "".join(f"A sentence {n}.\tAnother {n}.\n" for n in range(6))
    return [
        Target("tatoeba", text(SENTENCES), _benchmark("tatoeba", "tatoeba.fra-eng.fra", {"tatoeba.fra-eng.eng": SENTENCES})),
        Target("flores", text(SENTENCES), _benchmark("flores", "fra_Latn.devtest", {"eng_Latn.devtest": SENTENCES})),
        Target("stsb", text(STSB), _benchmark("stsb", "stsb-en-test.csv"), (b'"', b'""', b",")),
        Target("korsts", text(KORSTS), _benchmark("korsts", "sts-test.tsv"), (b"\t", b"score")),
        Target("jsts", text(JSTS), _benchmark("jsts", "valid-v1.1.json"), (b'"\\ud800"', b'"label":', b"1e400")),
        Target("sts", text(inputs), _benchmark("sts", "STS.input.x.txt", {"STS.gs.x.txt": "1\n2\n3\n4\n5\n0\n"})),
        Target("sts-gold", text("1\n2\n3\n\n5\n0\n"), _benchmark("sts", "STS.gs.x.txt", {"STS.input.x.txt": inputs})),
        Target("sts22-jsonl", text(NEWS), _benchmark("sts22", "de.jsonl"), (b'"\\ud800"', b'"score":', b"1e400")),
        Target("sts22-gzip", lambda: [gzip.compress(NEWS.encode())], _benchmark("sts22", "de.jsonl.gz")),
        Target("sts22-parquet", _news_parquet, _benchmark("sts22", "de-en.parquet")),
        *(
            Target(f"bucc-{name}", text(sides[f"fr-en.training.{name}"]), _bucc(f"fr-en.training.{name}", sides))
            for name in ("fr", "en", "gold")
        ),
        Target("vectors-npy", _npy, _vectors("v.npy")),
        Target("vectors-parquet", _vectors_parquet, _vectors("v.parquet")),
    ]  # fmt: skip


def _bucc(name: str, sides: dict[str, str]) -> Callable[[Path, bytes], None]:
    return _benchmark("bucc", name, {other: content for other, content in sides.items() if other != name})


def _npy() -> list[bytes]:
    import numpy as np

    out = []
    for dtype in ("f4", "f2", "i8"):
        sink = io.BytesIO()
        np.save(sink, np.ones((6, 4), dtype=dtype))
        out.append(sink.getvalue())
    return out


def _vectors_parquet() -> list[bytes]:
    sink = io.BytesIO()
    texts = SENTENCES.splitlines()
    pq.write_table(pa.table({"text": texts, "vector": [[1.0, 2.0]] * len(texts)}), sink)
    return [sink.getvalue()]


def _vectors(name: str) -> Callable[[Path, bytes], None]:
    def run(folder: Path, data: bytes) -> None:
        from pipeline.evaluation.peers import open_vectors

        (folder / name).write_bytes(data)
        (folder / "v.txt").write_text(SENTENCES, encoding="utf-8")
        open_vectors("peer", folder / name).encode(SENTENCES.splitlines())

    return run


@cache
def _artifacts() -> dict[str, bytes]:
    """The files of a small project by their paths."""
    import tempfile

    from artifacts_made import write_artifacts

    with tempfile.TemporaryDirectory() as folder:
        root = write_artifacts(Path(folder))
        return {
            path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
        }


ARTIFACTS = (
    "data/sentences/en/00000.arrow",
    "data/monolingual/en/00000.arrow",
    "data/pairs/en-fr/00000.arrow",
    "data/tokens/student/en/00000.arrow",
    "data/teacher/en/00000.arrow",
    "data/neighborhoods/en-fr/00000.arrow",
    "data/mined/en-fr.parquet",
    "data/rejects/mine.tsv.zst",
    "data/tokenizer/tokenizer.json",
    "metrics/train.json",
    "plots/train/plots/metrics/loss.tsv",
)


def _inspected(name: str) -> Target:
    def run(folder: Path, data: bytes) -> None:
        from pipeline.inspecting.inspect import inspect
        from pipeline.inspecting.view import ViewRequest
        from softalign.interface.console import plain_lines
        from softalign.projects.inspect import surroundings

        root = folder / "project"
        if not root.is_dir():
            for other, content in _artifacts().items():
                (root / other).parent.mkdir(parents=True, exist_ok=True)
                (root / other).write_bytes(content)
        (root / name).write_bytes(data)
        for query in (None, "river"):
            view = inspect(root / name, surroundings(root / name), ViewRequest(rows=5, query=query))
            for line in plain_lines(view):
                assert visible(line.replace("\t", "")) == line.replace("\t", ""), f"a line that steers: {line!r}"
        if name.startswith("data/sentences"):
            pairs = root / "data/pairs/en-fr"
            inspect(pairs, surroundings(pairs), ViewRequest())

    words = (b'"Unigram"', b'"merges"', b'"type"', b'"Precompiled"', b'"Replace"', b'"pattern"', b'{"Regex": "("}')
    return Target(f"inspect {name}", lambda: [_artifacts()[name]], run, words)


@cache
def _model(kind: str) -> dict[str, bytes]:
    import tempfile

    from small import make_transformer, sentence

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "m"
        if kind == "transformer":
            make_transformer(root)
        else:
            import torch

            from pipeline.encoders.load import save_encoder
            from pipeline.encoders.model import StaticModel
            from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer

            root.mkdir()
            tokenizer = train_tokenizer(iter([sentence(n) for n in range(0, 3000, 7)]), 300)
            torch.manual_seed(1)
            save_encoder(StaticModel(torch.randn(300, 8)), TextTokenizer(tokenizer, "", 16, False), root)
        return {
            path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
        }


MODEL_FILES = {
    "static": ("modules.json", "tokenizer.json", "model.safetensors", "config_sentence_transformers.json"),
    "transformer": (
        "config.json",
        "1_Pooling/config.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "model.safetensors",
    ),
}


def _loaded(kind: str, name: str) -> Target:
    def run(folder: Path, data: bytes) -> None:
        from pipeline.encoders.load import EncoderSettings, load_encoder
        from pipeline.encoders.resolve import resolve_model
        from pipeline.inspecting.folders import model_view

        root = folder / kind
        if not root.is_dir():
            for other, content in _model(kind).items():
                (root / other).parent.mkdir(parents=True, exist_ok=True)
                (root / other).write_bytes(content)
        (root / name).write_bytes(data)
        model_view("m", root)
        encoder = load_encoder(resolve_model("teacher.model", str(root), None, folder), EncoderSettings(max_length=16))
        texts = ["river stone", "", "水 \u2028\x00 \U0001f600", "moon " * 40]
        vectors = encoder.encode_tokens(encoder.tokenize(texts))
        assert vectors.shape == (4, encoder.dimension)

    words = (
        b'"auto_map"',
        b'"hidden_size"',
        b'"Unigram"',
        b'"merges"',
        b'"type"',
        b'"pattern"',
        b'{"Regex": "("}',
        b'"dtype"',
    )
    return Target(f"{kind} {name}", lambda: [_model(kind)[name]], run, words)


def all_targets() -> dict[str, Target]:
    """Every target by its name."""
    targets = [
        *corpus_targets(),
        Target("params", lambda: [_params_seed()], _params, PARAMS_WORDS),
        *benchmark_targets(),
        *(_inspected(name) for name in ARTIFACTS),
        *(_loaded(kind, name) for kind, names in MODEL_FILES.items() for name in names),
    ]
    return {target.name: target for target in targets}


def _params_seed() -> bytes:
    return (Path(__file__).parents[2] / "params.yaml").read_bytes()


def clean(folder: Path) -> None:
    """Empty a folder that a target has written to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
