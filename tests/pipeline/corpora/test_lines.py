import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpora import lines, streams
from pipeline.corpora.base import file_source


def read(path, encoding="utf-8"):
    frames = list(lines.read_lines(file_source(path, path.name), encoding))
    return pl.concat(frames).rows() if frames else []


def test_only_line_feeds_end_lines(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("a\u2028b\r\nc\x0bd\n\ne\u0085f".encode())
    assert [(number, text) for number, text, _, _ in read(path)] == [
        (1, "a\u2028b"), (2, "c\x0bd"), (3, ""), (4, "e\u0085f")
    ]  # fmt: skip


def test_an_empty_file_has_no_lines(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"")
    assert read(path) == []


def test_bad_bytes_spoil_their_own_line_only(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"good\nna\xefve\n\xed\xa0\x80 surrogate\nnul\x00\nwas \xef\xbf\xbd\nfine\n")
    rows = read(path)
    assert [row[2] for row in rows] == [None, "encoding", "encoding", "nul-bytes", "encoding", None]
    assert rows[1][3] == "byte 0xef at 3 is not UTF-8"
    assert rows[1][1] == "na\ufffdve"


def test_a_line_without_end_is_rejected_in_little_memory(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as out:
        out.write(b"before\n")
        for _ in range(100):
            out.write(b"x" * (1 << 20))
        out.write(b"\nafter\n")
    rows = read(path)
    assert [(row[0], row[2]) for row in rows] == [(1, None), (2, "line-too-long"), (3, None)]
    assert len(rows[1][1]) == lines.SHOWN_BYTES
    assert rows[2][1] == "after"


@given(
    st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r\x00\ufffd"))),
    st.integers(1, 9),
)
def test_blocks_of_any_size_give_the_same_lines(tmp_path_factory, texts, block):
    path = tmp_path_factory.mktemp("l") / "x"
    path.write_bytes("".join(text + "\n" for text in texts).encode())
    old, streams.BLOCK = streams.BLOCK, block
    try:
        rows = read(path)
    finally:
        streams.BLOCK = old
    expected = [text.removeprefix("\ufeff") if i == 0 else text for i, text in enumerate(texts)]
    assert [(row[0], row[1]) for row in rows] == list(enumerate(expected, 1))


def test_streams_are_zipped_across_block_borders():
    def frames(*counts):
        start = 1
        for count in counts:
            yield pl.DataFrame({"line": list(range(start, start + count))})
            start += count

    got = list(lines.zip_frames((frames(3, 4), frames(1, 6))))
    assert [tuple(frame.height for frame in step) for step in got] == [(1, 1), (2, 2), (4, 4)]
    assert all(left.equals(right) for left, right in got)
    assert [tuple(f.height for f in step) for step in lines.zip_frames((frames(3), frames(2)))] == [(2, 2), (1, 0)]
