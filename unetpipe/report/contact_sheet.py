"""A contact sheet: many frames on one page, their cells outlined, to see at a glance whether truth fits image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from unetpipe.report.overlay import TRUTH_COLOUR, outlines, stretched

SIDE = 320  # pixels of a thumbnail's longer side
CAPTION = 16
GAP = 8
UNKNOWN_COLOUR = (200, 60, 200)


def thumbnail(image: np.ndarray, label: np.ndarray, known: np.ndarray | None = None, side: int = SIDE) -> np.ndarray:
    """Draw the outlines of an instance map on an image, both scaled to ``side`` pixels on the longer side.

    Outlines are drawn after scaling, so that they are one pixel wide at any size.

    Parameters
    ----------
    image : ndarray
        (C, H, W); three channels are shown as colours, else the first as grey, stretched between the 1st and
        99th percentile.
    label : ndarray
        (H, W), integers: 0 background, else the cell's id.
    known : ndarray, optional
        (H, W), bool; what is not known is tinted purple.
    side : int
        Pixels.

    Returns
    -------
    ndarray
        (height, width, 3), uint8.
    """
    rows, columns = (_scaled(length, max(label.shape), side) for length in label.shape)
    smooth = Image.Resampling.BOX if side < max(label.shape) else Image.Resampling.NEAREST
    picture = np.stack(
        [
            np.array(Image.fromarray(band).resize((len(columns), len(rows)), smooth))
            for band in np.moveaxis(stretched(image), -1, 0)
        ],
        axis=-1,
    )
    nearest = np.ix_(rows, columns)
    if known is not None:
        unknown = ~known[nearest]
        picture[unknown] = (picture[unknown].astype(int) + UNKNOWN_COLOUR) // 2
    picture[outlines(label[nearest])] = TRUTH_COLOUR
    return picture


def contact_sheet(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Put pictures (height, width, 3), uint8, on one page in rows, with a line of text below each.

    Returns
    -------
    ndarray
        (height, width, 3), uint8.
    """
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    page = Image.new(
        "RGB", (GAP + columns * (width + GAP), GAP + rows * (height + CAPTION + GAP)), color=(255, 255, 255)
    )
    draw = ImageDraw.Draw(page)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = GAP + index % columns * (width + GAP)
        top = GAP + index // columns * (height + CAPTION + GAP)
        page.paste(Image.fromarray(picture), (left, top))
        draw.text((left, top + picture.shape[0] + 2), caption[: width // 6], fill=(0, 0, 0))
    return np.array(page)


def _scaled(length: int, longest: int, side: int) -> np.ndarray:
    """Return which of ``length`` pixels stand in a side scaled by side / longest."""
    new = max(1, round(length * side / longest))
    return np.minimum(((np.arange(new) + 0.5) * length / new).astype(int), length - 1)
