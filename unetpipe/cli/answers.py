"""Answers to what the command line does not know: the nearest verb or option, or what does it instead."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from unetpipe import scope
from unetpipe.scope import plain

MISUSED = 2  # the status of programs whose command line cannot be understood
_GPU = (
    "unetpipe uses a GPU if there is one (unetpipe doctor names it). To compute without an NVIDIA GPU, set the "
    "environment variable CUDA_VISIBLE_DEVICES to an empty text."
)
_SIZE = (
    "Training learns the size of the cells and needs no diameter. "
    "Give the diameter when you segment: unetpipe segment --diameter."
)

# what other programs call it, in any spelling (unetpipe.scope.plain)
VERBS = {
    **dict.fromkeys(("predict", "infer", "inference", "apply", "run", "segmentation"), "segment"),
    **dict.fromkeys(("eval", "score", "test", "validate", "metrics"), "evaluate"),
    **dict.fromkeys(("finetune", "retrain", "fit"), "train"),
    **dict.fromkeys(("track", "tracking"), "link"),
    **dict.fromkeys(("annotate", "correct", "serve", "server", "gui"), "label"),
    **dict.fromkeys(("download", "get"), "fetch"),
    **dict.fromkeys(("convert", "package"), "export"),
    **dict.fromkeys(("quantify", "stats", "analyse", "analyze", "count"), "measure"),
    **dict.fromkeys(("info", "version", "versions", "env", "diagnose"), "doctor"),
    **dict.fromkeys(("inspect", "validatedata", "plan", "preprocess"), "check"),
}
WISHES = {
    **scope.KEYS,
    **dict.fromkeys(("volume", "volumetric", "zaxis", "stitchthreshold"), scope.THREE_DIMENSIONS),
    **dict.fromkeys(("class", "classify", "classification", "semantic", "multiclass"), scope.SEVERAL_CLASSES),
    **dict.fromkeys(("prompt", "prompts", "points", "point", "box", "boxes", "text", "sam"), scope.PROMPTS),
    **dict.fromkeys(("generalist", "pretrainedmodel", "zeroshot"), scope.ANY_IMAGE),
    **dict.fromkeys(("denoise", "restore", "deblur", "superresolution"), scope.RESTORATION),
    **dict.fromkeys(("gpu", "usegpu", "gpus", "device", "cuda", "mps", "cpu"), _GPU),
    **dict.fromkeys(("diameter", "diammean", "cellsize"), _SIZE),
}
SETTINGS = {"epochs": "max_epochs", "nepochs": "max_epochs", "lr": "learning_rate", "workers": "num_workers"}


class Parser(argparse.ArgumentParser):
    """A parser that says a mistake in one sentence, and where to look, instead of the whole usage."""

    def option_strings(self) -> list[str]:
        """Return the options, such as ``--output``."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Print the sentence and end the program."""
        end = "" if message.endswith((".", "?")) else "."
        print(f"Error: {message}{end} See {self.prog} --help.", file=sys.stderr)
        sys.exit(MISUSED)


def unknown_verb(name: str, verbs: Collection[str]) -> str:
    """Say what to do instead of a verb that does not exist."""
    if os.path.exists(name):
        from unetpipe.cli.options import as_command  # with it NumPy is loaded

        command = as_command(["unetpipe", "segment", Path(name), "--output", "MASKS"])
        return f"A command is missing before {name}; to segment it: {command}"
    if plain(name) in WISHES:
        return WISHES[plain(name)]
    near = [VERBS[plain(name)]] if plain(name) in VERBS else difflib.get_close_matches(name.lower(), verbs, n=1)
    return f"There is no command {name!r}" + (
        f"; did you mean {near[0]}?" if near else f"; there are {', '.join(verbs)}"
    )


def wish(arguments: Sequence[str], options: Collection[str]) -> str | None:
    """Return the answer to the first option that asks for what unetpipe does not do; None if there is none.

    Parameters
    ----------
    arguments : sequence of str
        The command line after the verb.
    options : collection of str
        The options that the verb has.
    """
    for argument in arguments:
        if argument.startswith("--"):
            name = argument.partition("=")[0]
            if name == "--":
                return None
            if plain(name) in WISHES and not any(option.startswith(name) for option in options):
                return WISHES[plain(name)]
    return None


def unknown_arguments(rest: Sequence[str], verb: str, options: Collection[str], keys: Collection[str] = ()) -> str:
    """Say what to do instead of arguments that a verb does not have.

    Parameters
    ----------
    rest : sequence of str
        The arguments.
    verb : str
        The verb.
    options : collection of str
        The options that it has.
    keys : collection of str
        Keys that its option ``--set`` takes.
    """
    unknown = next((argument for argument in rest if argument.startswith("-")), None)
    if unknown is None and verb == "segment" and os.path.exists(rest[0]):
        return f"{verb} does not take {rest[0]!r} as well; for several files, give the folder that holds them"
    if unknown is None:
        return f"{verb} does not take {rest[0]!r}; put names with spaces into quotes"
    name = unknown.partition("=")[0]
    key = SETTINGS.get(plain(name), name.lstrip("-").replace("-", "_"))
    if key in keys:
        return f"{verb} has no option {name}; write --set {key}=VALUE"
    near = difflib.get_close_matches(name, options, n=1)
    return f"{verb} has no option {name}" + (f"; did you mean {near[0]}?" if near else "")
