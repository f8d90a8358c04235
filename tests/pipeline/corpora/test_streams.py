import bz2
import gzip
import lzma
import os
import socket
from pathlib import Path

import pytest
import zstandard

from pipeline.console.errors import InputError
from pipeline.corpora import streams
from pipeline.corpora.base import file_source

PACK = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def content(path, encoding="utf-8"):
    return b"".join(streams.read_utf8(file_source(path, path.name), encoding))


@pytest.mark.parametrize("kind", PACK)
def test_compression_is_told_by_content_not_by_name(tmp_path, kind):
    path = tmp_path / "misnamed.txt"
    path.write_bytes(PACK[kind](b"one\ntwo\n"))
    assert content(path) == b"one\ntwo\n"


@pytest.mark.parametrize("kind", PACK)
def test_several_streams_in_a_row_are_one_file(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(PACK[kind](b"one\n") + PACK[kind](b"two\n"))
    assert content(path) == b"one\ntwo\n"


@pytest.mark.parametrize("kind", PACK)
def test_a_truncated_stream_is_an_error(tmp_path, kind):
    path = tmp_path / "x"
    whole = PACK[kind](os.urandom(5000).hex().encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"^x: the {kind} stream is truncated"):
        content(path)


def test_a_damaged_stream_is_an_error(tmp_path):
    path = tmp_path / "x"
    data = bytearray(gzip.compress(os.urandom(5000)))
    data[2000] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"^x: can't be read as gzip"):
        content(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_stopped(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(streams, "BOMB_BYTES", 1 << 20)
    path = tmp_path / "x"
    path.write_bytes(PACK[kind](bytes(30 << 20)))
    with pytest.raises(InputError, match=r"not text, perhaps a bomb"):
        content(path)


def test_an_archive_where_text_is_expected(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match=r"x.txt: is a zip file, expected text"):
        content(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_understood(tmp_path, encoding):
    path = tmp_path / "x"
    path.write_bytes("né\n日本\n".encode(encoding))
    assert content(path).decode() == "né\n日本\n"


def test_a_named_encoding(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("né\n".encode("latin-1"))
    assert content(path, "latin-1").decode() == "né\n"


def test_folders_sockets_and_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"^d: is a folder, expected a file"):
        file_source(tmp_path, "d")
    with pytest.raises(InputError, match=r"^gone: no such file"):
        file_source(tmp_path / "gone", "gone")
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        old = Path.cwd()
        os.chdir(tmp_path)  # socket paths are short
        try:
            server.bind("s")
        finally:
            os.chdir(old)
        with pytest.raises(InputError, match=r"^s: is neither a file nor a folder"):
            file_source(path, "s")


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"")

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InputError, match=r"^x: can't be read \(Permission denied\)"):
        file_source(path, "x")
