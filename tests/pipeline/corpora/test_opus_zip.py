import zipfile

import pytest
from corpus_reading import ask, read, sides

from pipeline.console.errors import InputError
from pipeline.corpora.formats import opus_zip


def pack(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)


def test_moses_files_inside(tmp_path):
    pack(
        tmp_path / "en-fr.txt.zip",
        **{"README": "x", "B.en-fr.en": "one\ntwo\n", "B.en-fr.fr": "un\ndeux\n", "B.en-fr.xml": "<x/>"},
    )
    rows = read("opus-zip", ask(tmp_path, "{a}-{b}.txt.zip", "en-fr"))
    assert sides(rows) == [("one", "un"), ("two", "deux")]
    assert rows[0]["file"] == "en-fr.txt.zip!B.en-fr.en"
    assert [row["a"] for row in read("opus-zip", ask(tmp_path, "en-fr.txt.zip", "fr"))] == ["un", "deux"]


@pytest.mark.parametrize("name", ["../x.en", "/x.en", "C:\\x.en", "a/../../x.en"])
def test_a_path_that_leaves_the_archive(tmp_path, name):
    pack(tmp_path / "x.zip", **{name: "one\n", "x.fr": "un\n"})
    with pytest.raises(InputError, match=r"leaves the archive"):
        read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))


def test_a_bomb_is_known_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(opus_zip, "BOMB_BYTES", 1 << 20)
    pack(tmp_path / "x.zip", **{"x.en": bytes(30 << 20), "x.fr": "un\n"})
    with pytest.raises(InputError, match=r"perhaps a bomb"):
        read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))


def test_what_is_no_archive(tmp_path):
    pack(tmp_path / "x.zip", **{"x.en": "one\n" * 1000, "x.fr": "un\n" * 1000})
    data = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"x.zip: is not a readable zip archive"):
        read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))
    damaged = bytearray(data)
    damaged[40] ^= 255
    (tmp_path / "x.zip").write_bytes(bytes(damaged))
    with pytest.raises(InputError, match=r"can't be read"):
        read("opus-zip", ask(tmp_path, "x.zip", "en-fr"))
