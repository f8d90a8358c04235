"""From files to pairs with any model: reading, embedding, mining, scoring, BUCC's files."""

import bz2
import gzip
import json
import lzma
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zstandard
from small import make_transformer, sentence

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.encoders.layout import read_layout
from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.mining.files.bucc import evaluate_files, make_files, read_found
from pipeline.mining.files.mine import Judges, mine_files
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.score import score_files
from pipeline.mining.files.text import TextInput, language_of, read_text
from pipeline.mining.files.vectors import embed_text
from pipeline.mining.mine import mine
from pipeline.text.rules import OFF

KEEP = list(OFF)
"""A translation here is its sentence in capitals: what the rules do is tested in test_rules.py."""

OPTIONS = Mine(k=4, keep=KEEP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_transformer(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder):
    return open_model(ModelOptions(str(folder)), folder.parent)


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def both(tmp_path, a, b, **options):
    """Two sides from lists of sentences."""
    one, other = write_lines(tmp_path / "a.en", a), write_lines(tmp_path / "b.fr", b)
    return TextInput("--src", one, "en", **options), TextInput("--trg", other, "fr", **options)


def translated(numbers):
    """The tokenizer has lower case only: a sentence in capitals is another text with the same vector."""
    return [sentence(number).upper() for number in numbers]


BAGS = [n for n in range(12**4) if n % 12 <= n // 12 % 12 <= n // 144 % 12 <= n // 1728]
"""Numbers of sentences of which no two have the same words: a static model knows no order."""


# --- the model's own settings


def test_length_is_the_models_own(folder, tmp_path):
    assert read_layout(folder).length == 64  # of tokenizer_config.json
    assert read_layout(folder).positions == 80
    other = tmp_path / "m"
    other.mkdir()
    (other / "config.json").write_text(
        '{"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}'
    )
    assert read_layout(other).length == 512
    (other / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert read_layout(other).length == 128
    modules = '[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]'
    (other / "modules.json").write_text(modules)
    assert read_layout(other).length == 1 << 20
    (other / "tokenizer.json").write_text('{"truncation": {"max_length": 96}}')
    assert read_layout(other).length == 96


def test_more_tokens_than_positions_are_refused(folder):
    with pytest.raises(UserError, match="--max-length: found 81, but tiny has positions for 80 tokens"):
        open_model(ModelOptions(str(folder), max_length=81), folder.parent)


def test_default_prompt(tmp_path):
    model = make_transformer(tmp_path / "m")
    prompts = {"prompts": {"query": "q: ", "passage": "p: "}}
    config = model / "config_sentence_transformers.json"
    config.write_text(json.dumps(prompts))
    assert read_layout(model).prompt(None, "") == ""
    config.write_text(json.dumps({**prompts, "default_prompt_name": "query"}))
    own = open_model(ModelOptions(str(model)), tmp_path)
    said = open_model(ModelOptions(str(model), prefix="q: "), tmp_path)
    none = open_model(ModelOptions(str(model), prefix=""), tmp_path)
    texts = [sentence(3)]
    vectors = [one.encode_tokens(one.tokenize(texts)) for one in (own, said, none)]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])
    config.write_text(json.dumps({**prompts, "default_prompt_name": "nothing"}))
    with pytest.raises(InputError, match="'nothing' is not among its prompts \\('query', 'passage'\\)"):
        read_layout(model).prompt(None, "")


def test_vectors_are_those_of_sentence_transformers(folder, encoder):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    texts = [sentence(number) for number in (1, 50, 700)]
    theirs = sentence_transformers.SentenceTransformer(str(folder)).encode(texts)
    assert np.allclose(encoder.encode_tokens(encoder.tokenize(texts)), theirs, atol=1e-5)


# --- reading


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a/b.en", "en"),
        ("news.fr.txt.gz", "fr"),
        ("tatoeba.fra-eng.eng", "en"),
        ("eng_Latn.devtest", "en"),
        ("x.zh_Hant", "zh-Hant"),
        ("a.txt", None),
        ("text", None),
        ("corpus.old", None),
    ],
)
def test_language_of_a_name(name, language):
    assert language_of(name) == language


TEXTS = ["one river", 'two "stones"', "three\u2028lines", "four"]


def _parquet(path):
    pq.write_table(pa.table({"n": [1, 2, 3, 4], "said": TEXTS}), path)


def _zstd(path):
    path.write_bytes(zstandard.compress("".join(f"{text}\n" for text in TEXTS).encode()))


BUCC = "".join(f"en-{number:09d}\t{text}\n" for number, text in enumerate(TEXTS, 1))
TMX = "".join(
    f'<tu><tuv xml:lang="en"><seg>{text}</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu>' for text in TEXTS
)
WRITERS = {
    "t.txt": lambda path: path.write_text("\n".join(TEXTS)),
    "t.en.gz": lambda path: path.write_bytes(gzip.compress("\r\n".join(TEXTS).encode())),
    "t.xz": lambda path: path.write_bytes(lzma.compress("\n".join(TEXTS).encode())),
    "t.zst": _zstd,
    "t.tsv": lambda path: path.write_text("".join(f"{n}\t{text}\n" for n, text in enumerate(TEXTS))),
    "t.csv": lambda path: path.write_text(
        "n,said\n" + "".join('{},"{}"\n'.format(n, text.replace('"', '""')) for n, text in enumerate(TEXTS))
    ),
    "t.jsonl": lambda path: path.write_text("".join(json.dumps({"x": {"said": text}}) + "\n" for text in TEXTS)),
    "t.parquet": _parquet,
    "t.bucc": lambda path: path.write_text(BUCC),
    "t.bucc.bz2": lambda path: path.write_bytes(bz2.compress(BUCC.encode())),
    "t.tmx": lambda path: path.write_text(f'<tmx version="1.4"><header/><body>{TMX}</body></tmx>'),
    "odd [name].txt": lambda path: path.write_text("\n".join(TEXTS)),
}
COLUMNS = {"t.tsv": 1, "t.csv": "said", "t.jsonl": "x.said", "t.parquet": "said"}


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_of_text_gives_the_same_sentences(name, tmp_path, work):
    WRITERS[name](tmp_path / name)
    text = read_text(TextInput("--src", str(tmp_path / name), "en", column=COLUMNS.get(name)), work / "s.arrow")
    assert text.table.column("text").to_pylist() == TEXTS
    assert text.table.column("file").to_pylist() == [name] * 4
    assert text.usable.all()
    assert (text.ids is not None) == ("bucc" in name)
    assert ("id" in text.table.column_names) == ("bucc" in name)


def test_a_pattern_reads_all_files(tmp_path, work):
    write_lines(tmp_path / "1.txt", ["one"])
    write_lines(tmp_path / "2.txt", ["two"])
    text = read_text(TextInput("--src", str(tmp_path / "*.txt")), work / "s.arrow")
    assert text.table.column("text").to_pylist() == ["one", "two"]


def test_rows_without_text_keep_their_place_and_are_counted(tmp_path, work):
    (tmp_path / "a.txt").write_bytes(b"one\n\n  \nbad \xff byte\n" + b"more\n" * 5)
    text = read_text(TextInput("--src", str(tmp_path / "a.txt")), work / "s.arrow")
    assert text.usable.tolist() == [True, False, False, False] + [True] * 5
    assert (text.empty, text.unreadable) == (2, 1)


def test_too_much_that_cannot_be_read_is_an_error_that_names_the_first(tmp_path, work):
    (tmp_path / "a.txt").write_bytes(b"one\nbad \xff byte\nthree\n")
    with pytest.raises(UserError, match=r"--src: 1 of 3 rows can't be read; the first: .*a.txt:2: encoding byte 0xff"):
        read_text(TextInput("--src", str(tmp_path / "a.txt")), work / "s.arrow")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_side_is_refused(content, tmp_path, work):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(InputError, match=r"a.txt: no sentences; expected at least one"):
        read_text(TextInput("--src", str(tmp_path / "a.txt")), work / "s.arrow")


def test_what_is_wrong_with_compressed_bucc_names_the_users_file(tmp_path, work):
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(BUCC.encode() + b"en-000000002\tagain\n"))
    with pytest.raises(InputError, match=r"a.en.gz:5: the id 'en-000000002' stands on line 2 already"):
        read_text(TextInput("--src", str(tmp_path / "a.en.gz")), work / "s.arrow")


def test_tmx_needs_its_language(tmp_path, work):
    WRITERS["t.tmx"](tmp_path / "t.tmx")
    with pytest.raises(UserError, match="is tmx, which holds languages; give --languages"):
        read_text(TextInput("--src", str(tmp_path / "t.tmx")), work / "s.arrow")


# --- vectors


def test_each_different_sentence_is_embedded_once_in_the_order_of_first_rows(tmp_path, work, encoder):
    lines = [sentence(7), sentence(3), "", sentence(7), sentence(1), sentence(3)]
    text = read_text(TextInput("--src", write_lines(tmp_path / "a.txt", lines)), work / "s.arrow")
    seen = []
    counting = replace(encoder, tokenizer=_Counting(encoder.tokenizer, seen))
    made = embed_text(counting, text, work, "src")
    assert seen == [sentence(7), sentence(3), sentence(1)]
    assert made.first.tolist() == [0, 1, 4]
    assert made.vector_of.tolist() == [0, 1, -1, 0, 2, 1]
    expected = encoder.encode_tokens(encoder.tokenize(seen)).astype(np.float16)
    assert np.array_equal(made.vectors, expected)
    assert isinstance(made.vectors, np.memmap)


class _Counting(TextTokenizer):
    def __init__(self, inner, seen):
        super().__init__(inner.backend, inner.prefix, inner.max_length, inner.special_tokens)
        self.seen = seen

    def __call__(self, texts):
        self.seen.extend(texts)
        return super().__call__(texts)


def test_kept_vectors_are_used_again_only_for_the_same_text_and_model(tmp_path, work, encoder, folder):
    kept = tmp_path / "vectors"

    def embed(lines, with_encoder=encoder):
        text = read_text(TextInput("--src", write_lines(tmp_path / "a.txt", lines)), work / "s.arrow")
        return embed_text(with_encoder, text, kept, "src")

    first = embed([sentence(1), sentence(2)])
    again = embed([sentence(1), sentence(2)])
    assert (first.reused, again.reused) == (False, True)
    assert np.array_equal(first.vectors, again.vectors)
    assert not embed([sentence(2), sentence(1)]).reused
    other = open_model(ModelOptions(str(folder), prefix="query: "), folder.parent)
    assert not embed([sentence(2), sentence(1)], other).reused
    (kept / "src.json").write_text("{")
    assert not embed([sentence(2), sentence(1)], other).reused


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """A static model that makes nothing of what it doesn't know."""
    root = tmp_path_factory.mktemp("static")
    tokenizer = train_tokenizer(iter([sentence(number) for number in range(0, 3000, 7)]), 300)
    weight = torch.randn(tokenizer.get_vocab_size(), 64, generator=torch.Generator().manual_seed(1))
    weight[tokenizer.token_to_id("[UNK]")] = 0
    (root / "m").mkdir()
    save_encoder(StaticModel(weight), TextTokenizer(tokenizer, "", 64, special_tokens=False), root / "m")
    return open_model(ModelOptions("m"), root)


def test_sentences_that_the_model_makes_nothing_of_are_left_out_and_counted(tmp_path, work, static):
    inputs = both(tmp_path, [sentence(1), "水", sentence(2)], [sentence(2), "火", sentence(1)])
    result = mine_files(inputs, static, OPTIONS, PairOutputs((tmp_path / "p.tsv",)), work)
    assert (result.a.without_tokens, result.a.vector_of.tolist()) == (1, [0, -1, 1])
    assert result.written == 2
    with pytest.raises(InputError, match="makes no tokens of any sentence"):
        mine_files(both(tmp_path, ["水"], [sentence(1)]), static, OPTIONS, PairOutputs((tmp_path / "p.tsv",)), work)


# --- mining


def test_mining_finds_translations_and_says_where_they_stand(tmp_path, work, static):
    some = np.random.default_rng(2).permutation(BAGS)
    a = ["", *[sentence(number) for number in some[:40]], sentence(some[3])]
    b = translated([*some[39:19:-1], *some[100:120]])
    outputs = PairOutputs((tmp_path / "p.parquet", tmp_path / "p.tsv", tmp_path / "p.tmx"), tmp_path / "p")
    result = mine_files(both(tmp_path, a, b), static, OPTIONS, outputs, work)
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    right = [row for row in table if row["text_a"].upper() == row["text_b"]]
    assert len(right) == 20
    assert all(row["text_a"] == a[row["row_a"]] and row["line_a"] == row["row_a"] + 1 for row in table)
    assert all(row["text_b"] == b[row["row_b"]] for row in table)
    lines = (tmp_path / "p.tsv").read_text().splitlines()
    assert lines == [f"{row['score']:.6f}\t{row['text_a']}\t{row['text_b']}" for row in table]
    assert (tmp_path / "p.en").read_text().splitlines() == [row["text_a"] for row in table]
    assert len((tmp_path / "p.fr").read_text().splitlines()) == result.written == len(table)
    assert result.files[-1] == tmp_path / "p.fr"


def test_files_and_arrays_give_the_same(tmp_path, work, encoder):
    a, b = [sentence(number) for number in range(0, 90, 2)], translated(range(0, 90, 3))
    result = mine_files(both(tmp_path, a, b), encoder, OPTIONS, PairOutputs((tmp_path / "p.parquet",)), work)
    x, y = (encoder.encode_tokens(encoder.tokenize(texts)).astype(np.float16) for texts in (a, b))
    pairs = mine(x, y, OPTIONS)
    table = pq.read_table(tmp_path / "p.parquet")
    assert np.array_equal(table.column("row_a"), pairs.row_a)
    assert np.array_equal(table.column("row_b"), pairs.row_b)
    assert np.array_equal(table.column("score"), pairs.score)
    assert result.found == len(pairs)


def test_the_same_input_gives_the_same_bytes(tmp_path, work, encoder):
    inputs = both(tmp_path, [sentence(number) for number in range(30)], translated(range(30)))
    written = []
    for name in ("1.parquet", "2.parquet"):
        mine_files(inputs, encoder, OPTIONS, PairOutputs((tmp_path / name,)), work)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    made_by = json.loads(pq.read_schema(tmp_path / "1.parquet").metadata[b"softalign"])
    assert made_by["languages"] == ["en", "fr"]
    assert str(tmp_path) not in json.dumps(made_by)


def test_a_million_copies_of_one_sentence_are_one(tmp_path, work, encoder):
    """Lines, not vectors: copies are found before anything is embedded."""
    (tmp_path / "a.en").write_text(f"{sentence(5)}\n" * 1_000_000 + f"{sentence(6)}\n")
    text = read_text(TextInput("--src", str(tmp_path / "a.en"), "en"), work / "s.arrow")
    made = embed_text(encoder, text, work, "src")
    assert made.first.tolist() == [0, 1_000_000]
    assert made.vectors.shape[0] == 2
    assert (made.vector_of == 0).sum() == 1_000_000


def test_copies_and_threshold(tmp_path, work, encoder):
    a = [sentence(5)] * 1_000 + [sentence(6)]
    inputs = both(tmp_path, a, translated([6, 5]))
    result = mine_files(inputs, encoder, OPTIONS, PairOutputs((tmp_path / "p.parquet",)), work)
    assert len(result.a.vectors) == 2
    table = pq.read_table(tmp_path / "p.parquet")
    assert sorted(table.column("row_a").to_pylist()) == [0, 1_000]
    high = float(table.column("score").to_numpy().max())
    above = mine_files(
        inputs, encoder, Mine(keep=KEEP, threshold=np.nextafter(high, 9)), PairOutputs((tmp_path / "q.parquet",)), work
    )
    assert (above.found, above.written) == (2, 0)
    assert pq.read_table(tmp_path / "q.parquet").column_names == table.column_names


def test_an_approximate_search_says_what_it_cost(tmp_path, work, encoder):
    inputs = both(tmp_path, [sentence(number) for number in range(300)], translated(range(300)))
    result = mine_files(
        inputs, encoder, Mine(keep=KEEP, search="approximate"), PairOutputs((tmp_path / "p.parquet",)), work
    )
    assert result.search["search"] == "approximate"
    assert 0.9 <= result.search["cost"]["recall_pairs"] <= 1
    made_by = json.loads(pq.read_schema(tmp_path / "p.parquet").metadata[b"softalign"])
    assert made_by["search"] == result.search


# --- known pairs, control, documents


def known_sides(tmp_path, numbers):
    one = write_lines(tmp_path / "known.en", [sentence(number) for number in numbers])
    other = write_lines(tmp_path / "known.fr", translated(numbers))
    return TextInput("--known", one, "en"), TextInput("--known", other, "fr")


def test_known_pairs_give_a_threshold_that_is_applied_and_told(tmp_path, work, static):
    some = np.random.default_rng(3).permutation(BAGS)
    a, b = [sentence(number) for number in some[:80]], translated([*some[:40], *some[80:120]])
    known = known_sides(tmp_path, [*some[150:210], some[0]])  # the last one stands in the text
    outputs = PairOutputs((tmp_path / "p.parquet",))
    result = mine_files(both(tmp_path, a, b), static, OPTIONS, outputs, work, judges=Judges(known=known))
    assert result.estimate is not None
    assert (result.estimate.known, result.known_left_out) == (60, 1)
    assert result.threshold == result.estimate.threshold
    assert 0 < result.written < result.found
    made_by = json.loads(pq.read_schema(tmp_path / "p.parquet").metadata[b"softalign"])
    assert made_by["known"]["threshold"] == pytest.approx(made_by["threshold"], abs=1e-6)
    assert sum(made_by["histogram"]["counts"]) == result.found
    assert made_by["control"]["kind"] == "partners"
    fixed = mine_files(
        both(tmp_path, a, b), static, Mine(keep=KEEP, threshold=9), outputs, work, judges=Judges(known=known)
    )
    assert (fixed.threshold, fixed.estimate.threshold) == (9, result.threshold)


def test_scoring_estimates_a_threshold_and_shifts_lines(tmp_path, work, static):
    some = np.random.default_rng(4).permutation(BAGS)
    inputs = both(tmp_path, [sentence(number) for number in some[:60]], translated(some[:60]))
    outputs = PairOutputs((tmp_path / "s.parquet",))
    result = score_files(
        inputs, static, OPTIONS, outputs, work, min_score=1.0, known=known_sides(tmp_path, some[70:130])
    )
    assert result.estimate is not None
    assert result.threshold == 1.0
    assert (result.control.kind, result.control.searched) == ("lines", 60)
    made_by = json.loads(pq.read_schema(tmp_path / "s.parquet").metadata[b"softalign"])
    assert made_by["control"]["accepted"] == result.control.accepted(1.0)


@pytest.mark.parametrize(
    ("numbers", "message"), [(range(5), "5 known pairs that can be planted"), ([], "no sentences")]
)
def test_too_few_known_pairs_are_refused(tmp_path, work, static, numbers, message):
    known = known_sides(tmp_path, [BAGS[number] for number in numbers])
    inputs = both(tmp_path, [sentence(BAGS[99])], translated([BAGS[98]]))
    with pytest.raises(InputError, match=message):
        mine_files(inputs, static, OPTIONS, PairOutputs((tmp_path / "p.tsv",)), work, judges=Judges(known=known))


def with_documents(tmp_path, a, b):
    """Sentences with their documents, as the two columns of TSV files."""
    paths = []
    for name, rows in (("a.en.tsv", a), ("b.fr.tsv", b)):
        paths.append(write_lines(tmp_path / name, [f"{document}\t{text}" for document, text in rows]))
    sides = [
        TextInput(option, path, code, column=1)
        for option, path, code in zip(("--src", "--trg"), paths, ("en", "fr"), strict=True)
    ]
    keys = [replace(side, option="--documents", column=0) for side in sides]
    return tuple(sides), tuple(keys)


def test_documents_keep_pairs_inside_and_a_sentence_is_one_in_each(tmp_path, work, static):
    numbers = BAGS[:40]
    a = [(f"d{place % 4}", sentence(number)) for place, number in enumerate(numbers)] + [("d1", sentence(numbers[0]))]
    b = [(f"d{place % 4}", sentence(number).upper()) for place, number in enumerate(numbers)]
    b += [("d1", sentence(numbers[0]).upper()), ("", sentence(numbers[1]).upper())]
    inputs, documents = with_documents(tmp_path, a, b)
    outputs = PairOutputs((tmp_path / "p.parquet",))
    options = Mine(keep=KEEP, within="document")
    result = mine_files(inputs, static, options, outputs, work, judges=Judges(documents=documents))
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert all(a[row["row_a"]][0] == b[row["row_b"]][0] for row in table)
    found = {(row["row_a"], row["row_b"]) for row in table}
    assert {(0, 0), (40, 40)} <= found  # the same sentence, once in each of its documents
    assert result.search["within"] == "document"
    assert result.search["without_candidates_b"] == 1
    assert result.control.kind == "documents"
    whole = mine_files(inputs, static, Mine(keep=KEEP), outputs, work, judges=Judges(documents=documents))
    assert whole.control.kind == "documents"  # names are known: they shuffle, but do not restrict
    assert whole.search == {"search": "exact"}


def test_windows_of_days(tmp_path, work, static):
    numbers = BAGS[:12]
    a = [(f"2024-05-{place + 1:02d}", sentence(number)) for place, number in enumerate(numbers)]
    b = [(f"2024-05-{place + 3:02d}", sentence(number).upper()) for place, number in enumerate(numbers)]
    inputs, documents = with_documents(tmp_path, a, b)
    for window, right in ((2, True), (1, False)):
        outputs = PairOutputs((tmp_path / "p.parquet",))
        options = Mine(keep=KEEP, within="window", window=window)
        mine_files(inputs, static, options, outputs, work, judges=Judges(documents=documents))
        rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
        assert any(row["row_a"] == row["row_b"] for row in rows) == right
        assert all(abs(row["row_a"] - row["row_b"] - 2) <= window for row in rows)
    a[3] = ("May 4", a[3][1])
    inputs, documents = with_documents(tmp_path, a, b)
    with pytest.raises(
        InputError, match=r"a.en.tsv:4: found 'May 4'; expected a date like 2024-05-23 or a whole number"
    ):
        mine_files(inputs, static, options, outputs, work, judges=Judges(documents=documents))


def test_documents_from_other_files_need_a_line_for_each_row(tmp_path, work, static):
    inputs = both(tmp_path, [sentence(n) for n in BAGS[:8]], translated(BAGS[:8]))
    paths = [
        write_lines(tmp_path / f"{name}.docs", ["one"] * 4 + ["two"] * count) for name, count in (("a", 4), ("b", 3))
    ]
    documents = tuple(TextInput("--documents", path, format="text") for path in paths)
    with pytest.raises(InputError, match=r"b.docs: 7 documents for the 8 rows of .*b.fr; expected one each"):
        mine_files(
            inputs,
            static,
            Mine(keep=KEEP, within="document"),
            PairOutputs((tmp_path / "p.tsv",)),
            work,
            judges=Judges(documents=documents),
        )


@pytest.mark.parametrize(
    ("options", "judges", "message"),
    [
        (Mine(keep=KEEP, within="document"), Judges(), "--within document needs --documents"),
        (
            Mine(keep=KEEP, within="window"),
            Judges(known=(None, None), documents=(None, None)),
            "planted pairs stand in no document",
        ),
        (
            Mine(keep=KEEP, within="window", search="approximate"),
            Judges(documents=(None, None)),
            "the search is exact; leave it out",
        ),
    ],
)
def test_what_cannot_go_together_is_refused(tmp_path, work, static, options, judges, message):
    with pytest.raises(UserError, match=message):
        mine_files(
            both(tmp_path, ["x"], ["y"]), static, options, PairOutputs((tmp_path / "p.tsv",)), work, judges=judges
        )


def test_indexes_are_kept_with_the_vectors_and_used_again(tmp_path, work, encoder):
    options, kept, times = Mine(keep=KEEP, search="approximate", index="IVF4,Flat", recall=1.0), tmp_path / "kept", []
    for name, first in (("1", 0), ("2", 0), ("3", 1)):
        inputs = both(tmp_path, [sentence(number) for number in range(first, 300)], translated(range(250)))
        mine_files(inputs, encoder, options, PairOutputs((tmp_path / f"{name}.parquet",)), work, kept)
        times.append({path: path.stat().st_mtime_ns for path in (kept / "indexes").glob("*/index.faiss")})
    assert len(times[0]) == 2
    assert times[1] == times[0]
    assert len(times[2]) == 3  # other vectors on one side, another index; the other side's is found
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


# --- outputs


@pytest.mark.parametrize(
    ("outputs", "languages", "message"),
    [
        (PairOutputs(()), ("en", "fr"), "--out: nothing to write"),
        (PairOutputs(("p.xlsx",)), ("en", "fr"), r"p.xlsx: found suffix '.xlsx', expected one of .parquet, .tsv"),
        (PairOutputs(("p.tmx",)), ("en", "und"), r"--languages: .tmx needs them, and the name .*b.fr does not tell"),
        (PairOutputs((), "p"), ("und", "fr"), r"--languages: --moses needs them"),
        (PairOutputs((), "p"), ("en", "en"), "--moses: both sides are en"),
        (PairOutputs(("p.ids",)), ("en", "fr"), r"\.ids needs sentences with ids"),
        (PairOutputs((), "a"), ("en", "fr"), "a.en is the input of --src; give another name"),
    ],
)
def test_what_cannot_be_written_is_refused_first(tmp_path, outputs, languages, message):
    inputs = both(tmp_path, ["x"], ["y"])
    inputs = tuple(replace(side, language=code) for side, code in zip(inputs, languages, strict=True))
    outputs = PairOutputs(
        tuple(tmp_path / name for name in outputs.files), tmp_path / outputs.moses if outputs.moses else None
    )
    with pytest.raises(UserError, match=message):
        outputs.check(*inputs)


# --- scoring


def naive_scores(x, y, k):
    """LASER's score mode, by the book: ratio margin of row i with row i."""
    x, y = (np.asarray(side, np.float64) for side in (x, y))
    x, y = x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)
    similarity = x @ y.T
    mean_x, mean_y = (np.sort(side, axis=1)[:, -k:].mean(axis=1) for side in (similarity, similarity.T))
    return np.diag(similarity) / ((mean_x + mean_y) / 2)


def test_scores_of_given_pairs_are_those_of_the_definition_in_the_order_of_lines(tmp_path, work, encoder):
    numbers = np.random.default_rng(0).permutation(60)
    a = [sentence(number) for number in numbers]
    b = translated([*numbers[:40], *(numbers[40:] + 500)])
    inputs = both(tmp_path, a, b)
    result = score_files(inputs, encoder, OPTIONS, PairOutputs((tmp_path / "s.tsv", tmp_path / "s.parquet")), work)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column("text_a").to_pylist() == a
    assert table.column("text_b").to_pylist() == b
    expected = naive_scores(result.a.vectors, result.b.vectors, 4)
    assert np.allclose(table.column("score"), expected, atol=1e-6)
    assert 0 in table.column("rank_a_to_b").to_pylist()  # some pairs are not among the neighbours
    assert len((tmp_path / "s.tsv").read_text().splitlines()) == 60


def test_lines_without_a_score_keep_the_order_unless_they_are_filtered(tmp_path, work, encoder):
    a = [sentence(1), "", sentence(2), sentence(1)]
    b = [*translated([1]), "x", *translated([2, 1])]
    inputs = both(tmp_path, a, b)
    score_files(inputs, encoder, OPTIONS, PairOutputs((tmp_path / "s.tsv",)), work)
    scores = [line.split("\t")[0] for line in (tmp_path / "s.tsv").read_text().splitlines()]
    assert scores[1] == "nan"
    assert scores[0] == scores[3]
    result = score_files(inputs, encoder, OPTIONS, PairOutputs((), tmp_path / "m"), work, min_score=0.0)
    assert (result.found, result.written) == (4, 3)
    assert (tmp_path / "m.en").read_text().splitlines() == [a[0], a[2], a[3]]


def test_one_file_with_both_columns(tmp_path, work, encoder):
    lines = [f"{sentence(number)}\t{sentence(number).upper()}" for number in range(20)]
    path = write_lines(tmp_path / "both.tsv", lines)
    sides = TextInput("--src", path, "en", column=0), TextInput("--trg", path, "fr", column=1)
    result = score_files(sides, encoder, OPTIONS, PairOutputs((tmp_path / "s.tsv",)), work, min_score=1.0)
    assert result.written == 20


def test_unequal_lengths_are_refused(tmp_path, work, encoder):
    inputs = both(tmp_path, [sentence(1), sentence(2)], translated([1]))
    with pytest.raises(InputError, match=r"2 and 1 lines; expected equally many, aligned line by line"):
        score_files(inputs, encoder, OPTIONS, PairOutputs((tmp_path / "s.tsv",)), work)


# --- BUCC


@pytest.fixture
def made(tmp_path, work):
    numbers = BAGS[::3]
    inputs = both(tmp_path, [sentence(number) for number in numbers], translated(numbers))
    return make_files(inputs, tmp_path / "sets", work, seed=1, gold_share=0.2, training_share=0.5)


def bucc_inputs(stem):
    return TextInput("--src", f"{stem}.en", "en"), TextInput("--trg", f"{stem}.fr", "fr")


def test_made_sets_share_no_sentence(made):
    training, test = made
    assert training.stem.name == "en-fr.training"
    assert training.gold == test.gold > 10
    lines = [set(one.stem.with_name(f"{one.stem.name}.en").read_text().splitlines()) for one in made]
    texts = [{line.split("\t")[1] for line in side} for side in lines]
    assert not texts[0] & texts[1]


def test_gold_tunes_on_one_set_and_tests_on_another(tmp_path, work, made, static):
    training, test = (one.stem for one in made)
    gold = training.with_name(f"{training.name}.gold")
    outputs = PairOutputs((tmp_path / "t.parquet", tmp_path / "t.ids"))
    tuned = mine_files(bucc_inputs(training), static, OPTIONS, outputs, work, judges=Judges(gold, tune_gold=True))
    assert tuned.gold.quality.f1 > 0.8
    frozen, used = evaluate_files(gold, tmp_path / "t.parquet")
    listed, _ = evaluate_files(gold, tmp_path / "t.ids")
    assert frozen.quality == listed.quality == tuned.gold.quality
    assert used is None
    outputs = PairOutputs((tmp_path / "u.parquet",))
    result = mine_files(bucc_inputs(test), static, Mine(keep=KEEP, threshold=tuned.threshold), outputs, work)
    gold = test.with_name(f"{test.name}.gold")
    sentences = tuple(test.with_name(f"{test.name}.{code}") for code in ("en", "fr"))
    quality = evaluate_files(gold, tmp_path / "u.parquet", sentences, tuned.threshold)[0].quality
    assert quality.extracted == result.written
    assert quality.f1 > 0.7


def test_gold_pairs_of_copies_are_one(tmp_path, work, encoder):
    a = write_lines(tmp_path / "s.en", [f"en-{n:09d}\t{sentence(text)}" for n, text in enumerate([5, 9, 5, 7], 1)])
    b = write_lines(tmp_path / "s.fr", [f"fr-{n:09d}\t{translated([text])[0]}" for n, text in enumerate([7, 5, 11], 1)])
    gold = tmp_path / "s.gold"
    write_lines(gold, ["en-000000003\tfr-000000002", "en-000000001\tfr-000000002", "en-000000004\tfr-000000001"])
    inputs = TextInput("--src", a, "en"), TextInput("--trg", b, "fr")
    outputs = PairOutputs((tmp_path / "p.parquet",))
    result = mine_files(inputs, encoder, OPTIONS, outputs, work, judges=Judges(gold, tune_gold=True))
    assert (result.gold.quality.gold, result.gold.quality.correct) == (2, 2)
    sides = tmp_path / "s.en", tmp_path / "s.fr"
    assert evaluate_files(gold, tmp_path / "p.parquet", sides)[0].quality.correct == 2


def test_gold_with_unknown_ids_or_ids_off_by_one_is_refused(tmp_path, work, made, static):
    stem = made[0].stem
    lines = stem.with_name(f"{stem.name}.gold").read_text().splitlines()
    bad = tmp_path / "bad.gold"
    outputs = PairOutputs((tmp_path / "p.parquet",))
    write_lines(bad, [*lines, "en-999999999\tfr-000000001"])
    with pytest.raises(InputError, match=rf"bad.gold:{len(lines) + 1}: the id 'en-999999999' is not in"):
        mine_files(bucc_inputs(stem), static, OPTIONS, outputs, work, judges=Judges(bad))
    moved = [f"en-{int(line[3:12]) - 1:09d}{line[12:]}" for line in lines if int(line[3:12]) > 1]
    write_lines(bad, moved)
    with pytest.raises(InputError, match=r"the first ids look off by one: .* moved by \+1 line"):
        mine_files(bucc_inputs(stem), static, OPTIONS, outputs, work, judges=Judges(bad))


def test_gold_needs_ids(tmp_path, work, encoder):
    with pytest.raises(UserError, match=r"--gold: .* holds pairs of ids; expected BUCC's files"):
        mine_files(
            both(tmp_path, ["x"], ["y"]),
            encoder,
            OPTIONS,
            PairOutputs((tmp_path / "p.tsv",)),
            work,
            judges=Judges(tmp_path / "g"),
        )


def test_pairs_files_that_are_none(tmp_path):
    write_lines(tmp_path / "twice.ids", ["a\tb", "a\tb"])
    with pytest.raises(InputError, match=r"twice.ids:2: the pair a b stands here twice"):
        read_found(tmp_path / "twice.ids")
    write_lines(tmp_path / "form.ids", ["a\tb", "a b"])
    with pytest.raises(InputError, match=r"form.ids:2: found 'a b'; expected two ids"):
        read_found(tmp_path / "form.ids")
    with pytest.raises(InputError, match="no such file"):
        read_found(tmp_path / "nothing.ids")
    pq.write_table(pa.table({"score": [1.0]}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match="has no column id_a"):
        read_found(tmp_path / "p.parquet")
    write_lines(tmp_path / "p.ids", ["a\tb"])
    with pytest.raises(InputError, match="has no scores, so no threshold can be applied"):
        evaluate_files(tmp_path / "p.ids", tmp_path / "p.ids", threshold=1.0)


@pytest.mark.parametrize(("a", "b", "message"), [("en", "en", "expected two different"), ("und", "fr", "--languages")])
def test_sets_need_two_languages(tmp_path, work, a, b, message):
    one, other = both(tmp_path, [sentence(1)], translated([1]))
    with pytest.raises(UserError, match=message):
        make_files((replace(one, language=a), replace(other, language=b)), tmp_path / "o", work, 0, 0.1, 0.5)
