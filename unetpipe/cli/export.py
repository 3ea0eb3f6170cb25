"""``unetpipe export``: a trained bundle as a folder to hand on, or one of its models as a bioimage.io package."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle.writing import export_bundle, find_bundle
from unetpipe.cli.options import model_help
from unetpipe.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        type=Path,
        nargs="?",
        help="folder that training wrote (default, for bioimageio only: the installed bundle)",
    )
    parser.add_argument(
        "--output", metavar="PATH", type=Path, required=True, help="a new or empty folder; for bioimageio a .zip file"
    )
    parser.add_argument(
        "--format", choices=["bundle", "bioimageio"], default="bundle", help="what to write (default: bundle)"
    )
    parser.add_argument("--half", action="store_true", help="bundle: half-precision weights, half as large")
    parser.add_argument("--model", metavar="NAME", help=f"bioimageio: {model_help()}")
    parser.add_argument(
        "--sample", metavar="IMAGE", type=Path, help="bioimageio: image for its test input (default: synthetic cells)"
    )


def run(options: argparse.Namespace) -> None:
    """Write what was asked for and say how large it is."""
    if options.format == "bioimageio":
        from unetpipe.export.bioimageio import write_package

        if options.half:
            raise InputError("--half is for bundles; TorchScript runs at the precision of its weights.")
        write_package(options.bundle or find_bundle(), options.output, options.model, options.sample)
        print(f"Package: {options.output} ({options.output.stat().st_size / 2**20:.1f} MiB)")
        return
    if options.bundle is None or options.model or options.sample:
        raise InputError("Name the bundle to export; --model and --sample go with --format bioimageio.")
    export_bundle(options.bundle, options.output, half=options.half)
    size = (options.output / "models" / "model.pt").stat().st_size / 2**20
    print(f"Bundle: {options.output} (weights {size:.1f} MiB)")
