"""Draw pictures: outlines on an image, contact sheets, and mosaics coloured by the number of neighbours."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy
from PIL import Image, ImageDraw
from skimage.segmentation import find_boundaries

from unetpipe.io.formats import image_stem
from unetpipe.io.images import write_picture
from unetpipe.morphometry import count_neighbours

TRUTH_COLOUR = (255, 200, 0)
RESULT_COLOUR = (0, 220, 255)
BOTH_COLOUR = (255, 255, 255)
UNKNOWN_COLOUR = (200, 60, 200)
NEIGHBOUR_COLOURS = {4: (49, 54, 149), 5: (116, 173, 209), 6: (102, 189, 99), 7: (253, 174, 97), 8: (165, 0, 38)}
EDGE_COLOUR = (120, 120, 120)

SIDE = 320  # pixels of a thumbnail's longer side
CAPTION = 16  # pixels of a line of text
GAP = 8  # pixels between thumbnails


def outlines(labels: np.ndarray) -> np.ndarray:
    """Return the pixels of cells that have a 4-neighbour of another value, of a map (H, W), as (H, W), bool."""
    return find_boundaries(labels, connectivity=1, mode="inner")


def stretched(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) as a picture (H, W, 3), uint8, stretched between its 1st and 99th percentile.

    Three channels are shown as colours; of any other number the first is shown as grey.
    """
    shown = image if image.shape[0] == 3 else image[:1]
    low, high = np.percentile(shown, (1, 99))
    grey = np.clip((shown.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.repeat(np.moveaxis(grey.astype(np.uint8), 0, -1), 3 // shown.shape[0], axis=2)


def draw_outlines(image: np.ndarray, result: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Draw outlines on an image: the result in cyan, the truth in yellow, pixels that are both in white.

    Parameters
    ----------
    image : ndarray
        (C, H, W), shown as :func:`stretched` does, but darker: outlines are seen on white cells too.
    result, truth : ndarray
        (H, W), instance maps.

    Returns
    -------
    ndarray
        (H, W, 3), uint8.
    """
    picture = stretched(image) // 4 * 3
    found = outlines(result)
    picture[found] = RESULT_COLOUR
    if truth is not None:
        true = outlines(truth)
        picture[true] = TRUTH_COLOUR
        picture[true & found] = BOTH_COLOUR
    return picture


class SaveOutlinesd(MapTransform):
    """Write a PNG of the image with the outlines of the result and, if there is one, of the truth.

    Parameters
    ----------
    keys : str or sequence of str
        Instance maps (1, H, W), MetaTensors.
    output_dir : path
        Folder; it is created if it does not exist. Files are named like the masks, with the page if there are several.
    image_key, truth_key : str
        Keys of the image, and of the truth if the item has one.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike,
        image_key: str = "image",
        truth_key: str = "label",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)
        self.image_key = image_key
        self.truth_key = truth_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Write the pictures, and return the item unchanged."""
        item = dict(data)
        for key in self.key_iterator(item):
            truth = item.get(self.truth_key)
            picture = draw_outlines(
                convert_to_numpy(item[self.image_key]),
                convert_to_numpy(item[key])[0],
                None if truth is None else convert_to_numpy(truth)[0],
            )
            name, meta = self.output_dir / item[key].meta["mask_name"], item[key].meta
            page = f"_{int(meta['page']):03d}" if int(meta.get("pages", 1)) > 1 else ""
            write_picture(name.with_name(f"{image_stem(name)}{page}.png"), Image.fromarray(picture))
        return item


def draw_mosaic(labels: np.ndarray) -> np.ndarray:
    """Draw an instance map (H, W) as (H, W, 3), uint8.

    Cells with six neighbours are green, with five light blue, with four or fewer dark blue, with seven orange, and with
    eight or more red. Cells at the edge of the mosaic are grey, because not all their neighbours are known. The
    background is black.
    """
    ids, places = np.unique(labels, return_inverse=True)
    palette = np.zeros((len(ids), 3), np.uint8)
    fewest, most = min(NEIGHBOUR_COLOURS), max(NEIGHBOUR_COLOURS)
    for cell, number in count_neighbours(labels).items():
        colour = EDGE_COLOUR if number is None else NEIGHBOUR_COLOURS[min(max(number, fewest), most)]
        palette[np.searchsorted(ids, cell)] = colour
    return palette[places.reshape(labels.shape)]


def thumbnail(image: np.ndarray, label: np.ndarray, known: np.ndarray | None = None, side: int = SIDE) -> np.ndarray:
    """Draw the outlines of an instance map on an image, both scaled to ``side`` pixels on the longer side.

    Outlines are drawn after scaling, so that they are one pixel wide at any size.

    Parameters
    ----------
    image : ndarray
        (C, H, W), shown as :func:`stretched` does.
    label : ndarray
        (H, W), integers: 0 background, else the cell's id.
    known : ndarray, optional
        (H, W), bool: where the truth is known; the rest is tinted purple.
    side : int
        Pixels of the longer side.

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
    """Return which of ``length`` pixels remain when they are scaled by side / longest."""
    new = max(1, round(length * side / longest))
    return np.minimum(((np.arange(new) + 0.5) * length / new).astype(int), length - 1)
