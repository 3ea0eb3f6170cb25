"""The mean over rotated (and mirrored) inputs, wrapped round any other inferer.

References
----------
Ronneberger et al. 2015, section 4: the EM result is the mean over 7 rotated versions of the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from monai.inferers import Inferer
from torch import Tensor

from unetpipe.errors import InputError
from unetpipe.mirror import mirror_crop


class SymmetryInferer(Inferer):
    """Average the class probabilities over the 8 symmetries of the square; no pixel is interpolated.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.

    Notes
    -----
    The result is the logarithm of the mean probability, so that a softmax gives that mean.
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return (B, K, H, W) for images (B, C, H, W)."""
        total: Tensor | None = None
        for quarter_turns in range(4):
            for flip in (False, True):
                version = torch.rot90(inputs.flip(-1) if flip else inputs, quarter_turns, (-2, -1)).contiguous()
                probability = torch.softmax(self.inferer(version, network, *args, **kwargs).float(), dim=1)
                back = torch.rot90(probability, -quarter_turns, (-2, -1))
                back = back.flip(-1) if flip else back
                total = back if total is None else total + back
        return log_probability(total / 8)  # type: ignore[arg-type,operator]


class RotationInferer(Inferer):
    """Average the class probabilities over rotations by k·360°/n, bilinearly interpolated; the paper has n = 7.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.
    count : int
        Number of rotations, the unrotated image among them.

    Notes
    -----
    The image is mirrored out to its diagonal before it is turned, so that no corner is lost. The
    result is the logarithm of the mean probability, so that a softmax gives that mean.
    """

    def __init__(self, inferer: Inferer, count: int = 7) -> None:
        super().__init__()
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
        for turn in range(1, self.count):
            angle = 2 * math.pi * turn / self.count
            logits = self.inferer(rotate(square, angle), network, *args, **kwargs)
            back = rotate(torch.softmax(logits.float(), dim=1), -angle)
            total = total + back[..., top : top + height, left : left + width]
        return log_probability(total / self.count)


def rotated(inferer: Inferer, rotations: int = 0) -> Inferer:
    """Return an inferer that averages over rotated inputs, as a config's key ``rotations`` says.

    Parameters
    ----------
    inferer : Inferer
        Computes the logits of one version, at the size of its input.
    rotations : {0, 7, 8}
        0 changes nothing; 8 takes the symmetries of the square, in 8 times the time; 7 the paper's angles
        k·360°/7, in 13 times the time for a square image, which is mirrored out to its diagonal first.

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
    """Return the logarithm, finite also where the probability is 0."""
    return probability.clamp(min=torch.finfo(probability.dtype).tiny).log()
