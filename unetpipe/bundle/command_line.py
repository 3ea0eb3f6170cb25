"""Read the command line of ``python -m monai.bundle``: which bundle it runs, and whether its keys exist."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from unetpipe.bundle.settings import check_key

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
    """Return the bundle that the command line runs: the folder that contains the folder of the first config file.

    MONAI leaves ``bundle_root`` to the config, and a config does not know where it is stored. Outside
    ``python -m monai.bundle`` it is the working directory, unless the caller overrides it.
    """
    arguments = sys.argv if arguments is None else arguments
    files = config_files(arguments) if runs_under_monai_bundle(arguments) else []
    return str(Path(files[0]).parent.parent) if files else "."


def training_output(bundle_root: str) -> str:
    """Return where training writes by default: to ``output``; for MONAI Label, to the bundle that it serves."""
    return bundle_root if trains_for_monai_label() else "output"


def check_keys(arguments: Sequence[str] | None = None) -> None:
    """Refuse a key on the command line of ``python -m monai.bundle`` that no config has: MONAI would ignore it.

    Raises
    ------
    InputError
        As :func:`unetpipe.bundle.settings.check_key`.
    """
    arguments = sys.argv if arguments is None else arguments
    if not runs_under_monai_bundle(arguments):
        return
    config = ConfigParser.load_config_files(config_files(arguments))
    for argument in arguments[1:]:
        key = argument[2:].partition("=")[0]
        if argument.startswith("--") and key not in RUN_ARGUMENTS:
            check_key(key, config, RUN_ARGUMENTS)
