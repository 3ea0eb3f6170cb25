"""Choose which labelled images validate: images that have never trained. An image that validates always will.

No model is then scored on images that it was fitted to, and the scores of all trainings can be compared.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from unetpipe.datasets.records import Record
from unetpipe.files import write_text


def hold_out(records: Sequence[Record], share: float, memory: str | os.PathLike) -> tuple[list[Record], list[Record]]:
    """Split labelled images into those that train and those that validate, as in earlier trainings.

    The last new images by name join the validation part until it has its share, at least one image. An image that
    has trained never validates, with one exception: if all images have trained, all validate, or there is only one,
    then all of them train and validate, and the score is too good.

    Parameters
    ----------
    records : sequence of Record
        Each has "image" and "label", sorted by name. All pages of a stack are one image.
    share : float
        Share of the images that validate, 0 to 1.
    memory : path
        JSON file that keeps the two parts between trainings; it is made if it does not exist.

    Returns
    -------
    train, val : list of Record
    """
    path = Path(memory)
    known: dict[str, list[str]] = (
        json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"train": [], "val": []}
    )
    images = list(dict.fromkeys(Path(record["image"]).name for record in records))
    val = [image for image in images if image in known["val"]]
    new = [image for image in images if image not in known["val"] and image not in known["train"]]
    wanted = max(1, math.floor(share * len(images) + 0.5)) - len(val)
    joining = min(wanted, len(new), len(images) - len(val) - 1)  # at least one is left to train
    val += new[len(new) - joining :] if joining > 0 else []
    train = [image for image in images if image not in val]
    if not val or not train:
        train = val = images
    trained = {*known["train"], *train}
    parts = {"train": sorted(trained), "val": sorted({*known["val"], *val} - trained)}
    write_text(path, json.dumps(parts, indent=4) + "\n")
    return (
        [record for record in records if Path(record["image"]).name in train],
        [record for record in records if Path(record["image"]).name in val],
    )
