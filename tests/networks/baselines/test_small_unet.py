from __future__ import annotations

import pytest
import torch

from unetpipe.errors import InputError
from unetpipe.inferers import OverlapTileInferer
from unetpipe.networks.baselines import SmallUNet


@pytest.mark.parametrize("skips", [None, [], [0], [1]])
def test_output_has_the_size_of_the_input(skips: list[int] | None):
    assert SmallUNet(1, 3, (4, 6), skips=skips)(torch.rand(2, 1, 28, 36)).shape == (2, 3, 28, 36)


@torch.no_grad()
def test_without_skips_only_the_bottom_reaches_the_result():
    """Two images whose features agree after the poolings give one result; a skip tells them apart."""
    one = torch.zeros(1, 1, 8, 8)
    other = one.clone()
    one[..., 3, 3] = other[..., 2, 2] = 1  # the same pixel of each 2 × 2 block's maximum

    def results(skips: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(0)
        network = SmallUNet(1, 1, (4, 4), skips=skips).eval()
        for block in network.down:  # each pixel by itself, so that pooling hides where in its block it was
            block[0].weight.zero_()[..., 1, 1] = 1
        return network(one), network(other)

    torch.testing.assert_close(*results([]))
    assert not torch.equal(*results([0]))


@torch.no_grad()
def test_the_inferer_takes_any_size_in_one_pass():
    network = SmallUNet(1, 2, (4, 4)).eval()
    image = torch.rand(1, 1, 16, 20)
    torch.testing.assert_close(OverlapTileInferer()(image, network), network(image))
    assert OverlapTileInferer()(torch.rand(1, 1, 13, 7), network).shape == (1, 2, 13, 7)


def test_mistakes():
    with pytest.raises(ValueError, match="multiple of 4"):
        SmallUNet()(torch.rand(1, 1, 10, 12))
    with pytest.raises(InputError, match=r"skips=\[2\]"):
        SmallUNet(channels=(4, 4), skips=[2])
    with pytest.raises(InputError, match="norm"):
        SmallUNet(norm="instance")
