from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unetpipe.networks import UNet


@pytest.fixture(scope="module")
def paper() -> UNet:
    """The network with default arguments, without memory for its weights: shapes only."""
    with torch.device("meta"):
        return UNet()


def small(depth: int = 2, width: int = 2, **options) -> UNet:
    """Return a narrow network in evaluation mode with biases that are not 0."""
    torch.manual_seed(0)
    network = UNet(channels=[width] * (depth + 1), **options)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


def output_by_hand(size: int, depth: int) -> int | None:
    """Follow a side through the U, one layer at a time; None where a pooling meets an odd side or nothing is left."""
    for _ in range(depth):
        size -= 4  # two 3 × 3 convolutions
        if size < 2 or size % 2:
            return None
        size //= 2
    size -= 4
    for _ in range(depth):
        if size < 1:
            return None
        size = 2 * size - 4
    return size if size > 0 else None


def test_default_has_31_030_658_parameters(paper: UNet) -> None:
    assert sum(parameter.numel() for parameter in paper.parameters()) == 31_030_658


def test_default_has_23_convolutional_layers(paper: UNet) -> None:
    assert sum(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in paper.modules()) == 23


def test_572_gives_388(paper: UNet) -> None:
    assert paper(torch.empty(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    assert paper.output_size(572) == 388
    assert paper.input_size(388) == 572
    assert (paper.margin, paper.step) == (92, 16)


def test_valid_sizes_of_the_paper(paper: UNet) -> None:
    assert paper.valid_sizes(236) == [188, 204, 220, 236]
    assert paper.valid_sizes(187) == []
    assert [paper.output_size(size) for size in paper.valid_sizes(1000)] == [16 * k + 4 for k in range(51)]


@pytest.mark.parametrize("shape", [(570, 572), (572, 570), (570, 570)])
def test_wrong_size_is_refused_naming_its_neighbours(paper: UNet, shape: tuple[int, int]) -> None:
    for attempt in (lambda: paper(torch.empty(1, 1, *shape, device="meta")), lambda: paper.check_size(*shape)):
        with pytest.raises(ValueError, match=r"570 pixels .* 556 and 572\."):
            attempt()


def test_too_small_size_is_refused_naming_the_two_smallest(paper: UNet) -> None:
    for size in (-100, 0, 1, 187):
        with pytest.raises(ValueError, match=r"188 and 204\."):
            paper.output_size(size)


@pytest.mark.parametrize("depth", range(6))
def test_valid_sizes_are_those_that_pass_layer_by_layer(depth: int) -> None:
    network = small(depth)
    largest = network.smallest_size + 3 * network.step + 1
    by_hand = {size: output for size in range(1, largest + 1) if (output := output_by_hand(size, depth)) is not None}
    assert network.valid_sizes(largest) == list(by_hand)
    assert [network.output_size(size) for size in by_hand] == list(by_hand.values())


@settings(max_examples=25)
@given(
    channels=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    in_channels=st.integers(1, 3),
    out_channels=st.integers(1, 3),
    extra=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    norm=st.sampled_from([None, "batch"]),
)
def test_output_size_and_margin_agree_with_the_forward_pass(
    channels: list[int], in_channels: int, out_channels: int, extra: tuple[int, int], norm: str | None
) -> None:
    network = UNet(in_channels, out_channels, channels, norm=norm).eval()
    height, width = (network.smallest_size + more * network.step for more in extra)
    with torch.no_grad():
        output = network(torch.zeros(2, in_channels, height, width))
    assert output.shape == (2, out_channels, network.output_size(height), network.output_size(width))
    assert output.shape[-2:] == (height - 2 * network.margin, width - 2 * network.margin)


@settings(max_examples=50)
@given(depth=st.integers(0, 5), output=st.integers(1, 700))
def test_input_size_is_the_smallest_that_reaches_the_output(depth: int, output: int) -> None:
    with torch.device("meta"):
        network = small(depth, width=1)
    size = network.input_size(output)
    assert network.output_size(size) >= output
    assert size == network.smallest_size or network.output_size(size - network.step) < output


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_gradient_of_a_crop_has_its_channels_last_as_well(padding: str) -> None:
    """The crop of a training is that of evaluation; otherwise each layer before it would copy the gradient."""
    network = UNet(channels=(2, 4), padding=padding)
    side = 20 if padding == "same" else 13
    leaf = torch.rand(2, 3, 20, 20).to(memory_format=torch.channels_last).requires_grad_()
    skip, gradients = leaf * 1, []
    skip.register_hook(gradients.append)
    cropped = network.train().crop(skip, side, side)
    assert torch.equal(cropped, network.eval().crop(skip, side, side))
    cropped.backward(1 + torch.rand_like(cropped))
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)
    assert (gradients[0] != 0).sum() == 2 * 3 * side**2


def test_skips_are_cropped_at_the_centre() -> None:
    """Every kernel passes on its middle pixel, the way up is cut: what is left is the image, cropped."""
    network = UNet(channels=(1, 1, 1), out_channels=1, dropout=0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.zeros_(module.weight)
        if isinstance(module, nn.Conv2d):
            middle = module.kernel_size[0] // 2
            nn.init.ones_(module.weight[:, 0, middle, middle])  # channel 0 of a concatenation is the skip
    image = torch.rand(1, 1, 48, 60)
    assert torch.equal(network(image), image[..., 20:-20, 20:-20])


@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_norms_that_depend_on_the_tile_are_refused(norm: str) -> None:
    with pytest.raises(ValueError, match=f"{norm}.*tiles"):
        UNet(norm=norm)


@pytest.mark.parametrize(
    "wrong",
    [
        {"norm": "weight"},
        {"padding": "reflect"},
        {"channels": ()},
        {"channels": (4, 0)},
        {"in_channels": 0},
        {"out_channels": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
    ],
)
def test_wrong_argument_is_named(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNet(**wrong)


def test_initial_weights_have_the_standard_deviation_of_the_paper() -> None:
    torch.manual_seed(0)
    network = UNet(channels=(64, 128), out_channels=64)
    for weight, incoming in (
        (network.down[0][2].weight, 576),  # 3 × 3 on 64 channels
        (network.down[1][0].weight, 576),
        (network.up[0][0].weight, 9 * 128),  # 64 channels of the skip, 64 from below
        (network.up_convolution[0].weight, 128),  # one pixel of 128 channels
        (network.classify.weight, 64),
    ):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / incoming), rel=0.03)
        assert abs(weight.mean().item()) < 0.05 * math.sqrt(2 / incoming)
    assert all(not bias.any() for name, bias in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_same_padding_keeps_the_size(depth: int) -> None:
    network = small(depth, padding="same")
    height, width = 2 * 2**depth, 5 * 2**depth
    assert network(torch.zeros(1, 1, height, width)).shape == (1, 2, height, width)
    assert (network.margin, network.output_size(height)) == (0, height)


def test_same_padding_refuses_a_side_that_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="nearest valid sizes are 24 and 32"):
        small(3, padding="same")(torch.zeros(1, 1, 24, 28))


@pytest.mark.parametrize(("skips", "constant"), [(True, False), (False, True)])
def test_without_skips_all_passes_through_the_bottom(skips: bool, constant: bool) -> None:
    network = small(2, skip_connections=skips)
    for up_convolution in network.up_convolution:
        nn.init.zeros_(up_convolution.weight)  # the way up now carries a constant
    output = network(torch.rand(1, 1, 52, 60))
    assert output.shape == (1, 2, 12, 20)
    assert torch.allclose(output, output[..., :1, :1]) is constant


def test_dropout_sits_on_the_two_deepest_levels_only() -> None:
    network = UNet(channels=(2, 2, 2, 2, 2), dropout=0.3)
    rates = [[layer.p for layer in block if isinstance(layer, nn.Dropout)] for block in network.down]
    assert rates == [[], [], [], [0.3], [0.3]]
    assert isinstance(network.down[-1][-1], nn.Dropout)  # at the end of the level
    assert sum(isinstance(module, nn.Dropout) for module in network.modules()) == 2


def test_dropout_draws_in_training_and_not_in_evaluation() -> None:
    network = small(1, width=8)
    image = torch.rand(1, 1, 26, 26)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


@pytest.mark.parametrize("norm", [None, "batch"])
def test_torchscript_gives_the_same(norm: str | None) -> None:
    network = small(2, norm=norm)
    scripted = torch.jit.script(network)
    image = torch.rand(1, 1, 48, 60)
    torch.testing.assert_close(scripted(image), network(image), atol=1e-6, rtol=0)
    with pytest.raises(Exception, match="48 and 52"):
        scripted(torch.rand(1, 1, 48, 50))


def test_compiled_network_gives_the_same() -> None:
    network = small(2)
    image = torch.rand(1, 1, 48, 60)
    torch.testing.assert_close(torch.compile(network, backend="eager")(image), network(image), atol=1e-6, rtol=0)


def test_distributed_network_gives_the_same_output_and_gradients(tmp_path) -> None:
    network, image = small(1), torch.rand(2, 1, 26, 26)
    expected = network(image)
    gradients = torch.autograd.grad(expected.sum(), list(network.parameters()))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        output = nn.parallel.DistributedDataParallel(network)(image)
        output.sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-5)


def test_batch_norm_depends_on_the_tile_in_training_only() -> None:
    network = small(2, norm="batch").double()
    large = torch.rand(1, 1, 60, 60, dtype=torch.float64)
    tile = large[..., 8:56, 4:52]  # moved by multiples of the step, 4
    network.train()
    network(large)  # running statistics other than 0 and 1
    assert not torch.allclose(network(tile), network(large)[..., 8:16, 4:12], atol=1e-3)
    network.eval()
    torch.testing.assert_close(network(tile), network(large)[..., 8:16, 4:12], atol=1e-12, rtol=0)
