"""``unetpipe models``: list the models of a bundle, what each is for, and how it scored."""

from __future__ import annotations

import argparse
from pathlib import Path

from unetpipe.bundle.models import about_models, facts_of, inference_configs, model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="a trained bundle (default: the installed one)")


def run(options: argparse.Namespace) -> None:
    """Print the models."""
    bundle = options.bundle or find_bundle()
    inference_configs(bundle)  # refuses what is not a bundle
    names = model_names(bundle)
    if not names:
        raise InputError(f"{bundle} has only its own model; unetpipe segment --bundle {bundle} uses it.")
    about = about_models(bundle)
    for name in names:
        print(name)
        told = about.get(name, {})
        for label, text in (
            ("for", told.get("for")),
            ("scored", told.get("score")),
            ("cells", cell_sizes(bundle, name)),
        ):
            if text:
                print(f"    {label:<8}{text}")
    print("\nUse one by --model NAME, or --model auto, which chooses the one that fits the images.")


def cell_sizes(bundle: Path, name: str) -> str:
    """Say how large the cells are that a model was trained on, in pixels."""
    from unetpipe.instances.trained_on import TrainedOn

    facts = TrainedOn.parse(facts_of(inference_configs(bundle, name)))
    if facts is None:
        return ""
    smallest, largest = (2 * (facts.cell_areas[place] / 3.14159) ** 0.5 for place in (1, 3))
    return f"{smallest:.0f} to {largest:.0f} pixels in diameter (5 to 95 %), median {facts.diameter:.0f}"
