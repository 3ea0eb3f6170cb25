"""The mean over rotated and mirrored versions of the input, around any other inferer.

References
----------
Ronneberger et al. 2015, section 4: the EM result is the mean over 7 rotated versions of the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from monai.inferers import Inferer
from torch import Tensor

from unetpipe.errors import InputError
from unetpipe.mirror import mirror_crop

MOST_VALUES = 2**23  # of the versions of an image that a GPU computes as one batch


class Symmetry(NamedTuple):
    """One of the 8 symmetries of the square: an image is mirrored left to right or not, then turned by quarters.

    Attributes
    ----------
    turns : int
        Quarter turns counter-clockwise, 0 … 3.
    flip : bool
        Whether the image is mirrored first.

    Examples
    --------
    >>> image = torch.arange(6).reshape(2, 3)
    >>> Symmetry(1, False).images(image)
    tensor([[2, 5],
            [1, 4],
            [0, 3]])
    >>> Symmetry(1, False).box((0, 2, 1, 3), size=(2, 3))
    (0, 0, 1, 1)
    """

    turns: int
    flip: bool

    @property
    def inverse(self) -> Symmetry:
        """The symmetry that undoes this one."""
        return self if self.flip else Symmetry(-self.turns % 4, False)

    def images(self, images: Tensor) -> Tensor:
        """Mirror and turn images (…, H, W)."""
        return torch.rot90(images.flip(-1) if self.flip else images, self.turns, (-2, -1))

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return what height and width become."""
        return size if self.turns % 2 == 0 else size[::-1]

    def box(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return where a part (top, left, bottom, right) of an image of ``size`` (height, width) lies afterwards."""
        (height, width), (top, left, bottom, right) = size, box
        if self.flip:
            left, right = width - right, width - left
        for _ in range(self.turns):  # a quarter turn: (y, x) → (width − 1 − x, y)
            top, left, bottom, right = width - right, top, width - left, bottom
            height, width = width, height
        return top, left, bottom, right


SYMMETRIES = tuple(Symmetry(turns, flip) for turns in range(4) for flip in (False, True))


class SymmetryInferer(Inferer):
    """Average the class probabilities over the 8 symmetries of the square; no pixel is interpolated.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.
    together : bool, optional
        Whether versions of one size are computed as one batch. By default they are on a GPU, unless the images are
        large; a CPU gains nothing.

    Notes
    -----
    The result is the logarithm of the mean probability; a softmax of it gives that mean.
    """

    def __init__(self, inferer: Inferer, together: bool | None = None) -> None:
        super().__init__()
        self.inferer = inferer
        self.together = together

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return (B, K, H, W) for images (B, C, H, W)."""
        versions = (symmetry.images(inputs) for symmetry in SYMMETRIES)
        found = _probabilities(self.inferer, versions, network, self.together, *args, **kwargs)
        total: Tensor | None = None
        for symmetry, probability in zip(SYMMETRIES, found, strict=True):
            back = symmetry.inverse.images(probability)
            total = back if total is None else total + back
        return log_probability(total / len(SYMMETRIES))  # type: ignore[arg-type,operator]


class RotationInferer(Inferer):
    """Average the class probabilities over rotations by k·360°/n, interpolated bilinearly; the paper takes n = 7.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.
    count : int
        Number of rotations, including the unrotated image.
    together : bool, optional
        As for :class:`SymmetryInferer`.

    Notes
    -----
    The image is extended by mirroring to a square as wide as its diagonal before it is rotated, so that no corner is
    lost. The result is the logarithm of the mean probability; a softmax of it gives that mean.
    """

    def __init__(self, inferer: Inferer, count: int = 7, together: bool | None = None) -> None:
        super().__init__()
        self.together = together
        if count < 1:
            raise ValueError(f"count={count} must be at least 1.")
        self.inferer = inferer
        self.count = count

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return (B, K, H, W) for images (B, C, H, W)."""
        height, width = inputs.shape[-2:]
        side = math.ceil(math.hypot(height, width))
        top, left = (side - height) // 2, (side - width) // 2
        square = mirror_crop(inputs, -top, -left, side, side)
        total = torch.softmax(self.inferer(inputs, network, *args, **kwargs).float(), dim=1)
        angles = [2 * math.pi * turn / self.count for turn in range(1, self.count)]
        versions = (rotate(square, angle) for angle in angles)
        found = _probabilities(self.inferer, versions, network, self.together, *args, **kwargs)
        for angle, probability in zip(angles, found, strict=True):
            back = rotate(probability, -angle)
            total = total + back[..., top : top + height, left : left + width]
        return log_probability(total / self.count)


def _probabilities(
    inferer: Inferer, versions: Iterable[Tensor], network: Any, together: bool | None, *args: Any, **kwargs: Any
) -> Iterator[Tensor]:
    """Yield the class probabilities of each version (B, C, H, W), in order; versions in a row of one size at a time."""

    def compute(part: list[Tensor]) -> Iterator[Tensor]:
        logits = inferer(torch.cat(part).contiguous(), network, *args, **kwargs)
        yield from torch.softmax(logits.float(), dim=1).split(len(part[0]))

    waiting: list[Tensor] = []
    for version in versions:
        at_once = together if together is not None else version.device.type != "cpu"
        full = not at_once or (together is None and (len(waiting) + 1) * version.numel() > MOST_VALUES)
        if waiting and (full or version.shape != waiting[0].shape):
            yield from compute(waiting)
            waiting = []
        waiting.append(version)
    if waiting:
        yield from compute(waiting)


def rotated(inferer: Inferer, rotations: int = 0) -> Inferer:
    """Return an inferer that averages over rotated inputs, as the config key ``rotations`` says.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.
    rotations : {0, 7, 8}
        0 changes nothing. 8 takes the symmetries of the square, which takes 8 times as long. 7 takes the paper's
        angles k·360°/7; a square image takes 13 times as long, because it is first extended to its diagonal.

    Raises
    ------
    InputError
        If ``rotations`` is another number.
    """
    if rotations == 0:
        return inferer
    if rotations == 7:
        return RotationInferer(inferer, count=7)
    if rotations == 8:
        return SymmetryInferer(inferer)
    raise InputError(
        f"rotations={rotations!r} is not known; use 0 (none), 7 (the paper's angles) or 8 (the square's symmetries)."
    )


def rotate(images: Tensor, angle: float) -> Tensor:
    """Rotate square images (B, C, S, S) by ``angle`` (radians) about their centre, mirroring at the border."""
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], dtype=images.dtype, device=images.device)
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=True)


def log_probability(probability: Tensor) -> Tensor:
    """Return the logarithm, which is finite even for a probability of 0."""
    return probability.clamp(min=torch.finfo(probability.dtype).tiny).log()
