"""Paste cells next to other cells, so that a network sees neighbours even if the training frames hold few."""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable, Transform
from monai.utils import convert_to_dst_type, convert_to_numpy
from scipy import ndimage

from unetpipe.errors import InputError


class RandPasteCellsd(Randomizable, Transform):
    """Paste rotated and flipped copies of cells next to other cells, in the image, instance map and known mask.

    A copy includes its surroundings: in a ring of ``halo`` pixels it fades into the image, and towards another cell
    it fades faster, so that no seam shows. Pixels of the existing cells never change. Apply this transform before the
    ridge and the weight map.

    Parameters
    ----------
    prob : float
        Probability that anything is pasted.
    cells : (int, int)
        Number of copies, drawn uniformly from this range, both ends included.
    gap : (float, float)
        Distance in pixels between a copy and its neighbours, drawn uniformly from this range; at 0 they touch.
    halo : float
        Width in pixels of the ring that is copied with a cell; positive.

    References
    ----------
    Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance segmentation", CVPR 2021;
    there, copies overlap at random.
    """

    def __init__(
        self,
        prob: float = 0.5,
        cells: tuple[int, int] = (1, 3),
        gap: tuple[float, float] = (0.0, 8.0),
        halo: float = 12.0,
    ) -> None:
        if halo <= 0:
            raise InputError(f"RandPasteCellsd: halo must be a width in pixels above 0, got {halo}.")
        self.prob = prob
        self.cells = cells
        self.gap = gap
        self.halo = halo

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with copies in "image" (C, H, W), "label" (1, H, W) and, if present, "known" (1, H, W)."""
        item = dict(data)
        copies = int(self.R.randint(self.cells[0], self.cells[1] + 1)) if self.R.random_sample() < self.prob else 0
        image, label = convert_to_numpy(item["image"]), convert_to_numpy(item["label"])[0]
        known = convert_to_numpy(item["known"])[0].copy() if "known" in item else np.ones(label.shape, bool)
        donors = _whole_cells(label, math.ceil(max(self.halo, self.gap[1])))
        if not (copies and donors):
            return item
        original, image, cells = image, image.copy(), label.copy()
        for _ in range(copies):
            donor, box = donors[self.R.randint(len(donors))]
            patch, patch_label = self._turned(original[:, *box], label[box])
            cell = patch_label == donor
            outside = ndimage.distance_transform_edt(~cell)
            corner = self._place(cells, outside <= self.R.uniform(*self.gap))
            if corner is None:
                continue
            window = tuple(slice(start, start + side) for start, side in zip(corner, cell.shape, strict=True))
            there = cells[window]
            alpha = _share(outside, there, self.halo) * (cell | (patch_label == 0))
            image[:, *window] += (alpha * (patch - image[:, *window])).astype(image.dtype)
            there[cell] = cells.max() + 1
            known[window] |= cell
        for key, array in (("image", image), ("label", cells[None]), ("known", known[None])):
            if key in item:
                item[key] = convert_to_dst_type(array, torch.as_tensor(item[key]))[0]
        return item

    def _turned(self, patch: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return patch (C, h, w) and label (h, w), both in the same one of the eight symmetries of the square."""
        turns, flip = int(self.R.randint(4)), bool(self.R.randint(2))
        patch, label = np.rot90(patch, turns, (-2, -1)), np.rot90(label, turns)
        return (patch[..., ::-1], label[..., ::-1]) if flip else (patch, label)

    def _place(self, cells: np.ndarray, space: np.ndarray) -> tuple[int, int] | None:
        """Return the corner (y, x) at which ``space`` (h, w) is free, next to a random cell in a random direction.

        None if there is no such place before the edge of the image.
        """
        targets = np.argwhere(cells > 0)
        start, angle = targets[self.R.randint(len(targets))], self.R.uniform(0, 2 * math.pi)
        direction = np.array([math.sin(angle), math.cos(angle)])
        height, width = space.shape
        for step in range(0, height + width + sum(cells.shape)):
            top, left = np.rint(start + step * direction - np.array([height, width]) / 2).astype(int)
            inside = 0 <= top <= cells.shape[0] - height and 0 <= left <= cells.shape[1] - width
            if inside and not (cells[top : top + height, left : left + width][space] > 0).any():
                return int(top), int(left)
        return None


class PasteCellsd(Transform):
    """Paste the same copies every time an item comes, so that validation frames with few neighbours have more, too.

    The random numbers depend only on the image of the item. So all epochs, processes and runs on one machine score the
    same frames. Another machine may round the normalised image differently and then draws other copies.

    Parameters
    ----------
    cells, gap, halo
        See :class:`RandPasteCellsd`.
    """

    def __init__(
        self, cells: tuple[int, int] = (1, 3), gap: tuple[float, float] = (0.0, 8.0), halo: float = 12.0
    ) -> None:
        self.paste = RandPasteCellsd(1.0, cells, gap, halo)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item as :class:`RandPasteCellsd` does."""
        image = np.ascontiguousarray(convert_to_numpy(data["image"]))
        paste = copy.copy(self.paste)
        paste.set_random_state(zlib.crc32(image.tobytes()))
        return paste(data)


def _whole_cells(label: np.ndarray, margin: int) -> list[tuple[int, tuple[slice, slice]]]:
    """Return the id and the box, widened by ``margin``, of each cell whose widened box lies inside the map (H, W)."""
    found = []
    for cell, box in enumerate(ndimage.find_objects(label), start=1):
        if box is None:
            continue
        wide = (slice(box[0].start - margin, box[0].stop + margin), slice(box[1].start - margin, box[1].stop + margin))
        if all(side.start >= 0 and side.stop <= size for side, size in zip(wide, label.shape, strict=True)):
            found.append((cell, wide))
    return found


def _share(outside: np.ndarray, there: np.ndarray, halo: float) -> np.ndarray:
    """Return the share of the copy in each pixel, 0 … 1, from the distance to it and the instance map at its place."""
    fading = np.clip(1 - outside / halo, 0, 1)
    if not there.any():
        return fading
    other = ndimage.distance_transform_edt(there == 0)
    return fading * other / np.maximum(other + outside, 1e-6)
