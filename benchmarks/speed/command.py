"""``python -m benchmarks NAME``: run benchmarks of speed, print each row at once and, last, a line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

import unetpipe
from benchmarks.arguments import folder, positive
from benchmarks.speed.gpu import PARTS
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row
from unetpipe.files import replacing
from unetpipe.inferers import bfloat16_is_fast
from unetpipe.memory import keep_freed_memory

NAMES = ("weight_map", "elastic", "inference", "patchwise", "end_to_end", "training", "gpu")
PACKAGES = ("torch", "monai", "numpy", "scipy")
HELP = (
    "Time unetpipe and what else one would use in turn, in one process, after checking both sides' results. Ratios are "
    "of median CPU seconds. On one free core 'all' takes about 20 minutes, most of it for the other side, and 8 GB of "
    "memory; --plots adds about 5 minutes."
)


def main(argv: Sequence[str]) -> int:
    """Run the named benchmarks; return 1 if a bound is missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=HELP)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--threads", type=positive, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--repeats", type=positive, default=3, help="rounds of each comparison (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs; no bound holds")
    parser.add_argument("--seconds", type=positive, default=600, help="gpu begins no part after these (default: 600)")
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=(), help="gpu measures only these")
    parser.add_argument("--json", type=Path, help="file that holds all rows measured so far, at any time")
    parser.add_argument("--plots", type=folder, help="also measure and draw the plots, into this folder")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as unetpipe's own programs do; it serves both sides
    settings = Settings(options.repeats, options.quick, options.seconds, tuple(options.parts))
    rows: list[Row] = []
    result: dict = {"machine": machine(options.threads), "rows": []}
    for name in NAMES if options.name == "all" else [options.name]:
        for measured in importlib.import_module(f"benchmarks.speed.{name}").run(settings):
            row = measured._replace(bound=None) if options.quick else measured
            rows.append(row)
            result["rows"].append(as_json(row))
            if options.json is not None:
                with replacing(options.json) as temporary:
                    temporary.write_text(json.dumps(result))
            print(line(row), flush=True)
    if options.plots is not None:
        from benchmarks.speed.plots import draw_all

        result["curves"] = draw_all(settings, options.plots)
    print(json.dumps(result))
    return 1 if any(row.met is False for row in rows) else 0


def line(row: Row) -> str:
    """Return a row of the table, in Markdown."""
    bound = "" if row.bound is None else f"{'≥' if row.relation == '>=' else '≤'} {row.bound:g}"
    verdict = {None: "", True: "met", False: "missed"}[row.met]
    seconds = ", ".join(
        f"{name} {times.median:.3g} s ±{50 * times.spread:.0f} %" for name, times in (row.seconds or {}).items()
    )
    return (
        f"| {row.benchmark} | {row.what} | {row.value:.3g} {row.unit} | {bound} | {verdict} | {row.seen} | {seconds} |"
    )


def as_json(row: Row) -> dict:
    """Return a row with what was measured in each round."""
    seconds = {name: {"cpu": times.cpu, "wall": times.wall} for name, times in (row.seconds or {}).items()}
    return {**row._asdict(), "met": None if row.met is None else bool(row.met), "seconds": seconds}


def machine(threads: int) -> dict:
    """Return what the figures depend on."""
    return {
        "python": platform.python_version(),
        "processor": platform.machine(),
        "bfloat16": bfloat16_is_fast("cpu"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": threads,
        "unetpipe": unetpipe.__version__,  # a checkout need not be installed
        **{name: version(name) for name in PACKAGES},
    }
