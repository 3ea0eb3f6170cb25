"""Time the inference of one image: automatic tile, number format, MONAI's usual way, share of the processor's rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer, SlidingWindowInferer
from monai.networks.nets import BasicUNet
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.pictures import class_agreement
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Row, Times, alternate, ratio
from unetpipe.inferers import AutocastInferer, OverlapTileInferer, bfloat16_is_fast
from unetpipe.networks import UNet, fold_batch_norm

NAME = "inference"
PAPERS_TILE = 572


def run(settings: Settings) -> list[Row]:
    """Check that all ways give one result, then time them on a 512² image at the paper's width."""
    side, width = (512, 64) if not settings.quick else (400, 4)
    channels = tuple(width * 2**level for level in range(5))
    image = torch.rand(1, 1, side, side)
    plain = network_with_statistics(channels)
    ready = fold_batch_norm(plain).to(memory_format=torch.channels_last)
    peer = BasicUNet(2, 1, 2, features=(*channels, channels[0])).eval()
    window = SlidingWindowInferer(256, overlap=0.5, mode="gaussian")

    jobs = {
        "plain float32": job(image, _Unfolded(plain), OverlapTileInferer(), amp=False),
        "float32": job(image, ready, OverlapTileInferer(), amp=False),
        "float32, 572-tiles": job(image, ready, OverlapTileInferer(PAPERS_TILE), amp=False),
        "BasicUNet, float32": job(image, peer, window, amp=False),
    }
    if bfloat16_is_fast("cpu"):
        jobs |= {
            "bfloat16": job(image, ready, OverlapTileInferer(), amp=True),
            "bfloat16, 572-tiles": job(image, ready, OverlapTileInferer(PAPERS_TILE), amp=True),
            "BasicUNet, bfloat16": job(image, peer, window, amp=True),
        }
    _check(jobs, (1, 2, side, side))
    times = alternate(jobs, settings.repeats, warm_up=False)

    rows = []
    for kind in ("float32", "bfloat16") if "bfloat16" in jobs else ("float32",):
        what = f"{side}², width {width}, {kind}"
        rows += [
            ratio(NAME, f"{what}: automatic tile against 572-tiles", times, f"{kind}, 572-tiles", kind, 2.2),
            ratio(NAME, f"{what}: against MONAI's BasicUNet and sliding window", times, f"BasicUNet, {kind}", kind, 2),
            share_of_peak(ready, image, kind, settings.repeats),
        ]
    if "bfloat16" in jobs:
        what = f"{side}², width {width}: default against eager float32 NCHW"
        rows += [ratio(NAME, what, times, "plain float32", "bfloat16", 2.3), class_agreement(NAME)]
    return rows


def job(image: Tensor, network: nn.Module, inferer: Inferer, amp: bool) -> Callable[[], Tensor]:
    """Return a call that computes the image."""

    def compute() -> Tensor:
        with torch.inference_mode():
            return AutocastInferer(inferer, amp)(image, network)

    return compute


class _Unfolded(nn.Module):
    """A network as it is: the inferer folds the batch norms of a bare one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


def network_with_statistics(channels: tuple[int, ...]) -> UNet:
    """Return a network of random weights whose batch norms hold statistics as after training."""
    torch.manual_seed(0)
    network = UNet(channels=channels, norm="batch").eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network


def share_of_peak(network: nn.Module, image: Tensor, kind: str, repeats: int) -> Row:
    """Return the share of the rate (FLOP/s) of its quickest 3×3 layer, run alone, that the whole network reaches."""
    amp = kind == "bfloat16"
    inputs = layer_inputs(network, image, amp)
    layers: dict[str, Callable[[], Any]] = {}
    operations = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            alone = _alone(layer, inputs[name], amp)
            layers[name], operations[name] = alone, count_operations(alone)
    whole = job(image, network, OverlapTileInferer(), amp)
    times = alternate({"network": whole, **layers}, repeats)
    rates = {name: operations[name] / times[name].median for name in layers}
    best = max(rates, key=lambda name: rates[name])
    share = count_operations(whole) / times["network"].median / rates[best]
    return Row(
        NAME,
        f"network's rate over that of its best 3×3 layer, {kind}",
        100 * share,
        "%",
        bound=80,
        seconds={"network": times["network"], best: times[best]},
        seen=f"best: {rates[best] / 1e9:.0f} GFLOP/s",
    )


def layer_inputs(network: nn.Module, image: Tensor, amp: bool) -> dict[str, Tensor]:
    """Return an input of the size and format that each convolution gets in the network, by its name."""
    inputs: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda layer, given, name=name: inputs.update({name: given[0].clone()}))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    job(image, network, OverlapTileInferer(), amp)()
    for hook in hooks:
        hook.remove()
    return inputs


def _alone(layer: nn.Conv2d, given: Tensor, amp: bool) -> Callable[[], Tensor]:
    def compute() -> Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=amp):
            return layer(given)

    return compute


def count_operations(job: Callable[[], Any]) -> int:
    """Return the floating-point operations of a call (a multiplication and an addition count as two)."""
    with FlopCounterMode(display=False) as counter:
        job()
    return counter.get_total_flops()


def _check(jobs: dict[str, Callable[[], Tensor]], shape: tuple[int, ...]) -> None:
    results = {name: compute() for name, compute in jobs.items()}
    assert all(tuple(result.shape) == shape and result.isfinite().all() for result in results.values())
    plain = results["plain float32"]
    for name, result in results.items():
        if not name.startswith("BasicUNet"):
            tolerance = 0.05 if "bfloat16" in name else 1e-3
            assert (result - plain).abs().max() <= tolerance * plain.abs().max(), name


def by_side(settings: Settings) -> dict[int, Times]:
    """Return the time of an image by its side, width 16, in the default format."""
    sides = (256, 512, 1024, 2048, 4096, 8192) if not settings.quick else (64, 128)
    ready = fold_batch_norm(network_with_statistics((16, 32, 64, 128, 256))).to(memory_format=torch.channels_last)
    result = {}
    for side in sides:
        compute = job(torch.rand(1, 1, side, side), ready, OverlapTileInferer(), amp=True)
        result[side] = alternate({"network": compute}, settings.repeats if side < 4096 else 1, side < 4096)["network"]
    return result


def by_tile(settings: Settings) -> dict[int, Times]:
    """Return the time of an image of 2048² by the side of the tiles, width 16, in the default format."""
    side, tiles = (2048, (204, 252, 316, 444, 572, 828, 1212, 2236)) if not settings.quick else (128, (188, 252))
    ready = fold_batch_norm(network_with_statistics((16, 32, 64, 128, 256))).to(memory_format=torch.channels_last)
    image = torch.rand(1, 1, side, side)
    jobs = {str(tile): job(image, ready, OverlapTileInferer(tile), amp=True) for tile in tiles}
    return {int(tile): times for tile, times in alternate(jobs, settings.repeats, warm_up=False).items()}
