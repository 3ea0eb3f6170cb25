"""Time one pass of the U-Net, and the winner of ISBI 2012, which looked at a patch for every pixel.

References
----------
D. Cireşan, A. Giusti, L. Gambardella, J. Schmidhuber: Deep Neural Networks Segment Neuronal Membranes in
Electron Microscopy Images, NIPS 2012: table 1, network N4.
"""

from __future__ import annotations

import torch

from benchmarks.speed.inference import job, network_with_statistics
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, alternate, ratio
from unetpipe.inferers import OverlapTileInferer
from unetpipe.networks import fold_batch_norm
from unetpipe.networks.baselines import PatchCNN

NAME = "patchwise"
SAMPLE = 128  # windows


def run(settings: Settings) -> list[Row]:
    """Time a sample of patches and extrapolate to every pixel of a 512² image; and time N4 densely, to be fair.

    Densely, the parts that neighbouring patches share are computed only once. This was not done in 2012.
    """
    side, width = (512, 64) if not settings.quick else (128, 4)
    image = torch.rand(1, 1, side, side)
    ready = fold_batch_norm(network_with_statistics(tuple(width * 2**level for level in range(5))))
    whole = job(image, ready.to(memory_format=torch.channels_last), OverlapTileInferer(), amp=True)
    patch_network = PatchCNN().eval().to(memory_format=torch.channels_last)
    sample = torch.rand(SAMPLE, 1, PatchCNN.window, PatchCNN.window)
    patches = job(sample, patch_network, lambda inputs, network: network(inputs), amp=True)  # type: ignore[arg-type]
    dense = job(image, patch_network, OverlapTileInferer(), amp=True)
    assert tuple(whole().shape) == tuple(dense().shape) == (1, 2, side, side)
    assert tuple(patches().shape) == (SAMPLE, 2, 1, 1)
    times = alternate({"U-Net": whole, f"{SAMPLE} patches": patches, "N4 densely": dense}, settings.repeats)
    value = times[f"{SAMPLE} patches"].median * side**2 / SAMPLE / times["U-Net"].median
    what = f"{side}², width {width}, against N4 of 2012 patch by patch (extrapolated from {SAMPLE} patches)"
    return [
        Row(NAME, what, value, bound=200, seconds=times),
        ratio(NAME, f"{side}², width {width}, against N4 computed densely", times, "N4 densely", "U-Net", bound=None),
    ]
