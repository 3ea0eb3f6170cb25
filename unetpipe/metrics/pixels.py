"""Compare masks pixel by pixel: IoU, Dice, and Dice of the borders between cells within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

TOLERANCES = {"border_Dice": 2.0, "border_Dice_exact": 0.0}  # pixels


def share(part: int, whole: int, empty: bool) -> float:
    """Return part / whole. If whole is 0, return 1 where ``empty`` is True, that is where 0 of 0 is right, else 0."""
    return part / whole if whole else float(empty)


class PixelScore(NamedTuple):
    """How many pixels are set in both of two masks, and in at least one of them."""

    both: int
    either: int

    @property
    def iou(self) -> float:
        """Intersection over union: both / either; 1 if both masks are empty."""
        return share(self.both, self.either, empty=True)

    @property
    def dice(self) -> float:
        """Dice coefficient: 2 · both / (both + either); 1 if both masks are empty."""
        return share(2 * self.both, self.both + self.either, empty=True)


def pixel_score(truth: np.ndarray, result: np.ndarray) -> PixelScore:
    """Count the pixels of two masks.

    Parameters
    ----------
    truth, result : ndarray
        Any shape, the same for both; nonzero where set.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> pixel_score(np.array([1, 1, 1, 0]), np.array([0, 1, 1, 1]))
    PixelScore(both=2, either=4)
    """
    if truth.shape != result.shape:
        raise ValueError(f"Truth {truth.shape} and result {result.shape} must have the same shape.")
    one, other = truth != 0, result != 0
    return PixelScore(int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other)))


def mask_iou(truth: np.ndarray, result: np.ndarray) -> float:
    """Return |A ∩ B| / |A ∪ B| of two masks; 1 if both are empty. See :func:`pixel_score` for the arguments.

    Examples
    --------
    >>> mask_iou(np.array([1, 1, 1, 0]), np.array([0, 1, 1, 1]))
    0.5
    """
    return pixel_score(truth, result).iou


def mask_dice(truth: np.ndarray, result: np.ndarray) -> float:
    """Return 2 |A ∩ B| / (|A| + |B|) of two masks; 1 if both are empty. See :func:`pixel_score` for the arguments.

    Examples
    --------
    >>> mask_dice(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0]))
    0.5
    """
    return pixel_score(truth, result).dice


class BorderScore(NamedTuple):
    """Counts of border pixels.

    Attributes
    ----------
    found : int
        Border pixels of the result.
    near : int
        Those of them that lie near a true border pixel.
    true : int
        Border pixels of the truth.
    met : int
        Those of them that lie near a border pixel of the result.
    """

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
        """Share of the true border pixels that lie near one of the result."""
        return share(self.met, self.true, empty=not self.found)

    @property
    def dice(self) -> float:
        """Harmonic mean of precision and recall; at tolerance 0 it is the Dice coefficient of the two borders."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def border_score(truth: np.ndarray, result: np.ndarray, known: np.ndarray, tolerance: float = 2.0) -> BorderScore:
    """Compare the borders of two instance maps where the truth is known.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 between cells, else the cell's id.
    known : ndarray
        (H, W), bool: where the truth is known. Border pixels of the result outside it are not counted as found, but
        true border pixels may be met by them.
    tolerance : float
        Two border pixels are near each other if their Euclidean distance is at most this many pixels.

    Raises
    ------
    ValueError
        If the arrays differ in shape.

    Examples
    --------
    The result's line lies one pixel to the right of the true one.

    >>> truth, result = np.array([[1, 0, 2, 2, 2]]), np.array([[1, 1, 0, 2, 2]])
    >>> border_score(truth, result, np.ones((1, 5), bool), tolerance=1).dice
    1.0
    >>> border_score(truth, result, np.ones((1, 5), bool), tolerance=0).dice
    0.0
    """
    if not truth.shape == result.shape == known.shape:
        raise ValueError(
            f"Truth {truth.shape}, result {result.shape} and known {known.shape} must have the same shape."
        )
    true, all_found = borders(truth) & known, borders(result)
    found = all_found & known
    near, met = found & _within(true, tolerance), true & _within(all_found, tolerance)
    return BorderScore(*(int(np.count_nonzero(mask)) for mask in (found, near, true, met)))


def border_scores(truth: np.ndarray, result: np.ndarray, known: np.ndarray) -> dict[str, BorderScore]:
    """Return the scores by name: within 2 pixels ("border_Dice") and pixel by pixel ("border_Dice_exact")."""
    return {name: border_score(truth, result, known, tolerance) for name, tolerance in TOLERANCES.items()}


def sum_borders(frames: Sequence[dict[str, BorderScore]]) -> dict[str, BorderScore]:
    """Return the scores of the pixels of all frames together; an empty dict if there is no frame."""
    names = frames[0] if frames else {}
    return {name: BorderScore(*np.sum([frame[name] for frame in frames], axis=0).tolist()) for name in names}


def borders(labels: np.ndarray) -> np.ndarray:
    """Return the pixels that separate cells.

    These are the background, and where two cells touch, the pixel above or to the left of the contact. The
    4-connected components of all other pixels are the cells.

    Parameters
    ----------
    labels : ndarray
        (…, H, W), integer: 0 background, else the cell's id.

    Returns
    -------
    ndarray
        (…, H, W), bool.

    Examples
    --------
    >>> borders(np.array([[1, 1, 2, 0, 3]])).astype(int)
    array([[0, 1, 0, 1, 0]])
    """
    border = labels == 0
    for here, there in (
        (np.s_[..., :-1, :], np.s_[..., 1:, :]),
        (np.s_[..., :-1], np.s_[..., 1:]),
    ):
        border[here] |= (labels[there] != 0) & (labels[there] != labels[here])
    return border


def _within(mask: np.ndarray, distance: float) -> np.ndarray:
    if not mask.any():
        return np.zeros(mask.shape, bool)
    return ndimage.distance_transform_edt(~mask) <= distance
