"""The folder that ``unetpipe label`` adds to the studies: the app for MONAI Label, and the model that it corrects."""

from __future__ import annotations

import json
import os
import shutil
from contextvars import ContextVar
from pathlib import Path

from unetpipe.bundle.models import export_model
from unetpipe.bundle.safe import export_safe
from unetpipe.errors import InputError
from unetpipe.files import first_line, write_text
from unetpipe.io.formats import LABEL_SUFFIXES, image_stem, image_suffix, images_in
from unetpipe.label.parameters import check_name

FOLDER = "unetpipe-label"
MODEL = "cells"
SESSIONS = "sessions"
TEMPORARY = "temporary"
LIST = "datastore_v2.json"
APP = '''"""Started by MONAI Label."""

from unetpipe.label.app import CellsApp

__all__ = ["CellsApp"]
'''

request_folder: ContextVar[Path] = ContextVar("request_folder")  # where files that belong to one request lie


def check_studies(studies: str | os.PathLike) -> Path:
    """Return the folder of images as an absolute path.

    Raises
    ------
    InputError
        If there is none, it cannot be read and written, MONAI Label could not pass its name on, two of its images have
        one name, or MONAI Label's list of images names files outside the folder.
    """
    root = Path(studies).resolve()
    if not root.is_dir():
        raise InputError(f"There is no folder of studies {studies}.")
    if not root.as_posix().isprintable() or not set('"\\' + os.pathsep).isdisjoint(root.as_posix()):
        raise InputError(
            f"The folder of studies {str(root)!r} has a sign in its path that MONAI Label cannot pass on: "
            f'a quote ("), a backslash, a {os.pathsep} or a line break; rename it.'
        )
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"The folder of studies {studies} cannot be read and written: no permission.")
    named: dict[str, Path] = {}
    for image in images_in(root):
        if image_suffix(image).lower() not in LABEL_SUFFIXES:  # is not served
            continue
        check_name(image_stem(image))
        other = named.setdefault(image_stem(image), image)
        if other != image:
            raise InputError(f"{other} and {image} would be one study, {image_stem(image)}; rename one of them.")
    _check_list(root / LIST)
    return root


def _check_list(path: Path) -> None:
    """Raise InputError unless MONAI Label's list of images and labels, which it trusts, stays in the folder."""
    if not path.exists():
        return
    try:
        store = json.loads(path.read_text(encoding="utf-8"))
        folders = store.get("images_dir", "."), store.get("labels_dir", "labels")
        if folders != (".", "labels"):
            raise InputError(f"it names the folders {folders[0]!r} and {folders[1]!r}")
        for name, item in store.get("objects", {}).items():
            for part in (name, *item["labels"]):
                check_name(part)
            for entry in (item["image"], *item["labels"].values()):
                check_name(f"a{entry['ext']}")
    except (InputError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(
            f"MONAI Label's list {path} is damaged ({first_line(error)}); move it away, and it is made again."
        ) from None


def prepare(studies: Path, bundle: Path, name: str | None = None, safe: bool = False) -> Path:
    """Return the app's folder in the studies; make it, with a copy of the bundle, if it is not there.

    The copy has the bundle's own model, or the one named. Corrections go to the copy. A folder that holds a model
    stays as it is: the work goes on with that model. If ``safe``, the copy is the installed bundle with the weights and
    plain values of the other one (:func:`unetpipe.bundle.safe.export_safe`).

    Raises
    ------
    InputError
        If the bundle is not one, has no weights or cannot be used safely, or the folder holds another model.
    """
    folder = studies / FOLDER
    model, origin = folder / "model" / MODEL, folder / "bundle.txt"
    source = str(bundle.resolve()) + (f" --model {name}" if name else "") + (" --safe" if safe else "")
    begun = origin.read_text(encoding="utf-8").strip() if origin.is_file() else "another"
    if not model.exists():
        unfinished = model.with_name(f".{MODEL}")  # renamed when all is there
        shutil.rmtree(unfinished, ignore_errors=True)
        if safe:
            export_safe(bundle, unfinished, name)
        else:
            export_model(bundle, unfinished, name)
        write_text(origin, source + "\n")
        unfinished.rename(model)
    elif begun != source:
        raise InputError(
            f"{folder} holds a model that began as {begun}; continue with that, or move the folder away to begin with "
            f"{source}."
        )
    write_text(folder / "main.py", APP)
    return folder
