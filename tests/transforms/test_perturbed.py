from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from benchmarks.stress.perturbations import CHOOSING, STRESS
from unetpipe.transforms import Perturbd
from unetpipe.transforms.perturbed import PERTURBATIONS, amid, with_noise, with_ramp


def frame(perturbation: str, side: int = 20) -> dict[str, MetaTensor]:
    image = np.random.default_rng(0).normal(100, 10, (1, side, side + 10)).astype(np.float32)
    label = np.zeros(image.shape, np.int32)
    label[0, 2:6, 3:9] = 7
    meta = {"filename_or_obj": "truth.tif", "perturbation": perturbation}
    return {
        "image": MetaTensor(torch.from_numpy(image), meta={"dtype": "uint8"}),
        "label": MetaTensor(torch.from_numpy(label), meta=meta),
        "known": MetaTensor(torch.from_numpy(label > 0), meta={}),
    }


def test_a_plain_frame_passes() -> None:
    item = frame("")
    result = Perturbd()(item)
    assert all(result[key] is item[key] for key in item)


def test_a_ramp_runs_down_the_image() -> None:
    image = torch.tensor([[[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]])
    step = float(image.std()) / 2
    torch.testing.assert_close(
        with_ramp(image, 1.0), image + torch.tensor([[[-step, -step], [0, 0], [step, step]]]), atol=1e-6, rtol=0
    )


def test_noise_is_as_strong_as_said_and_always_the_same() -> None:
    image = 10 * torch.randn(1, 200, 200, generator=torch.Generator().manual_seed(0))
    added = with_noise(image, 0.3) - image
    assert float(added.std() / image.std()) == pytest.approx(0.3, rel=0.02)
    assert torch.equal(with_noise(image, 0.3), with_noise(image, 0.3))


def test_flat_ground_surrounds_the_frame_and_is_known_background() -> None:
    item = frame("flat ground")
    result = Perturbd()(item)
    height, width = item["image"].shape[1:]
    tall, wide = result["image"].shape[1:]
    assert (tall, wide) == (28, 42)  # 1.4 times
    top, left = (tall - height) // 2, (wide - width) // 2
    for key in item:
        assert torch.equal(result[key][:, top : top + height, left : left + width], item[key])
        assert result[key].dtype == item[key].dtype
        assert result[key].meta == item[key].meta
    around = torch.ones(tall, wide, dtype=torch.bool)
    around[top : top + height, left : left + width] = False
    assert (result["image"][0][around] == item["image"].median()).all()
    assert not result["label"][0][around].any()
    assert result["known"][0][around].all()


@pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name != "flat ground"])
def test_grey_values_change_and_truth_stays(name: str) -> None:
    item = frame(name)
    result = Perturbd()(item)
    assert 1 < (result["image"] - item["image"]).abs().max() < 30
    assert result["label"] is item["label"]
    assert result["image"].meta == item["image"].meta


def test_an_odd_size_keeps_every_pixel() -> None:
    wide, (top, left) = amid(torch.arange(15).reshape(1, 3, 5), 1.4, -1)
    assert wide.shape == (1, 4, 7)
    assert torch.equal(wide[:, top : top + 3, left : left + 5], torch.arange(15).reshape(1, 3, 5))


def test_names_and_amounts_are_those_of_the_stress_table() -> None:
    assert set(PERTURBATIONS) <= set(CHOOSING)
    image, truth = torch.rand(1, 30, 40), np.zeros((30, 40), np.int32)
    for name in set(PERTURBATIONS) - {"flat ground"}:
        item = frame(name) | {"image": MetaTensor(image)}
        function, amount = STRESS[name]
        assert torch.equal(function(image, truth, amount).image, Perturbd()(item)["image"].as_tensor())
