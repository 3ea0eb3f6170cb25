"""The folder that ``unetpipe label`` adds to the studies: the app for MONAI Label, and the model that it corrects."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from unetpipe.bundle.models import export_model
from unetpipe.errors import InputError
from unetpipe.files import write_text
from unetpipe.io.formats import LABEL_SUFFIXES, image_stem, image_suffix, images_in

FOLDER = "unetpipe-label"
MODEL = "cells"
SESSIONS = "sessions"
APP = '''"""Started by MONAI Label."""

from unetpipe.label.app import CellsApp

__all__ = ["CellsApp"]
'''


def check_studies(studies: str | os.PathLike) -> Path:
    """Return the folder of images as an absolute path.

    Raises
    ------
    InputError
        If there is none, it cannot be read and written, or two of its images have one name.
    """
    root = Path(studies).resolve()
    if not root.is_dir():
        raise InputError(f"There is no folder of studies {studies}.")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"The folder of studies {studies} cannot be read and written: no permission.")
    named: dict[str, Path] = {}
    for image in images_in(root):
        if image_suffix(image).lower() not in LABEL_SUFFIXES:  # is not served
            continue
        other = named.setdefault(image_stem(image), image)
        if other != image:
            raise InputError(f"{other} and {image} would be one study, {image_stem(image)}; rename one of them.")
    return root


def prepare(studies: Path, bundle: Path, name: str | None = None) -> Path:
    """Make the app's folder in the studies, with a copy of the bundle, unless it is there; return it.

    The copy has the bundle's own model, or the one of a name.

    Corrections go to the copy. A folder that holds a model stays as it is: the work goes on with it.

    Raises
    ------
    InputError
        If the bundle is none or has no weights, or the folder holds another model.
    """
    folder = studies / FOLDER
    model, origin = folder / "model" / MODEL, folder / "bundle.txt"
    source = str(bundle.resolve()) + (f" --model {name}" if name else "")
    begun = origin.read_text().strip() if origin.is_file() else "another"
    if not model.exists():
        unfinished = model.with_name(f".{MODEL}")  # renamed when all is there
        shutil.rmtree(unfinished, ignore_errors=True)
        export_model(bundle, unfinished, name)
        write_text(origin, source + "\n")
        unfinished.rename(model)
    elif begun != source:
        raise InputError(
            f"{folder} holds a model that began as {begun}; go on with that, or move the folder away to begin with "
            f"{source}."
        )
    write_text(folder / "main.py", APP)
    return folder
