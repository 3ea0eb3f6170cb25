"""What is known of a frame whose gold truth leaves cells out, judged by the markers and by the image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

DISC = 1.5  # of the median area: a cell that is left out may be larger than the median
REACH = 3.0  # radii of the median cell, as far as the image may let the unknown grow
RIM = 4  # px


def known_pixels(image: np.ndarray, label: np.ndarray, markers: np.ndarray, area: float) -> np.ndarray:
    """Return where the truth is known, (H, W), bool.

    Around a marker without an annotated cell, a disc is unknown. So is what hangs together with the marker and is
    brighter than halfway between the ground and the marker, or above the frame's Otsu threshold, as far as three radii.

    Parameters
    ----------
    image : ndarray
        (H, W), grey values; cells are bright.
    label, markers : ndarray
        (H, W), integers: gold truth, and the markers of all cells; 0 background.
    area : float
        Median area of the set's annotated cells, in pixels.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 2.0)
    ground, otsu = float(np.median(smooth)), float(threshold_otsu(smooth))
    rows, columns = np.ogrid[: label.shape[0], : label.shape[1]]
    radius = float(np.sqrt(area / np.pi))
    unknown = np.zeros(label.shape, bool)
    for number in np.unique(markers[markers > 0]):
        marker = markers == number
        if 2 * np.count_nonzero(label[marker]) >= np.count_nonzero(marker):
            continue
        y, x = ndimage.center_of_mass(marker)
        distance = (rows - y) ** 2 + (columns - x) ** 2
        level = min((ground + float(smooth[marker].mean())) / 2, otsu)
        bright = ndimage.label((smooth > level) & (distance <= (REACH * radius) ** 2))[0]
        touched = np.setdiff1d(np.unique(bright[marker]), [0])
        grown = ndimage.binary_dilation(np.isin(bright, touched), iterations=RIM)
        unknown |= marker | grown | (distance <= DISC * radius**2)
    return ~unknown | (label > 0)
