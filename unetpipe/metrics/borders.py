"""How well the lines between cells are met, within a tolerance in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from unetpipe.metrics.pixels import share

TOLERANCES = {"border_Dice": 2.0, "border_Dice_exact": 0.0}  # pixels


class BorderScore(NamedTuple):
    """Border pixels of a result (``found``), those ``near`` a true one, true ones, and those ``met`` by the result."""

    found: int
    near: int
    true: int
    met: int

    @property
    def precision(self) -> float:
        """Share of the result's border pixels that lie near a true one."""
        return share(self.near, self.found, empty=not self.true)

    @property
    def recall(self) -> float:
        """Share of the true border pixels that the result comes near."""
        return share(self.met, self.true, empty=not self.found)

    @property
    def dice(self) -> float:
        """Harmonic mean of the two; at tolerance 0 the Dice coefficient of the two sets of pixels."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def border_score(truth: np.ndarray, result: np.ndarray, known: np.ndarray, tolerance: float = 2.0) -> BorderScore:
    """Compare the borders of two instance maps where the truth is known.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 between cells, else the cell's id.
    known : ndarray
        (H, W), bool: where the truth is known. Pixels of the result outside it do not count as found, but a true
        border pixel may be met by one of them.
    tolerance : float
        Euclidean distance in pixels up to which a pixel is near.

    Raises
    ------
    ValueError
        If the arrays differ in shape.
    """
    if not truth.shape == result.shape == known.shape:
        raise ValueError(f"Truth {truth.shape}, result {result.shape} and known {known.shape} must have one shape.")
    true, all_found = borders(truth) & known, borders(result)
    found = all_found & known
    near, met = found & _within(true, tolerance), true & _within(all_found, tolerance)
    return BorderScore(*(int(np.count_nonzero(mask)) for mask in (found, near, true, met)))


def border_scores(truth: np.ndarray, result: np.ndarray, known: np.ndarray) -> dict[str, BorderScore]:
    """Return the scores by name: within 2 pixels ("border_Dice") and pixel by pixel ("border_Dice_exact")."""
    return {name: border_score(truth, result, known, tolerance) for name, tolerance in TOLERANCES.items()}


def sum_borders(frames: Sequence[dict[str, BorderScore]]) -> dict[str, BorderScore]:
    """Return the scores of several frames' pixels together; none of no frame."""
    names = frames[0] if frames else {}
    return {name: BorderScore(*np.sum([frame[name] for frame in frames], axis=0).tolist()) for name in names}


def borders(labels: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W), bool, that part cells: background, and where cells touch the pixel above or left."""
    line = labels == 0
    line[:-1] |= (labels[:-1] > 0) & (labels[1:] > 0) & (labels[:-1] != labels[1:])
    line[:, :-1] |= (labels[:, :-1] > 0) & (labels[:, 1:] > 0) & (labels[:, :-1] != labels[:, 1:])
    return line


def _within(mask: np.ndarray, distance: float) -> np.ndarray:
    if not mask.any():
        return np.zeros(mask.shape, bool)
    return ndimage.distance_transform_edt(~mask) <= distance
