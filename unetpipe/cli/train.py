"""``unetpipe train``: train a network on images and masks."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle.models import model_names
from unetpipe.bundle.settings import parse_setting, recipe_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.options import add_channel, as_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    bundle = find_bundle()
    parser.description = "Train a network on images and masks; write a trained bundle and a report."
    parser.add_argument(
        "data", metavar="DATA", type=Path, help="a data set in one of the layouts of docs/layouts.md (unetpipe check)"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for the trained bundle")
    add_channel(parser)
    parser.add_argument(
        "--recipe",
        action="append",
        default=[],
        choices=recipe_names(bundle),
        help="settings for a kind of images; if it is given several times, the later one overrides (default: none)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="settings",
        action="extend",
        nargs="+",
        default=[],
        help="values for keys of train.json, as JSON or text, such as channels=[16,32,64,128,256] max_epochs=20",
    )
    parser.add_argument("--resume", action="store_true", help="continue after the last complete epoch in --output")
    parser.add_argument(
        "--from",
        metavar="MODEL_OR_BUNDLE",
        dest="start_from",
        help="begin with the weights of a trained bundle (folder), or of a model of the installed one: "
        f"{', '.join(model_names(bundle))} (default: random weights)",
    )


def run(options: argparse.Namespace) -> None:
    """Train, and say what to do next."""
    settings = dict(parse_setting(text) for text in options.settings)
    if options.channel is not None:
        settings["channel"] = options.channel
    from unetpipe.training.checkpoints import MODEL
    from unetpipe.training.train import Training

    training = Training(options.data, options.output, options.recipe, options.resume, options.start_from, settings)
    print(training.describe(), flush=True)
    try:
        training.run()
    except KeyboardInterrupt:
        there = f" {options.output} holds a model already." if (options.output / MODEL).is_file() else ""
        print(f"The same command with --resume continues after the last complete epoch.{there}", flush=True)
        raise
    command = as_command(["unetpipe", "segment", "IMAGES", "--bundle", options.output, "--output", "MASKS"])
    print(f"Trained bundle: {options.output}\nNext: {command}")
