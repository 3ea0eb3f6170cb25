"""What MONAI is running now: the config files that it loaded, and the config that they became.

MONAI tells the parts of a config neither where the config is stored nor what was overridden in it. Both are on the
call stack of the code that builds a part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import ensure_tuple

from unetpipe.errors import InputError


def loaded_config_files() -> list[Path]:
    """Return the config files of the MONAI workflow that is being built or run, in their order; [] outside one.

    It does not matter how MONAI was started: by ``python -m monai.bundle``, with ``--args_file``, or from Python.
    A workflow that was built earlier in the program only knows the folder of its first file.
    """
    folder = None
    for frame in _callers():
        place, names = frame.f_globals.get("__name__"), frame.f_locals
        if place in ("monai.bundle.scripts", "monai.bundle.workflows") and "config_file" in names:
            files = names["config_file"]
            if files is None and names.get("args_file") is not None:
                files = ConfigParser.load_config_file(names["args_file"]).get("config_file")
            if files is not None:
                return [Path(file) for file in ensure_tuple(files)]
        elif folder is None and isinstance(names.get("self"), ConfigWorkflow):
            folder = names["self"].config_root_path
    return [] if folder is None else [Path(folder) / "metadata.json"]


def running_parser() -> ConfigParser | None:
    """Return the parser of the config of which a part is being built; None if there is none."""
    return next((own for frame in _callers() if isinstance(own := frame.f_locals.get("self"), ConfigParser)), None)


def bundle_root() -> str:
    """Return the bundle that is running: the folder whose ``configs`` holds one of the loaded config files.

    MONAI leaves ``bundle_root`` to the config. Config files that are in no bundle, such as a user's own overlay, do not
    matter.

    Raises
    ------
    InputError
        If the config files are in no bundle, or in two.
    """
    files = [file.absolute() for file in loaded_config_files()]
    folders = [file.parent for file in files if (file.parent / "metadata.json").is_file()]
    roots = [folder.parent for folder in folders if folder.name == "configs"]
    different = {root.resolve() for root in roots}
    if len(different) == 1:
        return str(roots[0])
    way_out = "name the folder of the bundle by bundle_root"
    if different:
        raise InputError(f"The config files are in two bundles, {roots[0]} and {roots[-1]}; {way_out}.")
    named = ", ".join(map(str, files)) or "these configs"
    raise InputError(f"No bundle holds {named}: metadata.json is missing next to it; {way_out}.")


def _callers() -> Iterator[FrameType]:
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
