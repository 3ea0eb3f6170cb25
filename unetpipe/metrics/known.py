"""Truth that knows only a part of the image, such as gold frames in which some cells are not annotated."""

from __future__ import annotations

import numpy as np

from unetpipe.metrics.overlap import overlap


def within_known(truth: np.ndarray, result: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and result with background where nothing is known, so that nothing is counted there.

    A result object with more than half of its pixels there is taken for a cell that was not annotated
    and left out as a whole: what of it lies outside is no object that was invented.

    Parameters
    ----------
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    known : ndarray
        (H, W), bool: where the truth is known.

    Returns
    -------
    truth, result : ndarray
        (H, W), of their own dtypes.

    Raises
    ------
    ValueError
        If the three differ in shape.
    """
    if known.shape != truth.shape:
        raise ValueError(f"Known pixels {known.shape} and truth {truth.shape} must have one height and width.")
    _, ids, counts = overlap(known, result)  # rows: unknown, known
    if known.all():
        return truth, result
    unannotated = ids[2 * counts[0, 1:] > counts[:, 1:].sum(0)]
    return np.where(known, truth, 0), np.where(known & ~np.isin(result, unannotated), result, 0)
