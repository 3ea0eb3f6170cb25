"""Published figures of the data sets that the paper of 2015 was measured on.

References
----------
O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation,
MICCAI 2015, tables 1 and 2. The best ones: the leader boards of the challenges.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    """A measure on a challenge's hidden test set: the paper's and the best published, as they are printed."""

    paper: str
    best: str


FIGURES = {
    "PhC-C2DH-U373": {"SEG": Figure("0.9203", "0.931")},
    "DIC-C2DH-HeLa": {"SEG": Figure("0.7756", "0.887")},
    "ISBI 2012": {
        "warping_error": Figure("0.000353", "0.000353 (this one, then)"),
        "rand_error": Figure("0.0382", "0.0305 (DIVE-SCI, then)"),
        "pixel_error": Figure("0.0611", "0.0584 (DIVE-SCI, then)"),
    },
}


def published_name(data: str | os.PathLike) -> str | None:
    """Return the paper's data set that a path is in, going by the names of its folders; None for any other."""
    parts = {_plain(part) for part in Path(data).parts}
    return next((name for name in FIGURES if _plain(name) in parts), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
