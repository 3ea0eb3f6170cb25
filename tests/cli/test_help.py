"""Help comes at once: no verb imports PyTorch, MONAI, ITK or Ignite before it runs; and its texts have one form."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from unetpipe import __version__
from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.main import VERBS, main

HEAVY = ("torch", "monai", "itk", "ignite", "skimage", "scipy")


def helped(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import contextlib, io, sys
from unetpipe.cli.main import VERBS, main
for arguments in (["--version"], ["--help"], *([verb, "--help"] for verb in VERBS)):
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(arguments)
    loaded = [name for name in {HEAVY} if name in sys.modules]
    assert not loaded, (arguments, loaded)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_python_m_unetpipe() -> None:
    done = subprocess.run([sys.executable, "-m", "unetpipe", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"unetpipe {__version__}\n"


def test_every_verb_is_listed(capsys: pytest.CaptureFixture) -> None:
    said = helped(capsys, "--help")
    assert all(f"{verb} {summary}" in said for verb, summary in VERBS.items())


@pytest.mark.parametrize("verb", VERBS)
def test_defaults_have_one_form(verb: str, capsys: pytest.CaptureFixture) -> None:
    said = helped(capsys, verb, "--help")
    assert "by default" not in said
    assert len(re.findall("default", said)) == len(re.findall(r"\(default[^()]*: [^()]+\)", said))


@pytest.mark.parametrize("verb", ["segment", "label", "export", "train"])
def test_models_are_those_of_the_bundle(verb: str, capsys: pytest.CaptureFixture) -> None:
    assert ", ".join(model_names(find_bundle())) in helped(capsys, verb, "--help")
