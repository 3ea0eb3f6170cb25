"""``unetpipe doctor`` names what is missing, broken, too old or slow, and never fails itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unetpipe import __version__
from unetpipe.cli import doctor
from unetpipe.cli.doctor import GOOD, NOTE, PROBLEM, Finding
from unetpipe.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, and with what requirements: {requirement: version, or "" if it is missing}."""
    packages: dict[str, str] = {}

    def version(name: str) -> str:
        for requirement, found in packages.items():
            if re.split("[>;]", requirement)[0] == name and found:
                return found
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", lambda name: list(packages))
    monkeypatch.setattr(metadata, "version", version)
    return packages


def about(name: str) -> Finding:
    return {finding.name: finding for finding in doctor.findings()}[name]


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["unetpipe"]["value"].startswith(__version__)
    assert found["Python"]["value"].startswith(".".join(map(str, sys.version_info[:3])))
    assert str(torch.get_num_threads()) in found["threads"]["value"]
    assert {"system", "models", "device", "bfloat16", "memory"} <= found.keys()
    assert all(finding["state"] in (GOOD, NOTE) for finding in found.values())


def test_text_names_no_user_and_can_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path(sys.prefix).parent)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"in ~{os.sep}{Path(sys.prefix).name}" in said
    assert sys.prefix not in said
    assert said.splitlines()[-1].startswith("Paste this into a bug report")


def test_a_missing_package(asked: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    asked |= {"numpy>=1.26": "2.0", "absent>=3": ""}
    assert about("absent") == Finding("absent", "missing", PROBLEM, 'Run: pip install "absent>=3"')
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == (
        "Error: unetpipe cannot work here because of absent; the lines above say what to do.\n"
    )


def test_a_broken_package(asked: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked |= {"broken-one>=3": "3.1"}
    (tmp_path / "broken_one.py").write_text("raise OSError('libfirst.so: cannot open\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    value = "3.1, cannot be imported (OSError: libfirst.so: cannot open)"
    advice = 'Run: pip install --force-reinstall --no-deps "broken-one==3.1"'
    assert about("broken-one") == Finding("broken-one", value, PROBLEM, advice)


@pytest.mark.parametrize(
    ("version", "state", "said"),
    [
        ("1.25.9", PROBLEM, "too old"),
        ("1.26", GOOD, None),
        ("2.4.6", GOOD, None),
        ("2.10.0rc1", GOOD, "yours is newer"),
    ],
)
def test_versions(version: str, state: str, said: str | None, asked: dict[str, str], monkeypatch) -> None:
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"numpy": "2.4.6"})
    asked |= {"numpy>=1.26": version}
    found = about("numpy")
    assert found.state == state
    assert found.advice == "" if said is None else said in found.advice


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    assert doctor.tested_versions()["torch"] in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")


def test_extras(asked: dict[str, str]) -> None:
    asked |= {'a>=1; extra == "large"': "1.2", "b; extra == 'large'": "", 'c>=1; extra == "zoo"': "3"}
    asked |= {'d; extra == "test"': ""}
    found = {finding.name: finding for finding in doctor.findings()}
    assert found["[large]"].value == "not installed (b)"
    assert found["[large]"].advice == 'For it, run: pip install "unetpipe[large]"'
    assert found["[zoo]"].value == "c 3"
    assert "[test]" not in found


@pytest.mark.parametrize(
    ("tool", "cuda", "state", "said"),
    [
        (None, None, GOOD, "minutes to hours"),
        ("/bin/nvidia-smi", None, NOTE, "install its CUDA build"),
        ("/bin/nvidia-smi", "13.0", NOTE, "driver for CUDA 13.0"),
    ],
)
def test_why_there_is_no_gpu(tool: str | None, cuda: str | None, state: str, said: str, monkeypatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: tool)
    pytorch: Any = SimpleNamespace(version=SimpleNamespace(cuda=cuda))
    found = doctor._advice_without_gpu(pytorch)
    assert (found[0], said in found[1]) == (state, True)


def test_threads_that_the_environment_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert doctor._threads(1).advice.startswith("OMP_NUM_THREADS limits them")
    assert doctor._threads(8).state == GOOD


def test_little_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(total=2**26))
    assert "--shm-size" in about("shared memory").advice


def test_a_driver_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise RuntimeError("CUDA unknown error\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", fail)
    assert about("device") == Finding(
        "device",
        "unknown (RuntimeError: CUDA unknown error)",
        PROBLEM,
        "Repair the packages above first, then the driver of the GPU.",
    )


def test_nothing_is_installed() -> None:
    """Without any package, from a folder: sentences, no traceback."""
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from unetpipe.cli.main import main; "
    code += "sys.exit(main(['doctor']))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unetpipe is used from a folder and not installed" in done.stdout
    assert "unknown (ModuleNotFoundError: No module named 'torch')" in done.stdout
    assert re.fullmatch(r"Error: unetpipe cannot work here because of .*device.*\n", done.stderr)
