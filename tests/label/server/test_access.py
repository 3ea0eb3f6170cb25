"""Only those who may reach the server: own pages, own hosts, the token; what they send leaves nothing behind."""

from __future__ import annotations

import functools
import http.client
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server, ask, free_port, label, make_studies, pixels, truth, wait_until

pytestmark = pytest.mark.label

TOKEN = "a-token-for-these-tests"
ORIGIN = "http://localhost:{port}"
OFF = {
    ("PUT", "/session/?uncompress=true"): 400,
    ("PUT", "/model/cells"): 403,
    ("DELETE", "/model/cells"): 403,
    ("DELETE", "/datastore/image?id=t000"): 403,
    ("DELETE", "/datastore/?id=t000"): 403,
    ("GET", "/logs/"): 403,
    ("GET", "/logs/gpu"): 403,
    ("GET", "/"): 403,
    ("GET", "/proxy/dicom/x"): 404,
    ("POST", "/proxy/dicom/wado/x"): 404,
    ("GET", "/docs"): 404,
    ("GET", "/ohif/"): 404,
    ("GET", "/static/ohif/index.html"): 404,
    ("POST", "/reload"): 404,
    ("POST", "/scoring/x"): 404,
    ("POST", "/infer/wsi/cells?image=t000"): 404,
    ("PATCH", "/info/"): 405,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of another server, with an empty page."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "index.html").write_text("<!doctype html><title>another</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ORIGIN.format(port=server.server_port)
        server.shutdown()


@pytest.fixture(scope="module")
def guarded(cells: Path, bundle: Path, environment, pages: str, tmp_path_factory) -> Iterator[Server]:
    """A server for other machines, with a token, for the pages of one other origin, with small uploads."""
    studies = make_studies(cells, tmp_path_factory.mktemp("guarded") / "studies")
    options = ("--host", "0.0.0.0", "--allow-origin", pages, "--max-upload", "1M", "--allow", "delete-images")
    secret = {**environment, "UNETPIPE_LABEL_TOKEN": TOKEN}
    yield from label(studies, secret, "--bundle", str(bundle), *options, token=TOKEN)


def temporary(server: Server) -> list[Path]:
    return list((server.bundle.parent.parent / "temporary").glob("*/"))


def sentence(body: str) -> str:
    said = json.loads(body)["detail"]
    assert isinstance(said, str)
    assert said.endswith((".", "switch it on."))
    assert "\n" not in said
    return said


@pytest.mark.parametrize("call", OFF, ids=" ".join)
def test_what_is_off(ours: Server, call: tuple[str, str]):
    weights = (ours.bundle / "models" / "model.pt").read_bytes()
    method, path = call
    files = {"files": ("a.tar", b"x"), "file": ("a.pt", b"x")} if method == "PUT" else None
    status, body = ask(ours, method, path, files=files)
    assert status == OFF[call], body
    sentence(body)
    assert (ours.bundle / "models" / "model.pt").read_bytes() == weights
    assert (ours.studies / "t000.png").is_file()


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "http://localhost"]
)
def test_foreign_pages(ours: Server, origin: str):
    for method, path in (("GET", "/info/"), ("POST", "/infer/cells?image=t001"), ("OPTIONS", "/train/cells")):
        status, body = ask(ours, method, path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert status == 403
        assert origin in sentence(body)


def test_links_and_pictures_on_foreign_pages(ours: Server):
    for site in ("cross-site", "same-site"):
        assert ask(ours, "GET", "/datastore/image?image=t001", headers={"Sec-Fetch-Site": site})[0] == 403
    for site in ("same-origin", "none"):
        assert ask(ours, "GET", "/datastore/image?image=t001", headers={"Sec-Fetch-Site": site})[0] == 200


def test_own_pages(ours: Server):
    assert ask(ours, "GET", "/info/", headers={"Origin": ours.address})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost@evil"])
def test_foreign_hosts(ours: Server, host: str):
    assert ask(ours, "GET", "/info/", headers={"Host": host})[0] == 400


def test_hosts_of_this_machine(ours: Server):
    for host in ("localhost", "127.0.0.1:9999", "LOCALHOST:1", "[::1]:8000"):
        assert ask(ours, "GET", "/info/", headers={"Host": host})[0] == 200


def test_no_request_leaves_a_file(ours: Server, cells: Path):
    image = (cells / "01" / "t001.tif").read_bytes()
    for path, files, status in (
        ("/infer/cells", {"file": ("a.tif", image)}, 200),
        ("/infer/cells?output=image", {"file": ("a.tif", image)}, 200),
        ("/infer/cells?output=dicom_seg", {"file": ("a.tif", image)}, 400),
        ("/infer/cells", {"file": ("a.tif", image[:300])}, 400),
        ("/infer/nothing", {"file": ("a.tif", image)}, 404),
    ):
        assert ask(ours, "POST", path, files=files)[0] == status
        assert temporary(ours) == []


def test_a_broken_off_upload_leaves_no_file(ours: Server):
    connection = http.client.HTTPConnection(ours.address.removeprefix("http://"))
    connection.putrequest("POST", "/infer/cells")
    connection.putheader("content-type", "multipart/form-data; boundary=b")
    connection.putheader("content-length", "5000000")
    connection.endheaders()
    connection.send(b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.tif"\r\n\r\n' + b"x" * 3_000_000)
    connection.close()
    wait_until(lambda: temporary(ours) == [])
    assert ask(ours, "GET", "/info/")[0] == 200


def test_sessions(ours: Server, cells: Path):
    session = ours.client.create_session(str(cells / "01" / "t001.tif"))["session_id"]
    mask, _ = ours.client.infer("cells", "", {}, session_id=session)
    assert (pixels(mask) == pixels(ours.client.infer("cells", "t001", {})[0])).all()
    assert ask(ours, "GET", f"/session/{session}?image=true")[0] == 200
    assert ask(ours, "DELETE", f"/session/{session}")[0] == 200
    assert ask(ours, "GET", f"/session/{session}")[0] == 404
    assert ask(ours, "DELETE", "/session/..")[0] in (404, 405)


def test_a_second_server_on_the_studies_is_refused(ours: Server, bundle: Path, environment: dict[str, str]):
    import subprocess
    import sys

    command = [sys.executable, "-m", "unetpipe.cli.main", "label", str(ours.studies), "--bundle", str(bundle)]
    other = subprocess.run([*command, "--port", str(free_port())], env=environment, capture_output=True, text=True)
    assert other.returncode == 1
    assert "Another unetpipe label serves" in other.stderr
    assert "Traceback" not in other.stderr
    assert ask(ours, "GET", "/info/")[0] == 200


def test_without_the_token(guarded: Server):
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
        encoded = {key: value.encode() for key, value in headers.items()}
        for method, path in (
            ("GET", "/info/"),
            ("POST", "/train/cells"),
            ("GET", "/openapi.json"),
            ("GET", "/auth/token/valid"),
        ):
            status, body = ask(guarded, method, path, headers=encoded)
            assert status == 401
            assert "token" in sentence(body)
    assert ask(guarded, "POST", "/auth/token", data={"username": "me", "password": "no"})[0] == 401
    assert json.loads(ask(guarded, "GET", "/auth/")[1])["enabled"]
    log = (guarded.studies.parent / "log.txt").read_text() + (
        guarded.bundle.parent.parent / "logs" / "app.log"
    ).read_text()
    assert TOKEN not in log


def test_the_python_client_with_the_token(guarded: Server, cells: Path):
    from monailabel.client import MONAILabelClient
    from monailabel.client.client import MONAILabelClientException

    client = MONAILabelClient(guarded.address)
    assert client.auth_enabled()
    with pytest.raises(MONAILabelClientException):
        client.info()
    client.update_auth(client.auth_token("anybody", TOKEN))
    assert client.auth_valid_token()
    assert list(client.info()["models"]) == ["cells"]
    image = client.next_sample("uncertain", {})["id"]
    assert pixels(client.infer("cells", image, {})[0]).any()
    client.save_label("t001", str(truth(cells, 1)), tag="final")
    client.upload_image(str(cells / "01" / "t001.tif"), "sent")
    assert client.datastore()["objects"].keys() >= {"sent"}
    client.train_start("cells", {"max_epochs": 10_000, "steps_per_epoch": 5})
    assert client.train_status()["status"] in ("SUBMITTED", "RUNNING")
    client.train_stop()
    # 3D Slicer makes a client of its own for each call
    slicer = MONAILabelClient(guarded.address)
    slicer.update_auth(slicer.auth_token("slicer", TOKEN))
    assert slicer.create_session(str(cells / "01" / "t001.tif"))["session_id"]


def test_what_was_switched_on(guarded: Server):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    shutil.copy(guarded.studies / "t002.tif", guarded.studies.parent / "kept.tif")
    with (guarded.studies.parent / "kept.tif").open("rb") as file:
        assert ask(guarded, "PUT", "/datastore/image?image=kept", files={"file": file}, headers=headers)[0] == 200
    assert ask(guarded, "DELETE", "/datastore/image?id=kept", headers=headers)[0] == 200
    assert not (guarded.studies / "kept.tif").exists()
    assert ask(guarded, "DELETE", "/datastore/image?id=kept", headers=headers)[0] == 404


@pytest.mark.parametrize("size", [1_000_001, 50_000_000])
def test_large_uploads(guarded: Server, size: int):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    status, body = ask(guarded, "POST", "/infer/cells", files={"file": ("a.tif", bytes(size))}, headers=headers)
    assert status == 413
    assert "1,000,000 bytes" in sentence(body)
    assert temporary(guarded) == []


def test_large_uploads_of_unknown_length(guarded: Server):
    def body() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'
        yield from [bytes(100_000)] * 20

    headers = {"Authorization": f"Bearer {TOKEN}", "content-type": "multipart/form-data; boundary=b"}
    status, answer = ask(guarded, "POST", "/infer/cells", data=body(), headers=headers)
    assert status == 413, answer
    assert temporary(guarded) == []


def test_large_parameters(ours: Server):
    assert ask(ours, "POST", "/train/cells", json={"a": "x" * 1_000_000})[0] == 413


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--proxy-server=direct://"):
        options.add_argument(argument)
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


TRY = """
const [address, method, path, mode, headers, done] = arguments;
const body = new FormData();
for (const name of ["file", "label", "files"]) body.append(name, new Blob([new Uint8Array(9)]), "a.tif");
fetch(address + path, {method, mode, headers, body: method == "GET" || method == "DELETE" ? undefined : body})
    .then(answer => done([answer.type, answer.status])).catch(error => done(["failed", 0]));
"""
TRIED = (
    ("GET", "/info/"),
    ("POST", "/infer/cells?image=t001&output=image"),
    ("POST", "/train/cells"),
    ("POST", "/train/"),
    ("DELETE", "/train/"),
    ("POST", "/batch/infer/cells"),
    ("POST", "/activelearning/first"),
    ("PUT", "/datastore/image?image=planted"),
    ("DELETE", "/datastore/image?id=t001"),
    ("PUT", "/datastore/label?image=t001&tag=planted"),
    ("DELETE", "/datastore/label?id=t001&tag=final"),
    ("PUT", "/datastore/image/info?image=t001"),
    ("PUT", "/model/cells"),
    ("DELETE", "/model/cells"),
    ("PUT", "/session/?uncompress=true"),
    ("PUT", "/session/"),
    ("POST", "/reload"),
    ("GET", "/proxy/dicom/x"),
    ("GET", "/logs/gpu"),
)


def everything(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".log", ".lock"))
    }


def test_a_page_of_another_origin_in_a_browser(ours: Server, pages: str, browser: Any):
    before = everything(ours.studies)
    for page in (pages, pages.replace("localhost", "127.0.0.1")):
        browser.get(page)
        for method, path in TRIED:
            assert browser.execute_async_script(TRY, ours.address, method, path, "cors", {}) == ["failed", 0], path
            if method in ("GET", "POST"):  # sent without asking before; the page cannot read the answer
                answer = browser.execute_async_script(TRY, ours.address, method, path, "no-cors", {})
                assert answer in (["opaque", 0], ["failed", 0])
        picture = "const [url, done] = arguments; const i = new Image(); i.onload = () => done(true);"
        picture += "i.onerror = () => done(false); i.src = url"
        assert not browser.execute_async_script(picture, f"{ours.address}/datastore/image?image=t000")
    assert everything(ours.studies) == before
    assert ask(ours, "GET", "/batch/infer")[0] in (200, 404)


def test_the_servers_own_page_in_a_browser(ours: Server, browser: Any):
    browser.get(f"{ours.address}/info/")
    assert browser.execute_async_script(TRY, ours.address, "GET", "/info/", "cors", {}) == ["basic", 200]


def test_rebinding_in_a_browser(ours: Server, browser: Any):
    """A page whose name has come to mean this machine: the browser takes the server for the page's own."""
    browser.get(ours.address.replace("127.0.0.1", "evil.localhost") + "/info/")
    assert "Invalid host header" in browser.page_source


def test_a_page_of_an_allowed_origin_in_a_browser(guarded: Server, pages: str, browser: Any):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    browser.get(pages)
    assert browser.execute_async_script(TRY, guarded.address, "GET", "/info/", "cors", headers) == ["cors", 200]
    infer = ("POST", "/infer/cells?image=t001&output=image")
    assert browser.execute_async_script(TRY, guarded.address, *infer, "cors", headers) == ["cors", 400]  # nine zeros
    browser.get(pages.replace("localhost", "127.0.0.1"))
    assert browser.execute_async_script(TRY, guarded.address, "GET", "/info/", "cors", headers) == ["failed", 0]
