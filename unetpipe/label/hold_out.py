"""Which labelled images validate: those that have never trained, and once one does it always does.

So no model is scored on images that it was fitted to, and scores compare from training to training.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unetpipe.files import write_text

Records = list[dict[str, Any]]


def hold_out(records: Sequence[dict[str, Any]], share: float, memory: str | os.PathLike) -> tuple[Records, Records]:
    """Split labelled images into those that train and those that validate, as in the trainings before.

    Of images that are new, the last by name join the validation part until it has its share, and at least one.
    What has trained goes on to train, and never validates, with one exception: where there are none but images that
    have trained, none but images that validate, or a single one, all of them do both, and their score flatters.

    Parameters
    ----------
    records : sequence of dict
        "image" and "label"; by name. All pages of a stack are one image.
    share : float
        Of the images, for validation.
    memory : path
        JSON file that keeps the parts; made if need be.

    Returns
    -------
    train, val : list of dict
    """
    path = Path(memory)
    known: dict[str, list[str]] = json.loads(path.read_text()) if path.is_file() else {"train": [], "val": []}
    images = list(dict.fromkeys(Path(record["image"]).name for record in records))
    val = [image for image in images if image in known["val"]]
    new = [image for image in images if image not in known["val"] and image not in known["train"]]
    wanted = max(1, math.floor(share * len(images) + 0.5)) - len(val)
    joining = min(wanted, len(new), len(images) - len(val) - 1)  # one at least is left to train
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
