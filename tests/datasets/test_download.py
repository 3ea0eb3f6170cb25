"""Fetching from a local server: progress resumed after a break; what is damaged or unsafe leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unetpipe.cli.main import main
from unetpipe.datasets.download import SETS, address, fetch, unpack
from unetpipe.errors import InputError


def archive(members: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        for name in links:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            file.writestr(entry, "elsewhere")
    return held.getvalue()


GOOD = archive({"DIC-C2DH-HeLa/01/t000.tif": bytes(range(256)) * 400, "DIC-C2DH-HeLa/01_GT/notes.txt": b"notes"})


class Server(ThreadingHTTPServer):
    """Serves one archive; counts requests, and can break off or change what it serves."""

    content = GOOD
    tag = '"one"'
    break_after: int | None = None
    ranges = True
    asked: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path.startswith("/loop"):
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path == "/none":
            self.send_error(404)
            return
        content, start = self.server.content, 0
        if wanted and self.server.ranges and self.headers.get("If-Range") == self.server.tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", self.server.tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.break_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def url(server: Server, path: str = "/set.zip") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def take(server: Server, output: Path, path: str = "/set.zip", **options) -> tuple[Path, str]:
    return fetch("DIC-C2DH-HeLa", output, url=url(server, path), progress=False, **options)


def test_a_set_is_unpacked_and_its_checksum_recorded(server: Server, tmp_path: Path) -> None:
    folder, digest = take(server, tmp_path)
    assert digest == hashlib.sha256(GOOD).hexdigest()
    assert (folder / "01" / "t000.tif").read_bytes() == bytes(range(256)) * 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DIC-C2DH-HeLa", "SHA256SUMS"]
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  DIC-C2DH-HeLa.zip\n"


def test_files_without_a_folder_of_their_own(server: Server, tmp_path: Path) -> None:
    server.content = archive({"train-volume.tif": b"one", "train-labels.tif": b"two"})
    folder, _ = take(server, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["train-labels.tif", "train-volume.tif"]


def test_a_break_is_resumed(server: Server, tmp_path: Path) -> None:
    server.break_after = 50_000
    with pytest.raises(InputError, match=f"ended after 50000 of {len(GOOD)} bytes"):
        take(server, tmp_path)
    assert not (tmp_path / "DIC-C2DH-HeLa").exists()
    server.break_after = None
    _, digest = take(server, tmp_path)
    assert server.asked == [None, "bytes=50000-"]
    assert digest == hashlib.sha256(GOOD).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DIC-C2DH-HeLa", "SHA256SUMS"]


def test_a_download_cut_off_after_its_last_byte(server: Server, tmp_path: Path) -> None:
    (tmp_path / "..DIC-C2DH-HeLa.zip.part").write_bytes(GOOD)
    notes = {"url": url(server), "validator": server.tag}
    (tmp_path / "..DIC-C2DH-HeLa.zip.part.json").write_text(json.dumps(notes))
    _, digest = take(server, tmp_path)
    assert server.asked == [f"bytes={len(GOOD)}-", None]
    assert digest == hashlib.sha256(GOOD).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DIC-C2DH-HeLa", "SHA256SUMS"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_meanwhile_is_taken_anew(server: Server, ranges: bool, tmp_path: Path) -> None:
    server.break_after = 50_000
    with pytest.raises(InputError, match="ended after"):
        take(server, tmp_path)
    server.break_after, server.ranges = None, ranges
    server.content, server.tag = archive({"DIC-C2DH-HeLa/new.txt": b"new" * 40_000}), '"two"'
    folder, digest = take(server, tmp_path)
    assert digest == hashlib.sha256(server.content).hexdigest()
    assert (folder / "new.txt").is_file()


def refused(server: Server, output: Path, said: str, path: str = "/set.zip", **options) -> None:
    """What is refused leaves nothing behind."""
    with pytest.raises(InputError, match=said):
        take(server, output, path, **options)
    assert not output.exists() or not list(output.iterdir())


def test_wrong_checksum(server: Server, tmp_path: Path) -> None:
    refused(server, tmp_path, "has the SHA-256", sha256="0" * 64)
    take(server, tmp_path, sha256=hashlib.sha256(GOOD).hexdigest().upper())


def test_half_an_archive(server: Server, tmp_path: Path) -> None:
    server.content = GOOD[: len(GOOD) // 2]
    refused(server, tmp_path, "is not a complete ZIP archive")


def test_damaged_member(server: Server, tmp_path: Path) -> None:
    server.content = GOOD[:5000] + b"?" + GOOD[5001:]
    refused(server, tmp_path, "is not a complete ZIP archive")


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "C:/evil.txt", "..\\evil.txt"])
def test_members_that_lead_out(name: str, server: Server, tmp_path: Path) -> None:
    server.content = archive({"DIC-C2DH-HeLa/good.txt": b"good", name: b"evil"})
    refused(server, tmp_path / "data", "leads out of its folder")
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_refused(server: Server, tmp_path: Path) -> None:
    server.content = archive({"DIC-C2DH-HeLa/good.txt": b"good"}, links=("DIC-C2DH-HeLa/link",))
    refused(server, tmp_path, "leads out of its folder")


def test_redirects_without_end(server: Server, tmp_path: Path) -> None:
    refused(server, tmp_path, "cannot be fetched", "/loop")
    assert len(server.asked) < 20


def test_missing_file_and_missing_server(server: Server, tmp_path: Path) -> None:
    refused(server, tmp_path, "Not Found.*another address by --url", "/none")
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch("isbi2012", tmp_path, url="http://127.0.0.1:9/set.zip", progress=False)
    with pytest.raises(InputError, match="an address begins with https"):
        fetch("isbi2012", tmp_path, url="file:///etc/hostname", progress=False)
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "DIC-C2DH-HeLa").mkdir()
    with pytest.raises(InputError, match="there already"):
        take(server, tmp_path)
    assert server.asked == []
    (tmp_path / "a.zip").write_bytes(GOOD)
    with pytest.raises(InputError, match="there already"):
        unpack(tmp_path / "a.zip", tmp_path / "DIC-C2DH-HeLa")


def test_names_and_checksums_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean DIC-C2DH-HeLa"):
        address("DIC-C2DH-Hela")
    with pytest.raises(InputError, match="There is no public data set"):
        fetch("../elsewhere", tmp_path, url="http://127.0.0.1:9/set.zip")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        fetch("isbi2012", tmp_path, sha256="abc")
    assert all(place.startswith("https://") for place, _ in SETS.values())


def test_the_verb(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["fetch", "DIC-C2DH-HeLa", "--output", str(tmp_path), "--url", url(server)]) == 0
    assert hashlib.sha256(GOOD).hexdigest() in capsys.readouterr().out
    assert main(["fetch", "--url", url(server), "--output", str(tmp_path)]) == 1
    assert "Name the data set to fetch" in capsys.readouterr().err
    assert main(["fetch", "nothing", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("Error: There is no public data set 'nothing'")
