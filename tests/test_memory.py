from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unetpipe import memory
from unetpipe.memory import free_memory, keep_freed_memory, return_freed_memory

RETURNED = """
import psutil, torch
from unetpipe.memory import keep_freed_memory, return_freed_memory
held = lambda: psutil.Process().memory_info().rss
keep_freed_memory()
before = held()
parts = [torch.ones(2**18) for _ in range(300)]  # 300 MB
del parts
kept = held() - before
return_freed_memory()
print(kept, held() - before)
"""

FAULTS = """
import resource, torch
from unetpipe.memory import keep_freed_memory
from unetpipe.networks import UNet
{call}
network = UNet(channels=(32, 64)).eval()
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with torch.inference_mode():
        network(torch.zeros(1, 1, 716, 716))  # 65 MB a feature map
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_free_memory_of_this_machine() -> None:
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50


@pytest.mark.parametrize(("limit", "used", "free"), [("1000", "300", 700), ("1000", "1200", 0)])
def test_container_limits_it(limit: str, used: str, free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text(used + "\n")
    assert free_memory(torch.device("cpu")) == free


@pytest.mark.parametrize("files", [{}, {"memory.max": "max", "memory.current": "5"}])
def test_without_a_limit(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert free_memory(torch.device("cpu")) > 2**20


def test_freed_memory_is_used_again() -> None:
    """The same tile a third time: without it every page is new again, with it hardly any."""
    if platform.libc_ver()[0] != "glibc":
        assert keep_freed_memory() in (True, False)
        return
    faults = [
        int(subprocess.run([sys.executable, "-c", FAULTS.format(call=call)], capture_output=True, check=True).stdout)
        for call in ("", "assert keep_freed_memory()")
    ]
    assert faults[0] > 10_000
    assert faults[1] < faults[0] / 10


def test_kept_memory_is_returned() -> None:
    """Else an image's memory would count as that of the next one."""
    if platform.libc_ver()[0] != "glibc":
        assert return_freed_memory() in (True, False)
        return
    kept, left = map(
        int, subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, check=True).stdout.split()
    )
    assert kept > 250 * 2**20
    assert left < 50 * 2**20
