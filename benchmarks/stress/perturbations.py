"""What microscopes and users do to images, as functions of grey values and truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from unetpipe.mirror import mirror_crop
from unetpipe.transforms.batched_grey import RandBatchBlur
from unetpipe.transforms.elastic import interpolation_matrix
from unetpipe.transforms.perturbed import amid, median_ground, with_noise, with_ramp

CROP = 256  # px
SMALLEST_EMPTY = 64  # px, side of a place without cells
PLACES = 4  # a frame


@dataclass
class View:
    """A perturbed image and its truth.

    Attributes
    ----------
    image : Tensor
        (C, H, W), grey values, float32, before normalisation.
    truth : ndarray
        (h, w), int32: the cells that count.
    corner : (int, int)
        Where the truth's top left lies in the image.
    known : ndarray or None
        (h, w), bool: False on cells that the view cuts, where what is found does not count. None: it cuts none.
    """

    image: Tensor
    truth: np.ndarray
    corner: tuple[int, int] = (0, 0)
    known: np.ndarray | None = None


Perturbation = Callable[[Tensor, np.ndarray, float], View]


def plain(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Change nothing."""
    return View(image, truth)


def ramp(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Add a linear ramp over the height; ``amount`` is its range in standard deviations."""
    return View(with_ramp(image, amount), truth)


def vignette(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Darken by a share that grows with the square of the distance from the centre, up to ``amount`` in the corners."""
    y, x = (torch.linspace(-1, 1, side, device=image.device) for side in image.shape[1:])
    return View(image * (1 - amount * (y[:, None] ** 2 + x**2) / 2), truth)


def field(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Add a smooth random field of up to ``amount`` standard deviations."""
    signs = torch.from_numpy(2.0 * np.random.RandomState(3).randint(0, 2, (3, 3)) - 1).float().to(image.device)
    rows, columns = (interpolation_matrix(3, side, image.device) for side in image.shape[1:])
    return View(image + amount * image.std() * (rows @ signs @ columns.T), truth)


def noise(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Add Gaussian noise of ``amount`` standard deviations."""
    return View(with_noise(image, amount), truth)


def blur(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Blur by a Gaussian of ``amount`` pixels."""
    return View(RandBatchBlur((amount, amount), 1.0)(image), truth)


def gain(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Multiply the grey values, which are rounded and end where the file's type ends."""
    top = 255.0 if float(image.max()) < 256 else 65535.0
    return View((image * amount).round().clamp(max=top), truth)


def gamma(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Bend the range of grey values by an exponent."""
    low, span = image.min(), (image.max() - image.min()).clamp(min=1e-6)
    return View(((image - low) / span) ** amount * span + low, truth)


def rounding(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Round the range of grey values to ``amount`` levels."""
    low, span = image.min(), (image.max() - image.min()).clamp(min=1e-6)
    return View(((image - low) / span * (amount - 1)).round() / (amount - 1) * span + low, truth)


def crop(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Show only a corner; cells that its border cuts do not count. ``amount`` is 0 … 3 for the corner."""
    height, width = (min(CROP, side) for side in truth.shape)
    top = (truth.shape[0] - height) * (int(amount) // 2)
    left = (truth.shape[1] - width) * (int(amount) % 2)
    part = (slice(top, top + height), slice(left, left + width))
    area = np.bincount(truth.ravel())
    inside = truth[part]
    return without_cut(image[:, *part], inside, np.bincount(inside.ravel(), minlength=len(area)) < area)


def ground(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Put the image amid flat ground, ``amount`` times as wide and high; the ground has the median grey value."""
    wide, corner = amid(image, amount, median_ground(image))
    return View(wide, truth, corner)


def mirrored(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Mirror the image outwards, to ``amount`` times its width and height."""
    height, width = (round(amount * side) for side in truth.shape)
    top, left = (height - truth.shape[0]) // 2, (width - truth.shape[1]) // 2
    return View(mirror_crop(image, -top, -left, height, width).contiguous(), truth, (top, left))


def zoom(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Scale by ``amount``."""
    size = [round(amount * side) for side in truth.shape]
    scaled = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
    labels = F.interpolate(torch.from_numpy(truth.astype(np.float64))[None, None], size=size, mode="nearest-exact")
    return View(scaled, labels[0, 0].numpy().astype(np.int32))


def rotate(image: Tensor, truth: np.ndarray, amount: float) -> View:
    """Turn by ``amount`` degrees about the centre; the largest square that is then full is shown."""
    angle = math.radians(amount)
    side = int(min(truth.shape) / (abs(math.sin(angle)) + abs(math.cos(angle)))) - 2
    place = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    rows, columns = (y * math.cos(angle) - x * math.sin(angle), y * math.sin(angle) + x * math.cos(angle))
    height, width = truth.shape
    grid = torch.stack([2 * columns / (width - 1), 2 * rows / (height - 1)], -1)[None]
    turned = F.grid_sample(image[None], grid.float().to(image.device), mode="bilinear", align_corners=True)[0]
    labels = F.grid_sample(torch.from_numpy(truth.astype(np.float64))[None, None], grid, "nearest", align_corners=True)
    labels = labels[0, 0].round().numpy().astype(np.int32)
    area = np.bincount(truth.ravel())
    left = np.bincount(labels.ravel(), minlength=len(area))
    return without_cut(turned, labels, left < 0.97 * area)  # the border of the square took a part


def without_cut(image: Tensor, truth: np.ndarray, cut: np.ndarray) -> View:
    """Return a view in which some cells do not count; ``cut`` says for each number of the truth whether it is cut."""
    cut[0] = False  # the ground
    lost = cut[truth]
    return View(image, np.where(lost, 0, truth).astype(np.int32), known=~lost)


def same_cells(image: Tensor, truth: np.ndarray, shown: np.ndarray) -> View:
    """Return a frame as it is, of whose truth (H, W) only the cells count that a view of it, ``shown``, has."""
    kept = np.isin(truth, np.unique(shown))
    return View(image, np.where(kept, truth, 0), known=kept | (truth == 0))


# name: function, amount
STRESS: dict[str, tuple[Perturbation, float]] = {
    "plain": (plain, 0),
    "ramp 1 sd": (ramp, 1.0),
    "vignette 10 %": (vignette, 0.1),
    "field 0.5 sd": (field, 0.5),
    "noise 0.1 sd": (noise, 0.1),
    "noise 0.3 sd": (noise, 0.3),
    "blur 1.5 px": (blur, 1.5),
    "gain 0.5": (gain, 0.5),
    "gain 2": (gain, 2.0),
    "gamma 0.6": (gamma, 0.6),
    "gamma 1.6": (gamma, 1.6),
    "256 levels": (rounding, 256),
    "64 levels": (rounding, 64),
    "crop, top left": (crop, 0),
    "crop, bottom right": (crop, 3),
    "flat ground": (ground, 2.0),
    "mirrored ground": (mirrored, 2.0),
    "zoom 0.85": (zoom, 0.85),
    "zoom 1.15": (zoom, 1.15),
    "turned 30°": (rotate, 30),
}
# those that choose, beside the plain frames
CHOOSING = ("ramp 1 sd", "noise 0.1 sd", "noise 0.3 sd", "blur 1.5 px", "gamma 1.6", "crop, top left", "flat ground")


def perturbed(name: str, image: Tensor, truth: np.ndarray) -> View:
    """Return a view of an image by the name of a perturbation in ``STRESS``."""
    function, amount = STRESS[name]
    return function(image, truth, amount)


def empty_view(image: Tensor, place: tuple[int, int, int, int], side: int = 512) -> View:
    """Return a place without cells, mirrored out to a square: there is no cell to find."""
    top, left, bottom, right = place
    part = image[:, top:bottom, left:right]
    return View(mirror_crop(part, 0, 0, side, side).contiguous(), np.zeros((side, side), np.int32))


def empty_places(ground: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) inside ``ground`` (H, W), largest first, none over another: top, left, bottom, right."""
    free = ground.copy()
    boxes: list[tuple[int, int, int, int]] = []
    while len(boxes) < PLACES:
        reach = ndimage.distance_transform_cdt(np.pad(free, 1), "chessboard")[1:-1, 1:-1]
        y, x = np.unravel_index(int(reach.argmax()), reach.shape)
        radius = int(reach[y, x]) - 1
        if 2 * radius + 1 < SMALLEST_EMPTY:
            break
        boxes.append((y - radius, x - radius, y + radius + 1, x + radius + 1))
        free[boxes[-1][0] : boxes[-1][2], boxes[-1][1] : boxes[-1][3]] = False
    return np.array(boxes, np.int64).reshape(-1, 4)
