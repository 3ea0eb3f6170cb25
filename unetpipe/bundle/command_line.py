"""The command line of ``python -m monai.bundle``: which bundle it runs, and whether its keys exist."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from unetpipe.errors import InputError

RUN_ARGUMENTS = ("run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file")


def runs_under_monai_bundle(arguments: Sequence[str] | None = None) -> bool:
    """Return whether the program is ``python -m monai.bundle`` (and not, say, a MONAI Label server)."""
    program = (sys.argv if arguments is None else arguments)[0]
    return Path(program).as_posix().endswith("monai/bundle/__main__.py")


def trains_for_monai_label(arguments: Sequence[str] | None = None) -> bool:
    """Return whether the program is the process that a MONAI Label server starts to train a bundle on its labels."""
    program = (sys.argv if arguments is None else arguments)[0]
    return Path(program).as_posix().endswith("monailabel/interfaces/utils/app.py")


def config_files(arguments: Sequence[str]) -> list[str]:
    """Return the files that a command line names by ``--config_file``, in their order."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--config_file" and (equals or position + 1 < len(arguments)):
            value = value if equals else arguments[position + 1]
            return list(ast.literal_eval(value)) if value.lstrip().startswith(("[", "(")) else [value]
    return []


def bundle_root(arguments: Sequence[str] | None = None) -> str:
    """Return the bundle that the command line runs: the folder above the first config file's.

    MONAI leaves ``bundle_root`` to the config, which cannot know where it lies. Outside
    ``python -m monai.bundle`` it is the working directory, unless the caller overrides it.
    """
    arguments = sys.argv if arguments is None else arguments
    files = config_files(arguments) if runs_under_monai_bundle(arguments) else []
    return str(Path(files[0]).parent.parent) if files else "."


def training_output(bundle_root: str) -> str:
    """Return where training writes unless told: ``output``, or for MONAI Label the bundle that it serves."""
    return bundle_root if trains_for_monai_label() else "output"


def check_keys(arguments: Sequence[str] | None = None) -> None:
    """Refuse a key on the command line that no config has: MONAI would ignore it in silence.

    A nested key (``train#trainer#max_epochs``) may be new in a place that exists. Nothing is checked
    outside ``python -m monai.bundle``.

    Raises
    ------
    InputError
        Naming the key and the nearest one that exists.
    """
    arguments = sys.argv if arguments is None else arguments
    if not runs_under_monai_bundle(arguments):
        return
    config = ConfigParser.load_config_files(config_files(arguments))
    parser = ConfigParser(config)
    for argument in arguments[1:]:
        if not argument.startswith("--"):
            continue
        key = argument[2:].partition("=")[0].replace("::", "#")
        place = key.rpartition("#")[0] or key
        if key in RUN_ARGUMENTS or place in parser:
            continue
        near = difflib.get_close_matches(key, [*config, *RUN_ARGUMENTS], n=1)
        hint = f"; did you mean --{near[0]}?" if near else "."
        raise InputError(f"No config has the key {key!r} of the command line{hint}")
