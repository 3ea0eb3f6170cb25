"""The network on a block, with the region that it needs around it, mirrored at the image's border."""

from __future__ import annotations

import functools
import threading
from dataclasses import fields
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.inferers import SimpleInferer

from unetpipe.bundle.models import NORMALIZATION, inference_configs
from unetpipe.errors import InputError
from unetpipe.inferers import AutocastInferer
from unetpipe.large.blocks import Block, Region
from unetpipe.large.image import as_tensor
from unetpipe.large.statistics import normalised
from unetpipe.large.work import Rules, Work
from unetpipe.networks import UNet, inference_network

SYMMETRIES = tuple((turns, flip) for turns in range(4) for flip in (False, True))


class Model(NamedTuple):
    """A bundle's model, ready to run: ``symmetries`` are averaged over, ``weights`` is their file."""

    network: UNet
    device: torch.device
    amp: bool
    symmetries: tuple[tuple[int, bool], ...]
    rules: Rules
    weights: str


_loading = threading.Lock()


def load_model(bundle: str, model: str | None, overrides: tuple[tuple[str, Any], ...]) -> Model:
    """Load a bundle's model, once a process.

    Raises
    ------
    InputError
        If the bundle or its weights are missing or do not fit, or its config asks for what needs the whole image in
        memory: rescaling, rotations by other angles than the square's symmetries, or another normalisation.
    """
    with _loading:
        return _load_model(bundle, model, overrides)


@functools.lru_cache(maxsize=1)
def _load_model(bundle: str, model: str | None, overrides: tuple[tuple[str, Any], ...]) -> Model:
    parser = ConfigParser()
    parser.read_config(inference_configs(bundle, model))
    parser.update({"bundle_root": bundle, **dict(overrides)})
    # bundles of earlier versions lack these keys
    rotations, scale = (
        parser.get_parsed_content(key) if key in parser else default
        for key, default in (("rotations", 0), ("scale", 1))
    )
    if rotations not in (0, 8):
        raise InputError(f"rotations={rotations!r} needs the whole image in memory; large images take 0 or 8.")
    normalization = parser.get("normalization", NORMALIZATION)
    if normalization != NORMALIZATION:
        raise InputError(
            f"{bundle} normalises by {normalization}; large images are normalised by {NORMALIZATION} alone, so segment "
            "images that fit into memory, without --large, or take another bundle."
        )
    if scale != 1:
        raise InputError("--rescale needs the whole image in memory; scale a large image before it is segmented.")
    network, weights = parser.get_parsed_content("network"), parser.get_parsed_content("weights")
    if not isinstance(network, UNet) or network.margin == 0:
        raise InputError(
            f"A {type(network).__name__} with padding would show its tiles; large images need a UNet without."
        )
    instances = parser.get_parsed_content("instances")
    names = [field.name for field in fields(Rules)]
    return Model(
        network=cast(UNet, inference_network(network, weights)),
        device=parser.get_parsed_content("device"),
        amp=bool(parser.get_parsed_content("amp")),
        symmetries=SYMMETRIES if rotations == 8 else SYMMETRIES[:1],
        rules=Rules(**{name: getattr(instances, name) for name in names}),
        weights=str(weights),
    )


def compute(work: Work, block: Block) -> None:
    """Write the probability of "cell" in a block."""
    work.probability.write(block.page, work.grid.region(block), probability(work, block))


def probability(work: Work, block: Block) -> np.ndarray:
    """Return the probability of "cell" in a block, (h, w), float32."""
    model = load_model(work.bundle, work.model, work.overrides)
    with torch.inference_mode():
        return _probability(work, model, block.page, work.grid.region(block))


def _probability(work: Work, model: Model, page: int, region: Region) -> np.ndarray:
    """Return (h, w), float32; where a GPU runs out of memory, the halves of the region one after the other."""
    try:
        total = sum(_classes(work, model, page, region, symmetry) for symmetry in model.symmetries)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        halves = _halves(region, model.network.step)
        if halves is None:
            raise
        parts = [_probability(work, model, page, half) for half in halves]
        return np.concatenate(parts, axis=0 if halves[0].left == halves[1].left else 1)
    return 1 - (total / len(model.symmetries)).cpu().numpy()[0]  # type: ignore[union-attr]


def _classes(work: Work, model: Model, page: int, region: Region, symmetry: tuple[int, bool]) -> torch.Tensor:
    """Return the class probabilities (K, h, w) of a region, computed on the image turned and mirrored.

    Tiles start on multiples of the network's step in the image as it is turned: there its pooling grid lies.
    """
    network = model.network
    turned = _turn(region, work.image.size, symmetry)
    top, left = (start // network.step * network.step for start in (turned.top, turned.left))
    height, width = (network.input_size(stop - start) for start, stop in ((top, turned.bottom), (left, turned.right)))
    tile = Region(top - network.margin, left - network.margin, top - network.margin + height, 0)
    tile = tile._replace(right=tile.left + width)
    size = work.image.size if symmetry[0] % 2 == 0 else work.image.size[::-1]
    source = _turn_back(tile, size, symmetry)
    pixels = normalised(work, page, work.image.read_mirrored(page, source.top, source.left, *source.shape))
    image = as_tensor(pixels).to(model.device)
    version = torch.rot90(image.flip(-1) if symmetry[1] else image, symmetry[0], (-2, -1)).contiguous()
    logits = AutocastInferer(SimpleInferer(), model.amp)(version, network)
    rows, columns = turned.within(Region(top, left, 0, 0))
    classes = torch.softmax(logits[0, :, rows, columns], dim=0)
    back = torch.rot90(classes, -symmetry[0], (-2, -1))
    return back.flip(-1) if symmetry[1] else back


def _turn(region: Region, size: tuple[int, int], symmetry: tuple[int, bool]) -> Region:
    """Return where a region of an image of that size lies once the image is mirrored and turned by quarters."""
    turns, flip = symmetry
    (height, width), (top, left, bottom, right) = size, region
    if flip:
        left, right = width - right, width - left
    for _ in range(turns):  # a quarter turn counter-clockwise: (y, x) → (width − 1 − x, y)
        top, left, bottom, right = width - right, top, width - left, bottom
        height, width = width, height
    return Region(top, left, bottom, right)


def _turn_back(region: Region, size: tuple[int, int], symmetry: tuple[int, bool]) -> Region:
    """Undo :func:`_turn`; ``size`` is that of the turned image."""
    turns, flip = symmetry
    (height, width), (top, left, bottom, right) = size, region
    for _ in range(turns):  # a quarter turn clockwise: (y, x) → (x, height − 1 − y)
        top, left, bottom, right = left, height - bottom, right, height - top
        height, width = width, height
    if flip:
        left, right = width - right, width - left
    return Region(top, left, bottom, right)


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
