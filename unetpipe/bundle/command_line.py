"""Read the command line of ``python -m monai.bundle``: which program it is, and whether its keys exist."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from unetpipe.bundle.running import bundle_root, loaded_config_files
from unetpipe.bundle.settings import check_key, check_part

__all__ = ["bundle_root", "check_keys", "runs_under_monai_bundle", "training_output", "trains_for_monai_label"]

RUN_ARGUMENTS = ("run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file")
TRACKING_ARGUMENTS = ("output_dir", "tracking_uri", "experiment_name", "run_name", "save_execute_config")


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
    """Refuse a key on the command line of ``python -m monai.bundle`` that no config has: MONAI would ignore it.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; by default that of this program.
    files : sequence of path, optional
        The config files; by default those that MONAI loaded.

    Raises
    ------
    InputError
        As :func:`unetpipe.bundle.settings.check_key`.
    """
    arguments = sys.argv if arguments is None else arguments
    if not runs_under_monai_bundle(arguments):
        return
    config = ConfigParser.load_config_files(loaded_config_files() if files is None else files)
    others: tuple[str, ...] = RUN_ARGUMENTS
    if any(argument.partition("=")[0] == "--tracking" for argument in arguments):
        others += TRACKING_ARGUMENTS
    for place, argument in enumerate(arguments):
        key, equals, text = argument[2:].partition("=")
        if place and argument.startswith("--") and key not in others:
            check_key(key, config, others)
            text = text if equals else "".join(arguments[place + 1 : place + 2])
            if not text.startswith("{"):  # MONAI reads these as parts
                check_part(key, text, config.get(key))
