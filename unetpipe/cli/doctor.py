"""``unetpipe doctor``: say what is installed, on which device it computes, and what to repair."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from unetpipe import __version__
from unetpipe.errors import InputError

PACKAGE = Path(__file__).resolve().parent.parent
# the name of the module where it differs from that of the distribution
MODULES = {
    "pytorch-ignite": "ignite",
    "scikit-image": "skimage",
    "pillow": "PIL",
}
FOR_DEVELOPERS = ("test", "lint", "docs", "benchmarks")  # extras that users do not ask for
SHARED_MEMORY = Path("/dev/shm")
SMALL = 2**30  # bytes of shared memory; batches of worker processes pass through it
GOOD, NOTE, PROBLEM = "ok", "note", "problem"


class Finding(NamedTuple):
    """What was looked at, what was found, whether that is good, and what to do if it is not."""

    name: str
    value: str
    state: str = GOOD
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> None:
    """Print the findings; raise InputError if unetpipe cannot work here."""
    found = list(findings())
    if options.json:
        print(json.dumps({"findings": [finding._asdict() for finding in found]}, indent=2, ensure_ascii=False))
    else:
        width = max(len(finding.name) for finding in found)
        for finding in found:
            print(f"{finding.state:<8} {finding.name:<{width}}  {finding.value}")
            if finding.advice:
                print(f"{'':<8} {'':<{width}}  -> {finding.advice}")
        print("\nPaste this into a bug report, with the command that failed and everything that it printed.")
    broken = [finding.name for finding in found if finding.state == PROBLEM]
    if broken:
        raise InputError(f"unetpipe cannot work here because of {', '.join(broken)}; the lines above say what to do.")


def findings() -> Iterator[Finding]:
    """Look at everything, one thing after the other; what is broken is a finding, too."""
    yield Finding("unetpipe", f"{__version__} in {_short(PACKAGE)}")
    yield _python()
    yield Finding("system", f"{platform.platform()}, {platform.machine()}")
    yield _models()
    tested = tested_versions()
    for requirement, extra in requirements():
        if extra is None:
            yield _required(requirement, tested)
    yield from _extras()
    yield from _computing()
    yield from _memory()


def tested_versions() -> dict[str, str]:
    """Return the versions that the tests run with, by distribution; in the checkout, or where the wheel put them."""
    for folder in (PACKAGE.parent, PACKAGE):
        if (folder / "constraints.txt").is_file():
            lines = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
            parts = [line.partition("==") for line in lines]
            return {_canonical(name): version for name, equals, version in parts if equals}
    return {}


def requirements() -> Iterator[tuple[str, str | None]]:
    """Yield what the package requires, such as "numpy>=1.26", each with the extra that asks for it or None."""
    try:
        listed = metadata.requires("unetpipe") or []
    except metadata.PackageNotFoundError:
        listed = []
    for line in listed:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        yield requirement.strip(), extra[1] if extra else None


def _python() -> Finding:
    version = platform.python_version()
    value = f"{version} ({platform.python_implementation()}) in {_short(Path(sys.prefix))}"
    try:
        classifiers = metadata.metadata("unetpipe").get_all("Classifier") or []
    except metadata.PackageNotFoundError:
        return Finding("Python", value, NOTE, "unetpipe is used from a folder and not installed; pip install it.")
    declared = [line.rpartition(" ")[2] for line in classifiers if re.search(r":: 3\.\d+$", line)]
    if ".".join(version.split(".")[:2]) in declared:
        return Finding("Python", value)
    return Finding("Python", value, NOTE, f"unetpipe is made for Python {', '.join(declared)}; use one of these.")


def _models() -> Finding:
    try:
        from unetpipe.bundle.models import model_names
        from unetpipe.bundle.writing import find_bundle

        bundle = find_bundle()
    except InputError as error:
        return Finding("models", "none", PROBLEM, str(error))
    except Exception:  # a broken package, which has its own line
        return Finding("models", "unknown", NOTE, "Repair the packages below first.")
    if not (bundle / "models" / "model.pt").is_file():
        return Finding("models", "no weights", NOTE, "Install unetpipe again, or segment with your own --bundle.")
    return Finding("models", ", ".join(model_names(bundle)))


def _required(requirement: str, tested: dict[str, str]) -> Finding:
    """Import a package that is required, and compare its version."""
    name = _name(requirement)
    module = MODULES.get(_canonical(name), name.replace("-", "_"))
    install = f'Run: pip install "{requirement}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", PROBLEM, install)
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a broken installation raises
        again = f'Run: pip install --force-reinstall --no-deps "{name}=={tested.get(_canonical(name), version)}"'
        return Finding(name, f"{version}, cannot be imported ({_reason(error)})", PROBLEM, again)
    return _compared(name, version, requirement, tested)


def _compared(name: str, version: str, requirement: str, tested: dict[str, str]) -> Finding:
    """Compare a version with the lower bound and with the version that the tests use."""
    bound = re.search(r">=\s*([\w.]+)", requirement)
    known = tested.get(_canonical(name))
    if bound and _numbers(version) < _numbers(bound[1]):
        return Finding(name, version, PROBLEM, f'It is too old. Run: pip install "{requirement}"')
    if known is None or _numbers(version) == _numbers(known):
        return Finding(name, version)
    order = "newer" if _numbers(version) > _numbers(known) else "older"
    advice = f"The tests use {known}, and yours is {order}; if something fails, pip install {name}=={known}."
    return Finding(name, f"{version} (tested: {known})", GOOD, "" if order == "older" else advice)


def _extras() -> Iterator[Finding]:
    """Say for each extra whether it is installed; nothing is imported."""
    listed = list(requirements())
    for extra in dict.fromkeys(extra for _, extra in listed if extra and extra not in FOR_DEVELOPERS):
        names = [_name(requirement) for requirement, asked in listed if asked == extra]
        installed = {name: _version(name) for name in names}
        missing = [name for name, version in installed.items() if version is None]
        if missing:
            advice = f'For it, run: pip install "unetpipe[{extra}]"'
            yield Finding(f"[{extra}]", f"not installed ({', '.join(missing)})", GOOD, advice)
        else:
            yield Finding(f"[{extra}]", ", ".join(f"{name} {version}" for name, version in installed.items()))


def _computing() -> Iterator[Finding]:
    """Describe the device, bfloat16 and the threads."""
    try:
        import torch

        from unetpipe.device import default_device, gpu_memory

        device = default_device()
        if device.type == "cpu":
            yield Finding("device", f"cpu, {_processor()}", *_advice_without_gpu(torch))
        else:
            name = torch.cuda.get_device_name(device) if device.type == "cuda" else "Apple GPU"
            yield Finding("device", f"{device}, {name}, {gpu_memory(device) / 2**30:.1f} GiB")
        yield _bfloat16(device.type)
        yield _threads(torch.get_num_threads())
    except Exception as error:  # whatever a broken PyTorch or driver raises
        advice = "Repair the packages above first, then the driver of the GPU."
        yield Finding("device", f"unknown ({_reason(error)})", PROBLEM, advice)


def _advice_without_gpu(torch: Any) -> tuple[str, str]:
    if shutil.which("nvidia-smi") is None:
        return GOOD, "Segmenting is fine on a CPU; training takes minutes to hours, which unetpipe check estimates."
    if torch.version.cuda is None:
        return NOTE, "This PyTorch cannot use your NVIDIA GPU; install its CUDA build, as pytorch.org says."
    return NOTE, f"This PyTorch needs a driver for CUDA {torch.version.cuda}; update the driver, and run nvidia-smi."


def _bfloat16(device_type: str) -> Finding:
    from unetpipe.inferers.autocast import bfloat16_is_fast

    if bfloat16_is_fast(device_type):
        return Finding("bfloat16", "in hardware; networks use it (amp=False: float32)")
    return Finding("bfloat16", "not in hardware; networks compute in float32")


def _threads(used: int) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    value = f"{used} of PyTorch, {cores} core(s)"
    if used < cores and "OMP_NUM_THREADS" in os.environ:
        return Finding("threads", value, NOTE, "OMP_NUM_THREADS limits them; unset it to use all cores.")
    return Finding("threads", value)


def _memory() -> Iterator[Finding]:
    """Describe main memory and the memory that processes share."""
    try:
        import psutil
        import torch

        from unetpipe.memory import free_memory

        free, total = free_memory(torch.device("cpu")) / 2**30, psutil.virtual_memory().total / 2**30
        value = f"{free:.1f} GiB free of {total:.1f} GiB"
        low = (NOTE, "Close other programs, or use --large, which segments part by part.") if free < 2 else ()
        yield Finding("memory", value, *low)
    except Exception:  # a broken package, which has its own line
        yield Finding("memory", "unknown", NOTE, "Repair the packages above first.")
    if SHARED_MEMORY.is_dir():
        size = shutil.disk_usage(SHARED_MEMORY).total
        value = f"{size / 2**30:.1f} GiB"
        if size < SMALL:
            advice = "Training may need more: docker run --shm-size=2g, or --set num_workers=0."
            yield Finding("shared memory", value, NOTE, advice)
        else:
            yield Finding("shared memory", value)


def _processor() -> str:
    """Return the name of the processor."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", information.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _reason(error: Exception) -> str:
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _name(requirement: str) -> str:
    return re.split(r"[\s<>=!~\[;(]", requirement, maxsplit=1)[0]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without what comes after them, such as "+cpu" or "rc1"."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].strip(".").split(".") if part)  # type: ignore[index]


def _short(path: Path) -> str:
    """Write a path without the name of the user."""
    return f"~{os.sep}{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
