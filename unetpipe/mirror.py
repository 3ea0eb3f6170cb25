"""Mirroring at the image border, like numpy's ``reflect``, as the paper does where context is missing."""

from __future__ import annotations

import torch
from torch import Tensor


def mirror_indices(start: int, stop: int, size: int) -> Tensor:
    """Return which pixel of an image side lies at each of the coordinates start … stop − 1 of the mirrored image.

    Equal to ``np.pad(np.arange(size), …, mode="reflect")``: the edge pixel is not repeated, and
    the mirroring repeats with period 2·(size − 1), so coordinates may lie any distance outside.

    Parameters
    ----------
    start, stop : int
        Range of coordinates in pixels; they may lie outside 0 … size − 1.
    size : int
        Side of the image, at least 1.

    Returns
    -------
    Tensor
        (stop − start,), int64, values in 0 … size − 1.

    Examples
    --------
    >>> mirror_indices(-3, 6, 4).tolist()
    [3, 2, 1, 0, 1, 2, 3, 2, 1]
    """
    if size == 1:
        return torch.zeros(stop - start, dtype=torch.int64)
    period = 2 * (size - 1)
    position = torch.arange(start, stop) % period
    return torch.minimum(position, period - position)


def mirror_crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Cut (…, height, width) out of (…, H, W); what lies outside the image is mirrored.

    If the crop lies inside the image, it is a view. No index travels to a GPU, so nothing waits for it.
    """
    return _mirror_side(_mirror_side(image, -1, left, left + width), -2, top, top + height)


def _mirror_side(image: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Return the pixels of :func:`mirror_indices` along an axis, as slices that run forwards or backwards in turn."""
    size = image.shape[axis]
    if size == 1:
        sides = list(image.shape)
        sides[axis] = stop - start
        return image.expand(sides)
    parts, period = [], 2 * (size - 1)
    while start < stop:
        place = start % period
        if place < size:
            length = min(stop - start, size - place)
            parts.append(image.narrow(axis, place, length))
        else:
            length = min(stop - start, period - place)
            parts.append(image.narrow(axis, period - place - length + 1, length).flip(axis))
        start += length
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)
