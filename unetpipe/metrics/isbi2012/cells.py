"""Numbered cells as a proposal of the ISBI 2012 challenge."""

from __future__ import annotations

import numpy as np


def proposal_of_cells(instances: np.ndarray) -> np.ndarray:
    """Return 1 in cells and 0 on membranes, for numbered cells that may touch.

    Membrane is what belongs to no cell; where two cells meet, the pixel above or left of the contact becomes
    membrane as well, so that their 4-connected components are the cells.

    Parameters
    ----------
    instances : ndarray
        (…, H, W), integer: 0 membrane, else the cell's number.

    Returns
    -------
    ndarray
        (…, H, W), float32.
    """
    cell = instances > 0
    for here, there in (
        ((..., slice(None, -1), slice(None)), (..., slice(1, None), slice(None))),
        ((..., slice(None), slice(None, -1)), (..., slice(None), slice(1, None))),
    ):
        cell[here] &= (instances[there] == 0) | (instances[there] == instances[here])
    return cell.astype(np.float32)


def close_membranes(probability: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return the probability of "cell" with 0 wherever two numbered cells meet.

    So membranes that were found between confident centres, though the network left a gap there, are closed in
    the stack that is handed in.

    Parameters
    ----------
    probability : ndarray
        (…, H, W), float.
    instances : ndarray
        (…, H, W), integer: the cells found in it.
    """
    return np.where((instances > 0) & (proposal_of_cells(instances) == 0), 0, probability).astype(probability.dtype)
