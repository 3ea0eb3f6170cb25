"""The probability of "cell" in a block, from its pixels and those around it, mirrored at the image border."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
import torch
from monai.inferers import SimpleInferer

from unetpipe.datasets.pixels import fit_channels
from unetpipe.device import empty_cache, is_out_of_memory
from unetpipe.errors import InputError
from unetpipe.inferers import SYMMETRIES, AutocastInferer, OverlapTileInferer, Symmetry
from unetpipe.large.blocks import Block, Region
from unetpipe.large.statistics import normalised
from unetpipe.large.work import Work
from unetpipe.networks import UNet
from unetpipe.predictor import BRIGHT_NORMALIZATION, NORMALIZATION, Predictor

_loading = threading.Lock()
_computing = threading.Lock()  # the device holds what the network needs for one block


def load_predictor(bundle: str, model: str | None, safe: bool, overrides: tuple[tuple[str, Any], ...]) -> Predictor:
    """Load a bundle's model once in each process.

    Raises
    ------
    InputError
        If the bundle or its weights are missing or do not fit, or its config asks for something that needs the whole
        image in memory: rescaling, rotations by other angles than the square's symmetries, another normalisation, or
        another inferer.
    """
    with _loading:
        return _load(bundle, model, safe, overrides)


@functools.lru_cache(maxsize=1)
def _load(bundle: str, model: str | None, safe: bool, overrides: tuple[tuple[str, Any], ...]) -> Predictor:
    predictor = Predictor.load(bundle, model, safe=safe, **dict(overrides))
    if predictor.rotations not in (0, 8):
        raise InputError(
            f"rotations={predictor.rotations!r} needs the whole image in memory; for large images use 0 or 8."
        )
    if predictor.normalization not in (NORMALIZATION, BRIGHT_NORMALIZATION):
        raise InputError(
            f"{bundle} normalises by {predictor.normalization}, but large images can only be normalised by "
            f"{NORMALIZATION} or {BRIGHT_NORMALIZATION}; use another bundle, or segment images that fit into memory, "
            "without --large."
        )
    if predictor.scale != 1:
        raise InputError("--rescale needs the whole image in memory; scale a large image before you segment it.")
    if type(predictor.tiles) is not OverlapTileInferer:  # a class that inherits from it may compute something else
        raise InputError(
            f"{bundle} segments by {type(predictor.tiles).__name__}, but large images can only be segmented by "
            "OverlapTileInferer; use another bundle, or segment images that fit into memory, without --large."
        )
    network = predictor.network
    if not isinstance(network, UNet) or network.margin == 0:
        raise InputError(
            f"A {type(network).__name__} with padding would show its tiles; large images need a UNet without padding."
        )
    return predictor


def compute(work: Work, block: Block) -> None:
    """Write the probability of "cell" in a block."""
    work.probability.write(block.page, work.grid.region(block), probability(work, block))


def probability(work: Work, block: Block) -> np.ndarray:
    """Return the probability of "cell" in a block, (h, w), float32."""
    predictor = load_predictor(work.bundle, work.model, work.safe, work.overrides)
    with torch.inference_mode():
        return _probability(work, predictor, block.page, work.grid.region(block))


def _probability(work: Work, predictor: Predictor, page: int, region: Region) -> np.ndarray:
    """Return (h, w), float32; if a GPU runs out of memory, compute the halves of the region one after the other."""
    symmetries = SYMMETRIES if predictor.rotations == 8 else SYMMETRIES[:1]
    try:
        total = sum(_classes(work, predictor, page, region, symmetry) for symmetry in symmetries)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        empty_cache()
        halves = _halves(region, predictor.network.step)
        if halves is None:
            raise
        parts = [_probability(work, predictor, page, half) for half in halves]
        return np.concatenate(parts, axis=0 if halves[0].left == halves[1].left else 1)
    return 1 - (total / len(symmetries)).cpu().numpy()[0]  # type: ignore[union-attr]


def _classes(work: Work, predictor: Predictor, page: int, region: Region, symmetry: Symmetry) -> torch.Tensor:
    """Return the class probabilities (K, h, w) of a region, computed on the image turned and mirrored.

    Tiles start on multiples of the network's step in the turned image, because its pooling grid lies there.
    """
    network = predictor.network
    turned = Region(*symmetry.box(region, work.image.size))
    top, left = (start // network.step * network.step for start in (turned.top, turned.left))
    height, width = (network.input_size(stop - start) for start, stop in ((top, turned.bottom), (left, turned.right)))
    tile = (top - network.margin, left - network.margin, top - network.margin + height, left - network.margin + width)
    source = Region(*symmetry.inverse.box(tile, symmetry.size(work.image.size)))
    pixels = normalised(work, page, work.image.read_mirrored(page, source.top, source.left, *source.shape))
    pixels = fit_channels(pixels, predictor.channels)
    rows, columns = turned.within(Region(top, left, 0, 0))
    with _computing:
        image = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(predictor.device)
        logits = AutocastInferer(SimpleInferer(), predictor.amp)(symmetry.images(image).contiguous(), network)
        return symmetry.inverse.images(torch.softmax(logits[0, :, rows, columns], dim=0))


def _halves(region: Region, step: int) -> tuple[Region, Region] | None:
    """Cut a region across its longer side, at a multiple of the step from its corner; None if it is too small."""
    height, width = region.shape
    if max(height, width) <= step:
        return None
    if height >= width:
        middle = region.top + max(height // 2 // step, 1) * step
        return region._replace(bottom=middle), region._replace(top=middle)
    middle = region.left + max(width // 2 // step, 1) * step
    return region._replace(right=middle), region._replace(left=middle)
