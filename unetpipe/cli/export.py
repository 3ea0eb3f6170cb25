"""``unetpipe export``: a trained bundle as a folder to hand on, or one of its models as a bioimage.io package."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle.writing import export_bundle, find_bundle
from unetpipe.errors import InputError


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("export", help="write a stand-alone bundle or a bioimage.io package")
    parser.add_argument("bundle", type=Path, nargs="?", help="folder that training wrote (unetpipe's own bundle)")
    parser.add_argument("--output", type=Path, required=True, help="new or empty folder; a .zip for bioimageio")
    parser.add_argument("--format", choices=["bundle", "bioimageio"], default="bundle", help="what to write (bundle)")
    parser.add_argument("--half", action="store_true", help="bundle: weights in half precision, at half the size")
    parser.add_argument("--model", help="bioimageio: one of the bundle's models by name")
    parser.add_argument("--sample", type=Path, help="bioimageio: image for its test input (synthetic cells)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write what was asked for and say how large it is."""
    if options.format == "bioimageio":
        from unetpipe.export import write_package

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
