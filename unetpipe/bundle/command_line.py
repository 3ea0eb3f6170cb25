"""Read the command line of ``python -m monai.bundle``: which program it is, whether its keys exist, what they mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from unetpipe.bundle.running import bundle_root, loaded_config_files
from unetpipe.bundle.settings import CONSTANTS, as_text, check_key, check_part, is_expression
from unetpipe.errors import InputError

__all__ = [
    "bundle_root",
    "check_keys",
    "command_line_values",
    "read_command_line",
    "runs_under_monai_bundle",
    "training_output",
    "trains_for_monai_label",
]

RUN_ARGUMENTS = ("run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file")
TRACKING_ARGUMENTS = ("output_dir", "tracking_uri", "experiment_name", "run_name", "save_execute_config")
PATHS = ("bundle_root", "dataset_dir", "output_dir", "weights")


def runs_under_monai_bundle(arguments: Sequence[str] | None = None) -> bool:
    """Return whether the program is ``python -m monai.bundle`` (and not, say, a MONAI Label server)."""
    program = (sys.argv if arguments is None else arguments)[0]
    return Path(program).as_posix().endswith("monai/bundle/__main__.py")


def trains_for_monai_label(arguments: Sequence[str] | None = None) -> bool:
    """Return whether the program is the process that a MONAI Label server starts to train a bundle on its labels."""
    program = (sys.argv if arguments is None else arguments)[0]
    return Path(program).as_posix().endswith("monailabel/interfaces/utils/app.py")


def training_output(bundle_root: str) -> str:
    """Return where training writes by default: to ``output``; for MONAI Label, to the bundle that it serves."""
    return bundle_root if trains_for_monai_label() else "output"


def check_keys(arguments: Sequence[str] | None = None, files: Sequence[str | Path] | None = None) -> None:
    """Refuse options of ``python -m monai.bundle`` that no config has, and values in the place of parts.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; by default that of this program.
    files : sequence of path, optional
        The config files; by default those that MONAI loaded.

    Raises
    ------
    InputError
        As :func:`unetpipe.bundle.settings.check_key` and :func:`unetpipe.bundle.settings.check_part`.
    """
    arguments = sys.argv if arguments is None else arguments
    if not runs_under_monai_bundle(arguments):
        return
    config = ConfigParser.load_config_files(loaded_config_files() if files is None else files)
    others: tuple[str, ...] = RUN_ARGUMENTS
    if any(argument.partition("=")[0] == "--tracking" for argument in arguments):
        others += TRACKING_ARGUMENTS
    values = command_line_values(arguments)
    for place, argument in enumerate(arguments):
        key, equals, text = argument[2:].partition("=")
        if place and argument.startswith("--") and key not in others:
            check_key(key, config, others)
            text = text if equals else "".join(arguments[place + 1 : place + 2])
            check_part(key, values.get(key, text), config.get(key))


def command_line_values(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the options of a ``python -m monai.bundle`` command line that MONAI reads wrongly.

    MONAI takes ``false`` and ``null`` for text, which counts as true; it ignores ``None``, and takes a folder called
    ``2024_01_15``, ``1e5`` or ``a,b`` for a number or a tuple.

    Raises
    ------
    InputError
        If a path is missing, or begins as an expression does.

    Examples
    --------
    >>> command_line_values(["monai", "run", "--resume", "false", "--norm=None", "--dataset_dir", "1e5"])
    {'resume': False, 'norm': None, 'dataset_dir': '1e5'}
    """
    values: dict[str, Any] = {}
    for place, argument in enumerate(arguments):
        key, equals, text = argument[2:].partition("=")
        if not argument.startswith("--") or key in RUN_ARGUMENTS:
            continue
        if not equals:
            following = [*arguments[place + 1 : place + 2], "--"][0]
            if following.startswith("--"):
                if key in PATHS:
                    raise InputError(f"--{key} needs a value: a file or folder.")
                continue
            text = following
        if key in PATHS:
            if is_expression(text):
                raise InputError(
                    f"--{key} {text!r} begins with {text[0]}, so MONAI would evaluate it; write a path as "
                    f"{f'./{text}'!r}, and put an expression into a config file."
                )
            values[key] = as_text(text)
        elif text.strip().lower() in CONSTANTS:
            values[key] = CONSTANTS[text.strip().lower()]
        elif text.strip().startswith(("[", "{")):
            try:
                values[key] = json.loads(text)
            except json.JSONDecodeError:  # MONAI reads Python's notation so, but not behind a space
                values[key] = DefaultParseValue(text.strip())
    return values


def read_command_line(parser: ConfigParser, arguments: Sequence[str] | None = None) -> None:
    """Set the options of a ``python -m monai.bundle`` command line in a config, with the values that the user means.

    An option that no config has is left to :func:`check_keys`.
    """
    arguments = sys.argv if arguments is None else arguments
    if runs_under_monai_bundle(arguments):
        for key, value in command_line_values(arguments).items():
            if key in parser:
                parser[key] = value
