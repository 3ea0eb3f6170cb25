"""Frames with cells pasted beside others and, rounded ones first, onto others."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from experiments.packed import Frame
from unetpipe.transforms import RandPasteCellsd

HALO = 12.0  # px, as in the recipe for phase contrast
FADING = 4.0  # px, of a cell that lies on another
OVERLAP = (0.05, 0.35)  # of the pasted cell


def paste(frame: Frame, seed: int) -> None:
    """Paste one to four cells beside others, then up to two onto others; the frame itself is changed."""
    random = np.random.RandomState(seed)
    beside = RandPasteCellsd(1.0, (1, 4), (0.0, 8.0), HALO).set_random_state(state=random)
    item = beside({"image": frame.image, "label": frame.label[None], "known": frame.known[None]})
    frame.image, frame.label = (np.array(item[key], copy=True) for key in ("image", "label"))
    frame.label, frame.known = frame.label[0], np.array(item["known"])[0].astype(bool)
    for _ in range(random.randint(0, 3)):
        paste_onto(frame, random)


def paste_onto(frame: Frame, random: np.random.RandomState) -> None:
    """Paste a small, bright cell so that it covers a part of another one, or touches it."""
    label, image = frame.label, frame.image
    boxes = [(number, box) for number, box in enumerate(ndimage.find_objects(label), start=1) if box is not None]
    if not boxes:
        return
    brightness = np.array([image[0][box][label[box] == number].mean() for number, box in boxes])
    area = np.array([np.count_nonzero(label[box] == number) for number, box in boxes])
    # rounded cells are brighter and smaller than flat ones
    chance = np.exp((brightness - brightness.mean()) / max(brightness.std(), 1e-6)) / np.sqrt(area)
    donor, box = boxes[random.choice(len(boxes), p=chance / chance.sum())]
    reach = int(HALO)
    wide = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
    turns, flip = random.randint(4), random.randint(2)
    parts = (image[:, *wide], label[wide] == donor, (label[wide] > 0) & (label[wide] != donor))
    turned = (np.rot90(part, turns, (-2, -1)) for part in parts)
    patch, cell, other = (part[..., ::-1].copy() if flip else part.copy() for part in turned)
    corner = _corner(label, cell, random.uniform(*OVERLAP), random)
    if corner is None:
        return
    window = tuple(slice(start, start + side) for start, side in zip(corner, cell.shape, strict=True))
    outside = ndimage.distance_transform_edt(~cell)
    share = np.clip(1 - outside / np.where(label[window] > 0, FADING, HALO), 0, 1) * ~other
    image[:, *window] += share * (patch - image[:, *window])
    label[window][cell] = label.max() + 1
    frame.known[window] |= cell


def _corner(label: np.ndarray, cell: np.ndarray, share: float, random: np.random.RandomState) -> tuple[int, int] | None:
    """Return where (h, w) ``cell`` covers about ``share`` of itself with other cells; None if no place is found."""
    height, width = cell.shape
    rows, columns = label.shape[0] - height, label.shape[1] - width
    if rows < 1 or columns < 1:
        return None
    best, found = 0.1, None
    for _ in range(40):
        corner = random.randint(rows), random.randint(columns)
        there = label[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
        covered = np.count_nonzero(there[cell]) / max(np.count_nonzero(cell), 1)
        if covered > 0 and abs(covered - share) < best:
            best, found = abs(covered - share), corner
    return found
