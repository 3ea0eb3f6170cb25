"""Means over rotated inputs: exact for the symmetries of the square, interpolated for other angles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers import SimpleInferer

from unetpipe.errors import InputError
from unetpipe.inferers import (
    SYMMETRIES,
    OverlapTileInferer,
    RotationInferer,
    Symmetry,
    SymmetryInferer,
    rotated,
    rotations,
)
from unetpipe.inferers.rotations import rotate
from unetpipe.networks import UNet


def pointwise(images: torch.Tensor) -> torch.Tensor:
    """A network that treats every pixel by itself, so that no rotation can change its result."""
    return torch.cat([images, -2 * images], dim=1)


def test_symmetries_leave_a_pointwise_network_alone():
    images = torch.randn(2, 1, 5, 7)
    result = SymmetryInferer(SimpleInferer())(images, pointwise)
    assert torch.allclose(result.softmax(1), pointwise(images).softmax(1), atol=1e-6)


def test_symmetries_are_the_mean_written_out():
    torch.manual_seed(0)
    network = UNet(channels=(2, 4), dropout=0).eval()
    images = torch.randn(1, 1, 12, 20)
    inferer = OverlapTileInferer(66)
    with torch.no_grad():
        result = SymmetryInferer(inferer)(images, network).softmax(1).numpy()
        total = np.zeros_like(result)
        for mirrored in (False, True):
            for turns in range(4):
                version = np.rot90(images.numpy()[..., ::-1] if mirrored else images.numpy(), turns, (2, 3)).copy()
                probability = inferer(torch.from_numpy(version), network).softmax(1).numpy()
                back = np.rot90(probability, -turns, (2, 3))
                total += back[..., ::-1] if mirrored else back
    assert np.allclose(result, total / 8, atol=1e-6)


def test_symmetries_make_the_result_equivariant():
    torch.manual_seed(0)
    network = UNet(channels=(2, 4), dropout=0).eval()
    images = torch.randn(1, 1, 10, 14)
    inferer = SymmetryInferer(OverlapTileInferer(66))
    with torch.no_grad():
        turned = inferer(torch.rot90(images, 1, (2, 3)), network)
        assert torch.allclose(turned, torch.rot90(inferer(images, network), 1, (2, 3)), atol=1e-5)


def test_a_quarter_turn_moves_pixels_exactly():
    images = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert torch.allclose(rotate(images, torch.pi / 2), torch.rot90(images, 1, (2, 3)), atol=1e-4)


def test_seven_rotations_of_a_smooth_image():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 60), indexing="ij")
    images = torch.sin(2 * y + x)[None, None]
    result = RotationInferer(SimpleInferer(), count=7)(images, pointwise)
    assert result.shape == (1, 2, 40, 60)
    inside = (..., slice(3, -3), slice(3, -3))  # mirroring makes a crease at the border, which interpolation smooths
    assert torch.allclose(result.softmax(1)[inside], pointwise(images).softmax(1)[inside], atol=0.01)


def test_one_rotation_is_the_inferer_itself():
    images = torch.randn(1, 1, 6, 9)
    result = RotationInferer(SimpleInferer(), count=1)(images, pointwise)
    assert torch.allclose(result.softmax(1), pointwise(images).softmax(1), atol=1e-6)


def test_the_config_key_chooses():
    inferer = SimpleInferer()
    assert rotated(inferer) is inferer
    seven, eight = rotated(inferer, 7), rotated(inferer, 8)
    assert isinstance(seven, RotationInferer)
    assert seven.count == 7
    assert isinstance(eight, SymmetryInferer)
    with pytest.raises(InputError, match="rotations=5 is not known"):
        rotated(inferer, 5)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_part_of_an_image_is_where_its_symmetry_says(symmetry: Symmetry):
    image = torch.arange(7 * 5).reshape(7, 5)
    box = (1, 2, 4, 5)
    turned = symmetry.images(image)
    top, left, bottom, right = symmetry.box(box, (7, 5))
    assert tuple(turned.shape) == symmetry.size((7, 5))
    assert torch.equal(turned[top:bottom, left:right], symmetry.images(image[1:4, 2:5]))
    assert torch.equal(symmetry.inverse.images(turned), image)
    assert symmetry.inverse.box((top, left, bottom, right), symmetry.size((7, 5))) == box


def test_the_eight_symmetries_differ():
    image = torch.arange(9).reshape(3, 3)
    assert len({tuple(symmetry.images(image).flatten().tolist()) for symmetry in SYMMETRIES}) == 8


@pytest.mark.parametrize("size", [(20, 20), (12, 20)])
@pytest.mark.parametrize("kind", [SymmetryInferer, RotationInferer])
def test_versions_together_are_the_same_as_one_by_one(kind: type, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = UNet(channels=(2, 4), dropout=0, norm="batch").eval()
    images = torch.randn(2, 1, *size)
    batches: list[int] = []

    def count(given: torch.Tensor) -> torch.Tensor:
        batches.append(len(given))
        return network(given)

    inferer = OverlapTileInferer(66, sw_batch_size=16, margin=network.margin, step=network.step)
    with torch.no_grad():
        one, together = (kind(inferer, together=how)(images, count) for how in (False, True))
    torch.testing.assert_close(one, together, atol=1e-5, rtol=1e-5)
    assert max(batches) > 2


def test_large_versions_are_computed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotations, "MOST_VALUES", 5 * 12 * 12)
    sizes: list[int] = []

    def compute(images: torch.Tensor, network: object) -> torch.Tensor:
        sizes.append(len(images))
        return pointwise(images)

    SymmetryInferer(compute)(torch.zeros(1, 1, 12, 12, device="meta"), pointwise)  # type: ignore[arg-type]
    assert sizes == [5, 3]
