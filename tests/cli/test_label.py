"""``unetpipe label``: what is wrong before the server starts is said in one sentence."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from unetpipe.cli.main import main


def said(capsys: pytest.CaptureFixture) -> str:
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_missing_package(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "monailabel", None)
    assert main(["label", str(tmp_path), "--port", "0"]) == 1
    sentence = said(capsys)
    assert sentence.endswith('python -m pip install "unetpipe[label]"')
    constraints = sentence.split('"')[1]
    assert Path(constraints).is_file()
    assert not any(tmp_path.iterdir())


def test_refused_port(tmp_path: Path, capsys: pytest.CaptureFixture):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert main(["label", str(tmp_path), "--port", str(port)]) == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in said(capsys)


def test_missing_studies(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["label", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder of studies" in said(capsys)
