from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from torch import Tensor, nn

from unetpipe.inferers import OverlapTileInferer, overlap_tile, plan_tiles
from unetpipe.inferers.overlap_tile import unwrap
from unetpipe.networks import UNet, fold_batch_norm


@functools.cache
def network(depth: int, in_channels: int = 1, norm: str | None = None) -> UNet:
    """Return a float64 network whose biases, and running statistics if any, are not 0."""
    torch.manual_seed(depth)
    made = UNet(in_channels, channels=[2] * (depth + 1), norm=norm).double().eval()
    for name, value in made.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            nn.init.normal_(value, std=0.1)
    return made


def image_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@torch.no_grad()
def in_one_piece(net: UNet, images: Tensor) -> Tensor:
    """net(np.pad(images, …, mode="reflect")): a margin at the top and left, at the bottom and right up to a valid size.

    Written without the inferer and its mirroring.
    """
    height, width = images.shape[-2:]
    pads = []
    for side in (height, width):
        valid = next(n for n in net.valid_sizes(side + 2 * net.margin + net.step) if n >= side + 2 * net.margin)
        pads.append((net.margin, valid - side - net.margin))
    padded = np.pad(images.numpy(), [(0, 0), (0, 0), *pads], mode="reflect")
    return net(torch.from_numpy(padded))[..., :height, :width]


@torch.no_grad()
def tiled(net, images: Tensor, *args, **options) -> Tensor:
    return OverlapTileInferer(*args, **options)(images, net)


def largest_difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


@settings(max_examples=60)
@given(
    depth=st.integers(1, 3),
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    tile=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    batch=st.integers(1, 2),
    in_channels=st.integers(1, 2),
    sw_batch_size=st.integers(1, 7),
    norm=st.sampled_from([None, "batch"]),
    seed=st.integers(0, 99),
)
def test_tiled_equals_the_whole_image(depth, size, tile, batch, in_channels, sw_batch_size, norm, seed) -> None:
    """Any size, down to 1 × 1, smaller or larger than margin and tile, square or not."""
    net = network(depth, in_channels, norm)
    roi_size = [net.smallest_size + more * net.step for more in tile]
    images = image_of(batch, in_channels, *size, seed=seed)
    result = tiled(net, images, roi_size, sw_batch_size)
    assert result.shape == (batch, 2, *size)
    assert result.dtype == torch.float64
    assert largest_difference(result, in_one_piece(net, images)) < 1e-10


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (40, 60), (60, 40), (91, 93), (133, 100)])
def test_tiled_equals_the_whole_image_at_the_depth_of_the_paper(size: tuple[int, int]) -> None:
    images = image_of(1, 1, *size)
    assert largest_difference(tiled(network(4), images, 252, 3), in_one_piece(network(4), images)) < 1e-10


@pytest.mark.parametrize(("depth", "roi_size", "wrong_step"), [(2, 60, 2), (3, 100, 12), (4, 220, 36)])
def test_tiles_off_the_pooling_grid_are_not_seamless(depth: int, roi_size: int, wrong_step: int) -> None:
    """At depth 3 a tile of 100 gives 12 pixels: 12 is no multiple of 8. In the paper's network, 388 is none of 16."""
    net, images = network(depth), image_of(1, 1, 45, 62)
    whole = in_one_piece(net, images)
    assert largest_difference(tiled(net, images, roi_size, step=wrong_step), whole) > 1e-6
    assert largest_difference(tiled(net, images, roi_size), whole) < 1e-10


@settings(max_examples=200)
@given(
    size=st.integers(1, 400),
    output=st.integers(1, 120),
    margin=st.integers(0, 60),
    step=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_tiles_cover_each_pixel_once_on_the_grid(size: int, output: int, margin: int, step: int) -> None:
    roi_size = output + 2 * margin
    assume(output >= step or size <= output)
    tiles, side = plan_tiles(size, roi_size, margin, step)
    made = side - 2 * margin
    covered = np.zeros(size, int)
    for tile in tiles:
        assert tile.start % step == 0
        assert tile.start <= tile.first < tile.stop <= tile.start + made  # taken from what the tile makes
        covered[tile.first : tile.stop] += 1
    assert (covered == 1).all()
    assert made > 0
    assert side <= roi_size
    assert (roi_size - side) % step == 0
    assert tiles[-1].start + made < size + step  # nothing far outside the image


def test_tile_without_output_is_refused() -> None:
    with pytest.raises(ValueError, match="margin of 92"):
        plan_tiles(100, 184, 92, 16)


def test_tile_that_makes_less_than_a_step_is_refused_unless_one_is_enough() -> None:
    assert plan_tiles(4, 188, 92, 16) == ([(0, 0, 4)], 188)
    with pytest.raises(ValueError, match="tile of at least 200 pixels"):
        plan_tiles(5, 188, 92, 16)


class Recorder(nn.Module):
    """Keep the shapes that a network was given, and what came with them."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net, self.shapes, self.extra = net, [], []
        self.margin, self.step = net.margin, net.step

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        self.shapes.append(tuple(x.shape))
        self.extra.append((args, kwargs))
        return self.net(x)


def test_small_image_is_given_the_smallest_tile() -> None:
    recorder = Recorder(network(2))
    tiled(recorder, image_of(1, 1, 4, 9), 444)
    assert recorder.shapes == [(1, 1, 44, 52)]  # 4 → 4, 9 → 12


def test_roi_size_is_height_and_width() -> None:
    recorder = Recorder(network(1))
    tiled(recorder, image_of(1, 1, 40, 40), (26, 34), 100)
    assert [shape[-2:] for shape in recorder.shapes] == [(26, 34)]


def test_tiles_go_through_in_batches_across_images() -> None:
    recorder = Recorder(network(1))
    tiled(recorder, image_of(2, 1, 30, 10), 26, 4)  # 10 pixels a tile, 3 tiles an image
    assert recorder.shapes == [(4, 1, 26, 26), (2, 1, 26, 26)]


def test_arguments_reach_the_network() -> None:
    recorder = Recorder(network(1))
    OverlapTileInferer(26)(image_of(1, 1, 5, 5), recorder, "one", two=2)
    assert recorder.extra == [(("one",), {"two": 2})]


def test_network_that_makes_another_size_is_refused() -> None:
    padded = UNet(channels=(2, 2), padding="same").double().eval()
    with pytest.raises(ValueError, match=r"made \(32, 32\) pixels of a \(32, 32\) tile .* margin of 8"):
        tiled(padded, image_of(1, 1, 40, 40), 32, margin=8)


def test_function_needs_margin_and_step() -> None:
    def crop(x: Tensor) -> Tensor:
        return x[..., 3:-3, 3:-3]

    image = image_of(1, 1, 20, 31)
    for given_alone in ({}, {"margin": 3}, {"step": 1}):
        with pytest.raises(ValueError, match=r"function has no margin and step; give them"):
            OverlapTileInferer(16, **given_alone)(image, crop)
    assert torch.equal(OverlapTileInferer(16, margin=3, step=1)(image, crop), image)


def test_metatensor_keeps_its_meta_data() -> None:
    net, plain = network(1), image_of(1, 1, 30, 41)
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
    result = tiled(net, MetaTensor(plain, affine=affine, meta={"filename_or_obj": "cells.tif"}), 34)
    assert isinstance(result, MetaTensor)
    assert result.meta["filename_or_obj"] == "cells.tif"
    assert torch.equal(result.affine, affine)
    assert torch.equal(result.as_tensor(), tiled(net, plain, 34))
    assert not isinstance(tiled(net, plain, 34), MetaTensor)


class Wrapper(nn.Module):
    """Hold a network as ``module``, as DataParallel does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


def test_wrapped_network_is_asked_for_its_margin() -> None:
    net, image = network(1), image_of(1, 1, 30, 41)
    plain = tiled(net, image, 34)
    for wrapped in (
        Wrapper(net),
        nn.DataParallel(net),
        torch.compile(net, backend="eager"),
        Wrapper(torch.compile(net, backend="eager")),
    ):
        assert unwrap(wrapped) is net
        assert largest_difference(tiled(wrapped, image, 34), plain) < 1e-12


@pytest.mark.parametrize("wrong", [{"roi_size": 0}, {"roi_size": (34, -2)}, {"roi_size": 34, "sw_batch_size": 0}])
def test_sizes_must_be_positive(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        OverlapTileInferer(**wrong)


def test_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compute"):
        tiled(network(1), torch.zeros(0, 1, 20, 20, dtype=torch.float64), 34)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")]
)
def test_out_of_memory_goes_on_with_smaller_tiles(error: Exception, caplog):
    network = UNet(channels=(2, 4, 8), dropout=0).double().eval()
    image = torch.randn(1, 1, 90, 70, dtype=torch.float64)

    def small_memory(tiles: torch.Tensor) -> torch.Tensor:
        if tiles.shape[-1] * tiles.shape[-2] > 90 * 90:
            raise error
        return network(tiles)

    margin, step = network.margin, network.step
    with torch.no_grad():
        expected = OverlapTileInferer(64, margin=margin, step=step)(image, network)
        result = OverlapTileInferer(132, margin=margin, step=step)(image, small_memory)
    assert torch.allclose(result, expected, atol=1e-12)
    assert "Out of GPU memory" in caplog.text


def test_out_of_memory_goes_on_with_fewer_tiles_at_a_time(caplog) -> None:
    network = UNet(channels=(2, 4, 8), dropout=0).double().eval()
    image = torch.randn(2, 1, 90, 70, dtype=torch.float64)
    counts: list[int] = []

    def small_memory(tiles: torch.Tensor) -> torch.Tensor:
        counts.append(len(tiles))
        if len(tiles) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network(tiles)

    margin, step = network.margin, network.step
    with torch.no_grad():
        expected = OverlapTileInferer(64, margin=margin, step=step)(image, network)
        result = OverlapTileInferer(64, 8, margin=margin, step=step)(image, small_memory)
    assert torch.allclose(result, expected, atol=1e-12)
    assert counts[:3] == [8, 4, 2]
    assert "2 tile(s) at a time" in caplog.text


def test_tiles_at_a_time_follow_the_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    network = UNet(channels=(2, 4, 8))
    each = overlap_tile.network_bytes(network, 60 * 60)
    together = OverlapTileInferer._tiles_together
    assert together((60, 60), network, torch.device("cpu")) == 1
    monkeypatch.setattr(overlap_tile, "_device_of", lambda network, device: device)
    for free, expected in ((each, 1), (2 * 5 * each, 5), (1000 * each, 16)):
        monkeypatch.setattr(overlap_tile, "free_memory", lambda device, free=free: free)
        assert together((60, 60), network, torch.device("cuda")) == expected


def test_out_of_memory_at_the_smallest_tile_is_raised():
    def no_memory(tiles: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        OverlapTileInferer(132, margin=20, step=4)(torch.zeros(1, 1, 9, 9), no_memory)


def test_batch_norms_are_folded_whoever_loaded_the_network() -> None:
    """Bit by bit as with the folded network; not where gradients are wanted, which folding would cut off."""
    network = UNet(1, 2, (4, 8), norm="batch").eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    image = torch.rand(1, 1, 40, 40)
    with torch.no_grad():
        assert torch.equal(OverlapTileInferer()(image, network), OverlapTileInferer()(image, fold_batch_norm(network)))
    OverlapTileInferer()(image, network).sum().backward()
    assert network.classify.weight.grad is not None


def test_a_function_is_told_the_tiles_and_can_end_the_inference() -> None:
    told: list[tuple[int, int]] = []
    net = network(1)
    tiled(net, image_of(1, 1, 20, 30), roi_size=24, sw_batch_size=2, progress=lambda *counts: told.append(counts))
    done, totals = zip(*told, strict=True)
    assert done[0] == 0
    assert done[-1] == totals[0] > 4
    assert set(np.diff(done[:-1])) == {2}
    assert len(set(totals)) == 1

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 2:
            raise Enough

    with pytest.raises(Enough):
        tiled(net, image_of(1, 1, 20, 30), roi_size=24, progress=stop)
