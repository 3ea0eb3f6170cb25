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

    If the crop lies inside the image, it is a view.
    """
    rows, columns = image.shape[-2:]
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        return image[..., top : top + height, left : left + width]
    y = mirror_indices(top, top + height, rows).to(image.device)
    x = mirror_indices(left, left + width, columns).to(image.device)
    return image.index_select(-2, y).index_select(-1, x)
