"""Overlap-tile inference for images of any size; each output pixel is equal to that of one pass over the whole image.

References
----------
Ronneberger et al. 2015, section 1 and figure 2: each output tile is computed from an input tile
with its full context; the image is mirrored where context is missing at its border.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product
from typing import Any, NamedTuple

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn
from tqdm import tqdm

from unetpipe.device import empty_cache, is_out_of_memory
from unetpipe.memory import free_memory, network_bytes
from unetpipe.mirror import mirror_crop
from unetpipe.networks.weights import fold_batch_norm

logger = logging.getLogger(__name__)


class Tile(NamedTuple):
    """One tile of a side: output pixels ``first`` … ``stop`` − 1 are taken from the tile that starts at ``start``."""

    start: int
    first: int
    stop: int


class OverlapTileInferer(Inferer):
    """Apply an unpadded network tile by tile, mirroring at the image border.

    Parameters
    ----------
    roi_size : int or (int, int), optional
        Side(s) of the network's *input* tile in pixels, as in MONAI's sliding window. A smaller
        image gets a smaller tile, so that nothing far outside the image is computed. By default
        the tile is chosen from the size of the image and the free memory (:func:`choose_tile`).
    sw_batch_size : int, optional
        Tiles per forward pass, of all images of the batch. By default one on a CPU, and on a GPU as many as its free
        memory takes, at most 16.
    margin : int, optional
        Pixels that the network loses on each side; by default the network's own ``margin``.
    step : int, optional
        Tiles start on multiples of it. The result is only seamless if it is a multiple of 2**depth,
        because then the pooling grid stays in place; by default the network's own ``step``.
    device : torch.device or str, optional
        The device on which results are gathered; by default that of the images. Tiles are computed
        on the device of the network's weights.
    progress : bool or callable
        Show a progress bar over the tiles. A function is called with the number of tiles that are computed and of all,
        before the first, and after each. What it raises ends the inference.

    Notes
    -----
    For images (B, C, H, W) the result (B, K, H, W) equals, to float rounding,
    ``network(np.pad(image, margin, mode="reflect"))`` padded further at the bottom and right to a
    size valid for the network. Each output pixel is written once. If a GPU runs out of memory, fewer
    tiles are computed at a time, then smaller ones, and a warning is logged; the result is the same.
    In evaluation mode, batch norms are folded first, so that a network gives the same masks however
    it was loaded.
    """

    def __init__(
        self,
        roi_size: int | Sequence[int] | None = None,
        sw_batch_size: int | None = None,
        margin: int | None = None,
        step: int | None = None,
        device: torch.device | str | None = None,
        progress: bool | Callable[[int, int], object] = False,
    ) -> None:
        super().__init__()
        self.roi_size = None if roi_size is None else ensure_tuple_rep(roi_size, 2)
        if min(self.roi_size or (1,)) < 1 or (sw_batch_size is not None and sw_batch_size < 1):
            raise ValueError(f"roi_size={roi_size} and sw_batch_size={sw_batch_size} must be positive.")
        self.sw_batch_size = sw_batch_size
        self.margin = margin
        self.step = step
        self.device = device
        self.progress = progress

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return the network's result for images (B, C, H, W), float, as (B, K, H, W).

        Raises
        ------
        ValueError
            If neither the network nor the caller gives margin and step, if a tile leaves no output
            pixel, or if the network's output is not ``tile − 2·margin`` on each side.
        """
        margin, step = self._geometry(network)
        if isinstance(network, nn.Module) and not network.training and not torch.is_grad_enabled():
            network = network if unwrap(network) is not network else fold_batch_norm(network)  # not a compiled one
        height, width = inputs.shape[-2:]
        roi_size = self.tile((height, width), network, inputs.device)
        together = self.sw_batch_size or self._tiles_together(roi_size, network, inputs.device)
        while True:
            try:
                return self._infer(inputs, network, roi_size, together, margin, step, *args, **kwargs)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if together > 1:
                    together //= 2
                    logger.warning("Out of GPU memory; trying again with %d tile(s) at a time", together)
                    empty_cache()
                    continue
                smaller = (halve_tile(roi_size[0], margin, step), halve_tile(roi_size[1], margin, step))
                if smaller == roi_size:
                    raise
                logger.warning("Out of GPU memory with tiles of %s pixels; trying again with %s", roi_size, smaller)
                roi_size = smaller
                empty_cache()

    def tile(self, size: tuple[int, int], network: Any, device: torch.device) -> tuple[int, int]:
        """Return the input tile (height, width) that an image of that size, on that device, is computed with."""
        if self.roi_size is not None:
            return self.roi_size
        memory = free_memory(_device_of(network, device)) // (2 * (self.sw_batch_size or 1))
        chosen = choose_tile(size, unwrap(network), memory)
        logger.debug("Images of %s pixels in tiles of %s", size, chosen)
        return chosen

    @staticmethod
    def _tiles_together(roi_size: tuple[int, int], network: Any, device: torch.device) -> int:
        """Return how many tiles fit into half of a GPU's free memory, at most 16; a CPU gains nothing by several."""
        device = _device_of(network, device)
        if device.type == "cpu" or not hasattr(unwrap(network), "values_per_pixel"):
            return 1
        each = network_bytes(unwrap(network), roi_size[0] * roi_size[1])
        return min(max(free_memory(device) // (2 * each), 1), MOST_TOGETHER)

    def _infer(
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        roi_size: tuple[int, int],
        together: int,
        margin: int,
        step: int,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        images = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        rows, row_tile = plan_tiles(inputs.shape[-2], roi_size[0], margin, step)
        columns, column_tile = plan_tiles(inputs.shape[-1], roi_size[1], margin, step)
        compute_device = _device_of(network, inputs.device)
        gather_device = torch.device(self.device) if self.device is not None else inputs.device

        report = self.progress if callable(self.progress) else lambda done, total: None
        bar = self.progress is True
        result: Tensor | None = None
        # a tile of all images in a row: what is alike for them is one call, and each call costs Python's time
        jobs = [(image, *place) for place in product(rows, columns) for image in range(inputs.shape[0])]
        done = 0
        report(done, len(jobs))
        for batch in tqdm(list(_batches(jobs, together)), desc="tiles", disable=not bar):
            parts = []
            for (row, column), some in groupby(batch, lambda job: job[1:]):
                numbers = [image for image, *_ in some]
                parts.append((row, column, slice(numbers[0], numbers[-1] + 1)))
            crops = [
                mirror_crop(images[several], row.start - margin, column.start - margin, row_tile, column_tile)
                for row, column, several in parts
            ]
            tiles = torch.cat(crops)
            output = network(tiles.to(compute_device), *args, **kwargs)
            expected = (row_tile - 2 * margin, column_tile - 2 * margin)
            if tuple(output.shape[-2:]) != expected:
                raise ValueError(
                    f"The network made {tuple(output.shape[-2:])} pixels of a {(row_tile, column_tile)} tile although "
                    f"a margin of {margin} leaves {expected}; give the inferer the network's own margin."
                )
            if result is None:
                shape = (inputs.shape[0], output.shape[1], *inputs.shape[-2:])
                result = torch.empty(shape, dtype=output.dtype, device=gather_device)
            outputs = output.split([len(crop) for crop in crops])
            for (row, column, several), part in zip(parts, outputs, strict=True):
                result[several, :, row.first : row.stop, column.first : column.stop] = part[
                    :,
                    :,
                    row.first - row.start : row.stop - row.start,
                    column.first - column.start : column.stop - column.start,
                ].to(gather_device)
            done += len(batch)
            report(done, len(jobs))
        if result is None:
            raise ValueError(f"There is nothing to compute in a batch of shape {tuple(inputs.shape)}.")
        return MetaTensor(result).copy_meta_from(inputs) if isinstance(inputs, MetaTensor) else result

    def _geometry(self, network: Any) -> tuple[int, int]:
        own = unwrap(network)
        margin = self.margin if self.margin is not None else getattr(own, "margin", None)
        step = self.step if self.step is not None else getattr(own, "step", None)
        if margin is None or step is None:
            raise ValueError(
                f"{type(own).__name__} has no margin and step; give them to the inferer (the paper's U-Net: 92, 16)."
            )
        return int(margin), int(step)


def plan_tiles(size: int, roi_size: int, margin: int, step: int) -> tuple[list[Tile], int]:
    """Cut a side of ``size`` output pixels into tiles that start on multiples of ``step``.

    Parameters
    ----------
    size, roi_size, margin, step : int
        Image side, largest input tile, pixels lost on each side of a tile, grid of tile starts.

    Returns
    -------
    tiles : list of Tile
        Their ``first`` … ``stop`` ranges cover 0 … size − 1, each pixel once.
    tile : int
        The input side used: ``roi_size``, or less by a multiple of ``step`` if that is enough.
    """
    output = roi_size - 2 * margin
    if output < 1:
        raise ValueError(f"A tile of {roi_size} pixels leaves nothing after a margin of {margin} on each side.")
    output -= max(0, (output - size) // step) * step
    if output >= size:
        return [Tile(0, 0, size)], output + 2 * margin
    stride = output // step * step
    if stride == 0:
        raise ValueError(
            f"A tile of {roi_size} pixels gives {output} output pixels, fewer than the step of {step}; use a "
            f"tile of at least {2 * margin + step} pixels."
        )
    starts = list(range(0, size - output, stride))
    starts.append(math.ceil((size - output) / step) * step)
    stops = [start + output for start in starts[:-1]] + [size]
    firsts = [0, *stops[:-1]]
    return [Tile(*tile) for tile in zip(starts, firsts, stops, strict=True)], output + 2 * margin


def halve_tile(roi_size: int, margin: int, step: int) -> int:
    """Return an input tile with about half the output, valid for the network; the same tile if none is smaller."""
    output = roi_size - 2 * margin
    steps = max(0, min((output - step) // step, math.ceil(output / 2 / step)))
    return roi_size - steps * step


def unwrap(network: Any) -> Any:
    """Return the network inside DistributedDataParallel, DataParallel or ``torch.compile`` wrappers."""
    while True:
        inner = getattr(network, "_orig_mod", None) or getattr(network, "module", None)
        if inner is None:
            return network
        network = inner


def _device_of(network: Any, otherwise: torch.device) -> torch.device:
    parameters = getattr(network, "parameters", None)
    first = next(iter(parameters()), None) if callable(parameters) else None
    return otherwise if first is None else first.device


def _batches(jobs: list, size: int) -> Iterator[list]:
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]


MOST_TOGETHER = 16  # tiles in a forward pass
LARGEST_OUTPUT = 2052  # px; neighbours compute 7 % twice at this size (margin 92), and little less at larger ones


def choose_tile(size: tuple[int, int], network: Any, memory: int) -> tuple[int, int]:
    """Return the input tile (height, width) with which a network computes an image in the least time.

    Every tile computes its own margin, so large tiles cost less, and tiles that divide the image evenly cost least.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image in pixels.
    network : UNet or other
        Has ``margin``, ``step``, ``smallest_size`` and ``values_per_pixel``, as :class:`unetpipe.networks.UNet`.
    memory : int
        Bytes that one tile may take.

    Raises
    ------
    ValueError
        If the network lacks one of these attributes.
    """
    try:
        margin, step, smallest = network.margin, network.step, network.smallest_size
        bytes_per_pixel = network_bytes(network, 1)
    except AttributeError as error:
        raise ValueError(
            f"{type(network).__name__} does not say its sizes ({error}); give roi_size, or name its own inferer under "
            "tiles#inferer in inference.json."
        ) from error
    # outputs are rest + k·step; neighbouring tiles overlap by the rest
    least, rest = divmod(smallest - 2 * margin, step)
    output = min(LARGEST_OUTPUT, math.isqrt(int(memory / bytes_per_pixel)) - 2 * margin)
    most = max((output - rest) // step, 1)
    height, width = (2 * margin + rest + step * max(_even_steps(side - rest, most, step), least) for side in size)
    return height, width


def _even_steps(length: int, most: int, step: int) -> int:
    """Return the fewest steps, at most ``most``, whose multiple covers a length with as few tiles as that many."""
    tiles = max(math.ceil(length / (most * step)), 1)
    return math.ceil(length / (tiles * step))
