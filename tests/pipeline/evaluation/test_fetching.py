"""Downloads, against a server on this machine."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.config.evaluate import BENCHMARKS
from pipeline.console.errors import InputError, UserError
from pipeline.evaluation import fetching
from pipeline.evaluation.catalogue import catalogue, file_names, find_source
from pipeline.evaluation.fetching import FetchError, fetch, unpack
from pipeline.evaluation.published import BenchmarkSource, PinnedArchive, PinnedFile
from pipeline.evaluation.reading import read_benchmark

FRENCH, ENGLISH = b"un\ndeux\n", b"one\ntwo\n"
NAMES = {"tatoeba.fra-eng.fra": FRENCH, "tatoeba.fra-eng.eng": ENGLISH, "tatoeba.deu-eng.deu": b"eins\nzwei\n",
         "tatoeba.deu-eng.eng": ENGLISH}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """An address, what it holds, and what was asked of it. ``/short/x`` breaks off, ``/elsewhere`` leads elsewhere."""
    holds: dict[str, bytes] = dict(NAMES)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            asked.append(name)
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/hostname")
                self.end_headers()
                return
            body = holds.get(name)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path.startswith("/short/") else body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(fetching, "SCHEMES", ("http",))
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/", holds, asked
    running.shutdown()
    running.server_close()


def source(base: str, names: dict[str, bytes] | None = None) -> BenchmarkSource:
    files = tuple(
        PinnedFile(name, base + name, len(body), hashlib.sha256(body).hexdigest())
        for name, body in (names or NAMES).items()
    )
    return BenchmarkSource("tatoeba", "tatoeba", "about", "https://example.org", "CC0-1.0", files)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_is_fetched_can_be_read(server, tmp_path: Path):
    base, _, asked = server
    assert len(fetch(source(base), tmp_path / "t")) == 4
    assert len(read_benchmark("t", "tatoeba", tmp_path / "t").tasks) == 2
    asked.clear()
    fetch(source(base), tmp_path / "t")
    assert asked == []  # all there, and right
    (tmp_path / "t" / "tatoeba.fra-eng.fra").write_bytes(b"changed")
    fetch(source(base), tmp_path / "t")
    assert asked == ["tatoeba.fra-eng.fra"]
    assert (tmp_path / "t" / "tatoeba.fra-eng.fra").read_bytes() == FRENCH


def test_only_some_languages(server, tmp_path: Path):
    fetch(source(server[0]), tmp_path, ["fr", "en"])
    assert left(tmp_path) == ["tatoeba.fra-eng.eng", "tatoeba.fra-eng.fra"]
    with pytest.raises(UserError, match="has no files in the languages ja"):
        fetch(source(server[0]), tmp_path, ["ja"])


def test_another_content(server, tmp_path: Path):
    base, holds, _ = server
    holds["tatoeba.fra-eng.fra"] = FRENCH[:-2] + b"X\n"
    with pytest.raises(FetchError, match=r"found SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}; nothing was kept"):
        fetch(source(base), tmp_path)
    assert left(tmp_path) == []


def test_more_than_was_promised(server, tmp_path: Path):
    base, holds, _ = server
    holds["tatoeba.fra-eng.fra"] = FRENCH * 100
    with pytest.raises(FetchError, match="more than the 8 bytes expected; nothing was kept"):
        fetch(source(base), tmp_path)
    assert left(tmp_path) == []


def test_a_connection_that_breaks_off(server, tmp_path: Path):
    with pytest.raises(FetchError, match=r"could not download|after 4 of 8 bytes"):
        fetch(source(f"{server[0]}short/"), tmp_path)
    assert left(tmp_path) == []


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(fetching, "SCHEMES", ("http",))
    with pytest.raises(FetchError, match=r"put it to .*tatoeba.fra-eng.fra: the same command then checks it") as caught:
        fetch(source("http://127.0.0.1:1/"), tmp_path)
    assert "http://127.0.0.1:1/tatoeba.fra-eng.fra" in str(caught.value)
    assert "\n" not in str(caught.value)
    for name, body in NAMES.items():
        (tmp_path / name).write_bytes(body)
    assert len(fetch(source("http://127.0.0.1:1/"), tmp_path)) == 4  # put there by hand


def test_not_found(server, tmp_path: Path):
    with pytest.raises(FetchError, match="Not Found"):
        fetch(source(server[0], {"nothing": b"x"}), tmp_path)


def test_only_https(server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(FetchError, match="expected an address that begins with http://"):
        fetch(BenchmarkSource("x", "bucc", "", "", "", (PinnedFile("a", f"{server[0]}elsewhere", 9, "0"),)), tmp_path)
    monkeypatch.setattr(fetching, "SCHEMES", ("https",))
    with pytest.raises(FetchError, match="expected an address that begins with https://"):
        fetch(source(server[0]), tmp_path)


def archive(members: dict[str, bytes], link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            opened.addfile(member, io.BytesIO(body))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
            opened.addfile(member)
    return packed.getvalue()


WANTED = re.compile(r"flores/devtest/([a-z]{3}_[A-Z][a-z]{3}\.devtest)")
GOOD = {
    "./flores/devtest/eng_Latn.devtest": ENGLISH,
    "./flores/devtest/fra_Latn.devtest": FRENCH,
    "./flores/README": b"x",
}


def archived(base: str, body: bytes) -> BenchmarkSource:
    pinned = PinnedArchive(f"{base}f.tar.gz", hashlib.sha256(body).hexdigest(), WANTED)
    return BenchmarkSource("flores", "flores", "about", "https://example.org", "CC0-1.0", archive=pinned)


def test_an_archive_member_by_member(server, tmp_path: Path):
    base, holds, asked = server
    holds["f.tar.gz"] = archive(GOOD)
    fetch(archived(base, holds["f.tar.gz"]), tmp_path)
    assert left(tmp_path) == ["eng_Latn.devtest", "fra_Latn.devtest"]
    assert len(read_benchmark("f", "flores", tmp_path).tasks) == 1
    (tmp_path / "f.tar.gz").write_bytes(holds["f.tar.gz"])  # got elsewhere
    asked.clear()
    fetch(archived(base, holds["f.tar.gz"]), tmp_path, ["en"])
    assert asked == []


def test_an_archive_with_another_content_is_not_opened(server, tmp_path: Path):
    base, holds, _ = server
    holds["f.tar.gz"] = archive({**GOOD, "../evil": b"x"})
    with pytest.raises(FetchError, match="found SHA-256"):
        fetch(archived(base, archive(GOOD)), tmp_path / "t")
    assert left(tmp_path / "t") == []


@pytest.mark.parametrize(
    ("members", "link", "message"),
    [
        ({**GOOD, "../../evil": b"x"}, None, r"member '../../evil' leads out of the archive"),
        ({**GOOD, "/tmp/evil": b"x"}, None, "leads out of the archive"),  # noqa: S108
        ({**GOOD, "flores\\..\\evil": b"x"}, None, "leads out of the archive"),
        (GOOD, "flores/devtest/rus_Cyrl.devtest", "is a link or device; expected a plain file"),
        ({**GOOD, "flores/devtest/rus_Cyrl.devtest": b"x" * 99}, None, "has 99 bytes; expected a plain file"),
        ({**GOOD, "other": b"x" * 300}, None, "unpacks to more than 200 bytes"),
    ],
)
def test_archives_that_mean_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, members, link, message: str):
    monkeypatch.setattr(fetching, "MEMBER_BYTES", 50)
    monkeypatch.setattr(fetching, "UNPACKED_BYTES", 200)
    body = archive(members, link)
    (tmp_path / "f.tar.gz").write_bytes(body)
    made = archived("https://example.org/", body)
    assert made.archive is not None
    with pytest.raises(InputError, match=message):
        unpack(tmp_path / "f.tar.gz", made.archive, tmp_path / "out", made, None)
    assert left(tmp_path / "out") == []
    assert left(tmp_path) == ["f.tar.gz"]


def test_a_damaged_archive(tmp_path: Path):
    body = archive(GOOD)
    (tmp_path / "f.tar.gz").write_bytes(body[: len(body) // 2])
    made = archived("https://example.org/", body)
    assert made.archive is not None
    with pytest.raises(InputError, match="not a readable tar archive"):
        unpack(tmp_path / "f.tar.gz", made.archive, tmp_path / "out", made, None)


def test_what_has_to_be_got_by_hand_says_where_and_how(tmp_path: Path):
    with pytest.raises(FetchError, match=r"bucc: can't be pinned.*comparable.limsi.fr.*unpack them"):
        fetch(find_source("bucc"), tmp_path)
    with pytest.raises(UserError, match="there is no 'bucket'; expected one of bucc, flores"):
        find_source("bucket")


def test_the_catalogue_pins_everything():
    for one in catalogue().values():
        assert one.kind in BENCHMARKS.names()
        assert one.home.startswith("https://")
        assert sum(bool(way) for way in (one.files, one.archive, one.by_hand)) == 1
        for file in one.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert re.match(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/", file.url)
            assert Path(file.name).name == file.name
    assert len(catalogue()["tatoeba"].files) == 2 * 112
    assert len(file_names(catalogue()["ntrex"], [f.name for f in catalogue()["ntrex"].files], ["en", "fr", "zh"])) == 3
