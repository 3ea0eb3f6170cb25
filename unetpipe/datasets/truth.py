"""The truth of a frame, whatever its layout: an instance map and the pixels that are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from unetpipe.datasets import ctc
from unetpipe.datasets.annotated_field import read_cells
from unetpipe.datasets.dsb2018 import read_nuclei
from unetpipe.datasets.masks import components
from unetpipe.datasets.paired_folders import read_pair_label
from unetpipe.errors import InputError
from unetpipe.io.images import read_labels
from unetpipe.io.npy import read_share


def read_truth(record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Read the truth of a frame as an instance map (H, W), int32, and a mask of known pixels (H, W), bool.

    What a Cell Tracking Challenge set leaves unannotated is not known (:func:`unetpipe.datasets.ctc.read_truth`), nor
    what lies outside an annotated field; in the other layouts every pixel is.
    """
    if "markers" in record:
        return ctc.read_truth(record)
    if "field" in record:
        return read_cells(record["label"], record["field"])
    label = read_instances(record)
    return label, np.ones(label.shape, bool)


def read_instances(record: dict[str, Any]) -> np.ndarray:
    """Read a record's instance map (H, W), int32; of a 0/255 or class mask, its connected components.

    Of a folder of masks, one cell a file, see :func:`unetpipe.datasets.dsb2018.read_nuclei`. A record without
    "sequence"
    comes from no layout but from an annotation tool (:func:`unetpipe.datasets.read_pair_label`).
    """
    if "sequence" not in record:
        return read_pair_label(record["label"], record["image"], record.get("page"))
    if "field" in record:
        return read_cells(record["label"], record["field"])[0]
    kind = record.get("masks", "instances")
    if kind == "files":
        return read_nuclei(record["label"])
    if kind == "shares":
        return components(read_share(record["label"], record["page"]).astype(np.int32))
    label = read_labels(record["label"], record.get("page"))
    return label if kind == "instances" else components(label)


def check_same_size(record: dict[str, Any], label: np.ndarray, image: tuple[int, ...]) -> None:
    """Raise InputError unless a record's label (H, W) has the size of its image, whose shape ends in (H, W)."""
    if label.shape == tuple(image[-2:]):
        return
    page = f", page {record['page']}," if "page" in record else ""
    raise InputError(
        f"{record['label']}{page} is {label.shape[0]}×{label.shape[1]} pixels (height × width), its image is "
        f"{image[-2]}×{image[-1]}; they must be alike."
    )
