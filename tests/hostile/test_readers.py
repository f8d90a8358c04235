"""Files made to harm: each is refused with a line or read in bounded memory, and each was a defect or an attack once."""

import gzip
import io
import json
import lzma
import resource
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpus_reading import ask, read, reasons, sides

from pipeline.config.params import check_params, load_params
from pipeline.console.errors import InputError, ParamsError, UserError
from pipeline.corpora import lines, streams, tabular, xml
from pipeline.corpora.formats import opus_zip
from pipeline.corpora.registry import plain_reader
from pipeline.evaluation.benchmarks import sts22
from pipeline.evaluation.peers import open_vectors
from pipeline.evaluation.reading import read_benchmark
from pipeline.ground import languages
from pipeline.ground.languages import KNOWN_CODES, match_language


def peak_growth(work) -> int:
    """MiB that a piece of work adds to the process' peak of resident memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024


def drain(kind: str, request) -> int:
    """The rows of a corpus, without holding them."""
    reader = plain_reader(kind)
    return sum(chunk.frame.height for unit in reader.units(request) for chunk in reader.read(unit, request))


class TestBombs:
    @pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
    def test_a_stream_of_one_endless_line_is_refused_in_bounded_memory(self, kind: str, tmp_path: Path):
        """320 MiB without a line end, from a few hundred KB: the rest of 10 GB would be no different."""
        path = tmp_path / "x.en"
        block = b"x" * (16 << 20)
        if kind == "zstd":
            with path.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as packed:
                for _ in range(20):
                    packed.write(block)
        else:
            opener = gzip.open if kind == "gzip" else partial(lzma.open, preset=0)
            with opener(path, "wb") as packed:
                for _ in range(20):
                    packed.write(block)

        def work():
            with pytest.raises(
                InputError, match=rf"bytes of {kind} became 2[67]\d,\d+,\d+ bytes: not text, perhaps a bomb"
            ):
                drain("text", ask(tmp_path, "x.en", "en"))

        assert peak_growth(work) < 400  # zstd gives up to 128 MiB a step

    def test_one_long_plain_line_is_one_reject(self, tmp_path: Path):
        with (tmp_path / "x.en").open("wb") as opened:
            for _ in range(64):
                opened.write(b"x" * (1 << 20))
            opened.write(b"\nshort\n")
        rows = []
        assert peak_growth(lambda: rows.extend(read("text", ask(tmp_path, "x.en", "en")))) < 100
        assert reasons(rows) == [(1, "line-too-long")]
        assert len(rows[0]["a"]) == lines.SHOWN_BYTES
        assert sides(rows) == [("short", None)]

    def test_blocks_of_a_dense_zstd_stream_stay_small(self, tmp_path: Path):
        """4 KB of zstd become 128 MiB of line ends: passed on whole, they would be a frame of 134 million rows."""
        path = tmp_path / "x"
        path.write_bytes(zstandard.ZstdCompressor(level=19).compress(b"\n" * (96 << 20)))
        from pipeline.corpora.base import file_source

        assert max(map(len, streams.read_blocks(file_source(path, "x")))) <= streams.BLOCK

    def test_memory_that_a_stream_asks_for_and_does_not_get(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "x.en").write_bytes(lzma.compress(b"one\n"))

        def refuse(*_args, **_more):
            raise MemoryError

        monkeypatch.setattr(streams.lzma, "open", refuse)
        with pytest.raises(InputError, match=r"^x.en: can't be read as xz: it asks for more memory than there is"):
            read("text", ask(tmp_path, "x.en", "en"))

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_that_unpack_without_bound_are_refused(self, method: int, tmp_path: Path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            archive.writestr("x.en", "one\n")
            archive.writestr("x.fr", "un\n")
        with pytest.raises(InputError, match=r"packed by another method than deflate"):
            read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))

    def test_a_zip_in_a_zip_is_no_text(self, tmp_path: Path):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("x.en", "one\n")
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("x.en", inner.getvalue())
            archive.writestr("x.fr", "un\n")
        with pytest.raises(InputError, match=r"x\.zip!x\.en: is a zip file, expected text"):
            read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))

    def test_a_zip_whose_directory_lies_about_a_member(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """What the directory says is small is still counted while it is read."""
        monkeypatch.setattr(streams, "BOMB_BYTES", 1 << 20)
        monkeypatch.setattr(opus_zip, "BOMB_BYTES", 1 << 40)
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.en", gzip.compress(bytes(30 << 20)))
            archive.writestr("x.fr", "un\n")
        with pytest.raises(InputError, match=r"perhaps a bomb"):
            read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))

    def test_a_link_in_a_zip_is_its_own_text(self, tmp_path: Path):
        """Nothing is unpacked, so a symbolic link leads nowhere."""
        (tmp_path / "secret").write_text("hidden\n")
        link = zipfile.ZipInfo("x.en")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr(link, f"{tmp_path}/secret")
            archive.writestr("x.fr", "un")
        assert sides(read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))) == [(f"{tmp_path}/secret", "un")]

    @pytest.mark.parametrize("rows", [300, 3_000])
    def test_a_dictionary_of_one_long_text_is_unpacked_little_by_little(self, rows: int, tmp_path: Path):
        """One text of 1 MB for every row, in a file of a few KB: 3 GB at once, if it were unpacked at once."""
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 1_000_000])
        pq.write_table(pa.table({"en": texts, "fr": ["y"] * rows}), tmp_path / "x.parquet", compression="zstd")
        assert (tmp_path / "x.parquet").stat().st_size < 20_000
        count = []
        grown = peak_growth(lambda: count.append(drain("parquet", ask(tmp_path, "x.parquet", "en-fr"))))
        assert count == [rows]
        assert grown < 2_500

    def test_texts_that_are_too_long_are_rejects(self, tmp_path: Path):
        long = "é" * (lines.MAX_LINE_BYTES // 2 + 1)
        pq.write_table(pa.table({"en": [long, "one"], "fr": ["a", "un"]}), tmp_path / "x.parquet")
        rows = read("parquet", ask(tmp_path, "x.parquet", "en-fr"))
        assert reasons(rows) == [(1, "line-too-long")]
        assert sides(rows) == [("one", "un")]
        table = pa.table({"en": pa.array([long, "one"]).dictionary_encode(), "fr": ["a", "un"]})
        with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
            writer.write_table(table)
        assert reasons(read("arrow", ask(tmp_path, "x.arrow", "en-fr"))) == [(1, "line-too-long")]

    def test_a_record_that_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(tabular, "MAX_RECORD_CHARS", 10_000)
        (tmp_path / "x.csv").write_text("a,b\n" + '"\n",' * 5_000)
        with pytest.raises(InputError, match=r"x.csv:2: a record of over 10,000 characters; a quote never closed\?"):
            read("csv", ask(tmp_path, "x.csv", "en-fr", languages=("en", "fr")))

    def test_xml_without_units_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """Elements that no unit closes stay in the tree."""
        monkeypatch.setattr(xml, "MAX_UNIT_BYTES", 100_000)
        (tmp_path / "x.tmx").write_text("<tmx><body>" + "<x/>" * 100_000 + "</body></tmx>")
        with pytest.raises(InputError, match=r"x.tmx: over 0 MiB of XML without the end of a unit"):
            read("tmx", ask(tmp_path, "x.tmx", "en-fr"))

    def test_variants_are_not_multiplied_without_end(self, tmp_path: Path):
        variants = "".join(f'<tuv xml:lang="{code}"><seg>s</seg></tuv>' for code in ("en", "fr") for _ in range(1_000))
        (tmp_path / "x.tmx").write_text(f"<tmx><body><tu>{variants}</tu></body></tmx>")
        rows = read("tmx", ask(tmp_path, "x.tmx", "en-fr"))
        assert [(row["reason"], row["detail"]) for row in rows] == [
            ("variants", "1,000,000 pairs of variants in one unit")
        ]

    def test_entities_in_attributes_are_refused_too(self, tmp_path: Path):
        head = '<!DOCTYPE tmx [<!ENTITY a "0123456789"><!ENTITY b "' + "&a;" * 50 + '">]>'
        unit = '<tu x="&b;"><tuv xml:lang="en"><seg>a</seg></tuv></tu>'
        (tmp_path / "x.tmx").write_text(f"{head}<tmx><body>{unit}</body></tmx>")
        with pytest.raises(InputError, match=r"declares entities"):
            read("tmx", ask(tmp_path, "x.tmx", "en-fr"))

    def test_a_page_as_large_as_a_book(self, tmp_path: Path):
        (tmp_path / "docs" / "N").mkdir(parents=True)
        for code in ("en", "fr"):
            (tmp_path / "docs" / "N" / f"{code}.md").write_bytes(b"[" * ((1 << 20) + 1))
        with pytest.raises(InputError, match=r"en.md: larger than 1 MiB; expected a page"):
            read("node-docs", ask(tmp_path, "docs", "en-fr"))

    def test_a_compressed_benchmark_is_no_larger_than_any_real_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sts22, "MAX_BYTES", 1 << 20)
        (tmp_path / "de.jsonl.gz").write_bytes(gzip.compress(bytes(2 << 20)))
        with pytest.raises(InputError, match=r"gives over 1 MiB; expected a benchmark's sentences"):
            read_benchmark("n", "sts22", tmp_path)

    def test_other_people_s_codes_are_not_remembered_without_end(self):
        wanted = languages.WantedLanguages(["en", "fr"])
        for number in range(KNOWN_CODES + 100):
            assert match_language(f"key {number}", wanted) is None
        assert match_language("en" * 1_000_000, wanted) is None
        assert languages._matched.cache_info().currsize <= KNOWN_CODES
        assert not wanted.others


class TestParams:
    def refused(self, tmp_path: Path, text: str) -> str:
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError) as found:
            load_params(path)
        return str(found.value)

    def test_laughs_and_merges_are_counted_and_not_built(self, tmp_path: Path):
        laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
        assert "params.yaml:6: more than 50,000 values, aliases followed" in self.refused(tmp_path, laughs)
        merges = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
        assert "more than 50,000 values" in self.refused(tmp_path, merges)

    @pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a\n  b: *a\n"])
    def test_a_value_that_holds_itself(self, text: str, tmp_path: Path):
        assert "the alias *a names nothing that is complete before it" in self.refused(tmp_path, text)

    @pytest.mark.parametrize("text", ["a: " + "[" * 9_000, "{a: " * 400, "- " * 400, "a: " + "[ {" * 60])
    def test_depth(self, text: str, tmp_path: Path):
        assert "params.yaml:1: nested more than 32 deep" in self.refused(tmp_path, text)

    @pytest.mark.parametrize(
        "text",
        ["seed: " + "9" * 6_000, "seed: 2024-99-99", "seed: !!int x", "seed: !!bool x", "a: \x00", 'a: "\\U00110000"',
         "a: !!python/object/apply:os.system [id]", "? {a: 1}\n: 1", "a: 1\n---\nb: 2\n", "%YAML 3.0\n---\na: 1\n"],
    )  # fmt: skip
    def test_what_is_not_what_its_tag_says(self, text: str, tmp_path: Path):
        assert ": not valid YAML: " in self.refused(tmp_path, text)

    def test_size_and_number_of_problems(self, tmp_path: Path):
        assert "larger than 256 KiB" in self.refused(tmp_path, "#" * (300 << 10))
        with pytest.raises(ParamsError) as found:
            check_params({f"k{number}": 1 for number in range(500)})
        assert len(str(found.value).splitlines()) == 51
        assert str(found.value).endswith("and 454 more problems")  # 500 unknown keys and the four that lack, less 50

    def test_a_long_value_and_one_with_escapes_are_one_short_line(self, tmp_path: Path):
        said = self.refused(tmp_path, 'seed: "' + "x" * 5_000 + '"\n"k\\n\\e[31m": 1\n')
        assert "\x1b" not in said
        assert all(len(line) < 900 for line in said.split("\n"))
        assert any("k\\n" in line and "unknown key" in line for line in said.split("\n"))

    @pytest.mark.parametrize("name", ["zlib", "rot13", "idna", "undefined", "unicode_escape", "x\x00y"])
    def test_encodings_that_are_none_of_text(self, name: str):
        with pytest.raises(ParamsError, match=r"corpora.0.encoding"):
            check_params({"prepare": {"corpora": [{"name": "c", "format": "tsv", "path": "x", "encoding": name}]}})


class TestText:
    def test_json_that_no_language_has(self, tmp_path: Path):
        bad = [
            '{"en": ' + "[" * 100_000,
            '{"en": 1' + "0" * 5_000 + "}",
            '{"en": NaN, "fr": -Infinity}',
            '{"en": "\\ud800", "fr": "x"}',
        ]
        (tmp_path / "x.jsonl").write_text("\n".join(bad) + '\n{"en": "a\\u0000\\u202e", "fr": "b\\u2028"}\n')
        rows = read("jsonl", ask(tmp_path, "x.jsonl", "en-fr"))
        assert reasons(rows) == [(1, "not-json"), (2, "not-json"), (3, "missing-column"), (4, "encoding")]
        assert sides(rows) == [("a\x00\u202e", "b\u2028")]  # cleaning takes these out: tests/pipeline/text

    def test_a_name_that_is_no_text_has_a_place_all_the_same(self, tmp_path: Path):
        folder = tmp_path / "docs" / b"caf\xe9".decode("utf-8", "surrogateescape")
        folder.mkdir(parents=True)
        for code in ("en", "fr"):
            (folder / f"{code}.md").write_text("text")
        row = read("node-docs", ask(tmp_path, "docs", "en-fr"))[0]
        assert (row["doc"], row["file"]) == ("caf\\udce9", "docs/caf\\udce9/en.md")

    def test_a_benchmark_s_surrogates_and_endless_scores(self, tmp_path: Path):
        row = {"sentence1": "a", "sentence2": "b", "label": 1}
        path = tmp_path / "valid-v1.1.json"
        path.write_text(
            "\n".join(json.dumps(row) for _ in range(3)) + '\n{"sentence1": "\\ud800", "sentence2": "b", "label": 1}'
        )
        with pytest.raises(InputError, match=r"json:4: a sentence holds a lone surrogate"):
            read_benchmark("j", "jsts", tmp_path)
        path.write_text("\n".join(json.dumps({**row, "label": 10**400}) for _ in range(3)))
        with pytest.raises(InputError, match=r"json:1: found the score 1000+…; expected a number from 0 to 5"):
            read_benchmark("j", "jsts", tmp_path)
        damaged = bytearray(gzip.compress(json.dumps(row).encode() * 50))
        damaged[15] ^= 255
        (tmp_path / "de.jsonl.gz").write_bytes(bytes(damaged))
        with pytest.raises(InputError, match=r"can't be read as gzip of UTF-8"):
            read_benchmark("n", "sts22", tmp_path)

    @pytest.mark.parametrize(
        "head", ["{'descr': (", "{'descr': '<f4', 'shape': " + "(" * 500, "{'descr': 'x y'}", "[]"]
    )
    def test_a_numpy_head_that_is_no_literal(self, head: str, tmp_path: Path):
        text = (head + " " * 600)[:600].encode()
        (tmp_path / "v.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        (tmp_path / "v.txt").write_text("a\n")
        with pytest.raises(InputError, match=r"v.npy: not a NumPy file"):
            open_vectors("peer", tmp_path / "v.npy")

    def test_texts_of_vectors_that_are_no_text(self, tmp_path: Path):
        table = pa.table({"text": ["qqqq"], "vector": [[1.0, 2.0]]})
        pq.write_table(table, tmp_path / "v.parquet", use_dictionary=False, compression="none", write_statistics=False)
        whole = (tmp_path / "v.parquet").read_bytes()
        (tmp_path / "v.parquet").write_bytes(whole.replace(b"qqqq", b"q\xaaqq"))
        with pytest.raises(InputError, match=r"v.parquet: no columns text and vector"):
            open_vectors("peer", tmp_path / "v.parquet")

    def test_vectors_that_are_no_numbers(self, tmp_path: Path):
        np.save(tmp_path / "v.npy", np.array([["a", "b"]]))
        (tmp_path / "v.txt").write_text("a\n")
        with pytest.raises(InputError, match=r"v.npy: holds <U1, expected numbers"):
            open_vectors("peer", tmp_path / "v.npy")

    def test_a_namespace_with_a_brace(self, tmp_path: Path):
        unit = "<trans-unit><source>one</source><target>un</target></trans-unit>"
        head = '<xliff xmlns="urn:x{a}b"><file source-language="en" target-language="fr">'
        (tmp_path / "x.xlf").write_text(f"{head}{unit}</file></xliff>")
        with pytest.raises(InputError, match=r"x.xlf:1: not well-formed XML \(.*not a valid URI"):
            read("xliff", ask(tmp_path, "x.xlf", "en-fr"))

    def test_columns_whose_names_are_no_text(self, tmp_path: Path):
        table = pa.table({"en": ["a"], "fr\u00e9": ["b"]})
        with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
            writer.write_table(table)
        data = (tmp_path / "x.arrow").read_bytes()
        (tmp_path / "x.arrow").write_bytes(data.replace("\u00e9".encode(), b"\xe5\xff"))
        with pytest.raises(InputError, match=r"x.arrow: is not a readable arrow file \(.*codec can't decode"):
            read("arrow", ask(tmp_path, "x.arrow", "en-fr"))

    def test_damaged_metadata_of_a_column_does_not_end_the_process(self, tmp_path: Path):
        """Reading such a column raises; asking for its metadata calls ``terminate``."""
        table = pa.table({"en": ["A river.", "b", None] * 9, "fr": ["Une", "\u00e9", "x"] * 9})
        pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
        whole = (tmp_path / "x.parquet").read_bytes()
        optional = b"\x15\x0c\x25\x02\x18\x02en"  # of the schema: type BYTE_ARRAY, repetition 1 (a zigzag 2), name "en"
        assert whole.count(optional) == 1
        (tmp_path / "x.parquet").write_bytes(whole.replace(optional, b"\x15\x0c\x25\x0d\x18\x02en"))
        script = (
            "import sys; sys.path[:0] = sys.argv[2:]\n"
            "from pathlib import Path; from corpus_reading import ask, read\n"
            "from pipeline.console.errors import InputError\n"
            "try: read('parquet', ask(Path(sys.argv[1]), 'x.parquet', 'en-fr'))\n"
            "except InputError as error: print(error)\n"
        )
        paths = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "helpers")]
        command = [sys.executable, "-c", script, str(tmp_path), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("x.parquet: damaged after row 0 (")

    def test_arrow_that_points_outside_of_itself(self, tmp_path: Path):
        """Unvalidated, such offsets crash the process."""
        offsets = pa.py_buffer(b"".join(value.to_bytes(4, "little") for value in (0, 3, 2_000_000_000)))
        table = pa.table({"en": pa.array(["a", "b"]), "fr": pa.array(["aaa", "bbb"])})
        with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
            writer.write_table(table)
        data = (tmp_path / "x.arrow").read_bytes()
        good = b"".join(value.to_bytes(4, "little") for value in (0, 3, 6))
        assert data.count(good) == 1
        (tmp_path / "x.arrow").write_bytes(data.replace(good, bytes(offsets)))
        with pytest.raises(InputError, match=r"x.arrow: damaged after row 0"):
            read("arrow", ask(tmp_path, "x.arrow", "en-fr"))
