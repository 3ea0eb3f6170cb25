"""One file downloaded, with a progress bar; an interrupted download is continued.

References
----------
RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from unetpipe.errors import InputError
from unetpipe.files import first_line, write_text

BLOCK, SECONDS = 2**20, 60
AGENT = "unetpipe"


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but not from an encrypted address to one that is not."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise InputError(f"{req.full_url} leads to the unencrypted {newurl}; this redirect is not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, path: Path, progress: bool = True) -> str:
    """Download a file to ``path`` and return its SHA-256 in hexadecimal digits.

    Until it is complete it is called ``.NAME.part``, with ``.NAME.part.json`` next to it; a later call continues it
    if the server says that the file is still the same.

    Raises
    ------
    InputError
        If the address cannot be reached, redirects without end, or the download is interrupted; or the file cannot be
        written.
    """
    part, notes = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        response, have = _start(url, *_resumable(url, part, notes))
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        write_text(notes, json.dumps({"url": url, "validator": tag}))
        length = response.headers.get("Content-Length")
        whole = None if length is None else have + int(length)
        with (
            response,
            part.open("ab" if have else "wb") as file,
            tqdm(desc=path.name, total=whole, initial=have, unit="B", unit_scale=True, disable=not progress) as bar,
        ):
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        size = part.stat().st_size
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = _line(getattr(error, "reason", error))
        if isinstance(error, urllib.error.HTTPError) and error.code < 500:  # trying again would not help
            raise InputError(f"{url} cannot be fetched ({reason}); name another address by --url.") from error
        raise InputError(
            f"{url} cannot be fetched ({reason}); the downloaded part is kept, run the command again."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({first_line(error)}).") from error
    if whole is not None and size != whole:
        raise InputError(
            f"The download of {url} ended after {size} of {whole} bytes; run the command again to continue it."
        )
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    part.replace(path)
    notes.unlink()
    return digest.hexdigest()


def _resumable(url: str, part: Path, notes: Path) -> tuple[int, str | None]:
    """Return the bytes that are there of a download that broke off, and what tells whether the file is the same."""
    try:
        kept = json.loads(notes.read_text(encoding="utf-8"))
        same = kept["url"] == url and bool(kept["validator"])
        return (part.stat().st_size, kept["validator"]) if same else (0, None)
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None


def _start(url: str, have: int, validator: str | None) -> tuple[HTTPResponse, int]:
    """Return the answer of the server, and how many bytes are there already, after which it continues."""
    try:
        response = _open(url, have, validator)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:  # nothing follows: it was cut off after its last byte
            raise
        return _open(url, 0, None), 0
    if response.status == 206 and _first_byte(response) == have:
        return response, have
    if response.status == 206:  # not the range that was asked for
        response.close()
        response = _open(url, 0, None)
    return response, 0


def _open(url: str, have: int, validator: str | None) -> HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise InputError(f"{url} cannot be fetched: an address begins with https://.")
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if have and validator and not validator.startswith("W/"):
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    opener = urllib.request.build_opener(_SafeRedirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=SECONDS)


def _first_byte(response: HTTPResponse) -> int:
    """Return where the range that a server sends begins; -1 if it does not say."""
    unit, _, extent = response.headers.get("Content-Range", "").partition(" ")
    first = extent.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else -1


def _line(reason: object) -> str:
    return first_line(reason) if isinstance(reason, Exception) else str(reason).strip().splitlines()[0]
