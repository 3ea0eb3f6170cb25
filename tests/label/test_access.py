"""Who may ask the label server."""

from __future__ import annotations

import argparse
import socket

import pytest

from unetpipe.cli import label
from unetpipe.errors import InputError
from unetpipe.label.access import Access, bytes_of, is_local, names_of

TOKEN = "0123456789abcdef"


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    label.add_arguments(parser)
    return parser.parse_args(["studies", *arguments])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "lab.example.org", "", "127.0.0.1.example.org"])
def test_other_machines_need_a_token(host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(label.TOKEN, raising=False)
    assert not is_local(host)
    with pytest.raises(InputError, match="give a --token of 16 characters or more"):
        label.read_access(options("--host", host))
    assert label.read_access(options("--host", host, "--token", TOKEN)).token == TOKEN


def test_the_token_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(label.TOKEN, TOKEN)
    assert label.read_access(options("--host", "0.0.0.0")).token == TOKEN


@pytest.mark.parametrize("token", ["short", "with a space in it", "with\na line break in it", "é" * 20])
def test_tokens_that_no_header_can_carry_or_that_are_guessed(token: str):
    with pytest.raises(InputError, match="at least 16 letters"):
        label.read_access(options("--token", token))


def test_this_machine_needs_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(label.TOKEN, raising=False)
    for host in ("127.0.0.1", "localhost", "127.0.0.2"):
        access = label.read_access(options("--host", host))
        assert access.token is None
        assert {host, "localhost", "127.0.0.1"} <= {*access.hosts}
        assert access.features == access.origins == []


def test_all_addresses_have_the_names_of_this_machine():
    assert {"localhost", socket.gethostname(), "127.0.0.1"} <= {*names_of("0.0.0.0")}
    assert names_of("192.168.1.7") == ["192.168.1.7"]


@pytest.mark.parametrize(
    "origin", ["*", "null", "localhost:3000", "http://a/b", "http://a/", "ftp://a", "http://u@a", ""]
)
def test_what_is_no_origin(origin: str):
    with pytest.raises(InputError, match="must be an origin"):
        Access(origins=[origin])


def test_origins():
    assert Access(origins=["http://localhost:3000", "https://a.org"]).origins == [
        "http://localhost:3000",
        "https://a.org",
    ]


@pytest.mark.parametrize(
    ("text", "size"), [("500", 500), ("300M", 300 * 10**6), ("2G", 2 * 10**9), ("1.5GB", 1_500_000_000), ("7 k", 7000)]
)
def test_sizes(text: str, size: int):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "-1", "G", "2X", "1e9", "9" * 40, "nan"])
def test_what_is_no_size(text: str):
    with pytest.raises(InputError, match="is not a size"):
        bytes_of(text)


def test_no_upload_at_all_is_refused():
    with pytest.raises(InputError, match="at least 1 byte"):
        label.read_access(options("--max-upload", "0"))
