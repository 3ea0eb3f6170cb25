from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unetpipe.losses import WeightedCrossEntropy

loss = WeightedCrossEntropy()


def case(classes: int = 2, scale: float = 3.0, seed: int = 0, batch: int = 2) -> tuple[Tensor, dict[str, Tensor]]:
    """Return random logits, labels and weights, a third of which are 0."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(scale=scale, size=(batch, classes, 5, 7)).astype(np.float32))
    label = torch.from_numpy(rng.integers(classes, size=(batch, 1, 5, 7)))
    weight = rng.uniform(0.5, 11, (batch, 1, 5, 7)) * (rng.random((batch, 1, 5, 7)) > 1 / 3)
    return logits, {"label": label, "weight": torch.from_numpy(weight.astype(np.float32))}


def by_definition(logits: Tensor, target: dict[str, Tensor]) -> float:
    """Σ w · −log p over the known pixels, divided by their number, pixel by pixel in float64."""
    z, label, weight = (tensor.numpy().astype(np.float64) for tensor in (logits, target["label"], target["weight"]))
    total, known = 0.0, 0
    for image, row, column in np.ndindex(z.shape[0], *z.shape[2:]):
        pixel, w = z[image, :, row, column], weight[image, 0, row, column]
        if w > 0:
            log_sum = pixel.max() + np.log(np.exp(pixel - pixel.max()).sum())
            total += w * (log_sum - pixel[int(label[image, 0, row, column])])
            known += 1
    return total / known


@pytest.mark.parametrize("scale", [1e-3, 3.0, 200.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_the_formula(classes: int, scale: float) -> None:
    logits, target = case(classes, scale)
    value = loss(logits, target)
    assert value.shape == ()
    assert value.item() == pytest.approx(by_definition(logits, target), rel=1e-5)


def test_by_hand() -> None:
    """Two pixels, p = 1/2 and p = 3/4, weights 2 and 6: (2 ln 2 + 6 ln 4/3) / 2."""
    logits = torch.tensor([[0.0, 0.0], [0.0, np.log(3.0)]]).reshape(1, 2, 1, 2)
    target = {"label": torch.ones(1, 1, 1, 2), "weight": torch.tensor([2.0, 6.0]).reshape(1, 1, 1, 2)}
    assert loss(logits, target).item() == pytest.approx((2 * np.log(2) + 6 * np.log(4 / 3)) / 2, rel=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_logits_stay_finite(sign: int) -> None:
    """A pixel that is wrong by 400 costs 400; one that is right costs nothing."""
    logits = torch.tensor([200.0, -200.0]).mul(sign).reshape(1, 2, 1, 1).requires_grad_()
    value = loss(logits, {"label": torch.zeros(1, 1, 1, 1), "weight": torch.ones(1, 1, 1, 1)})
    value.backward()
    assert value.item() == pytest.approx(0 if sign == 1 else 400)
    assert torch.isfinite(logits.grad).all()


def test_pixels_of_weight_0_do_not_count() -> None:
    logits, target = case()
    unknown = target["weight"] == 0
    other_logits = torch.where(unknown, 50 * logits.flip(1), logits)
    other_label = torch.where(unknown, 1 - target["label"], target["label"])
    expected = loss(logits, target)
    assert unknown.any()
    assert loss(other_logits, {"label": other_label, "weight": target["weight"]}).item() == expected.item()


def test_pixels_of_weight_0_do_not_count_in_the_denominator() -> None:
    logits, target = case(batch=1)
    target["weight"][:] = 1
    known_half = {key: tensor[..., :4] for key, tensor in target.items()}
    expected = loss(logits[..., :4], known_half)
    target["weight"][..., 4:] = 0
    assert loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


def test_tile_of_unknown_pixels_costs_0_and_moves_nothing() -> None:
    logits, target = case()
    logits.requires_grad_()
    value = loss(logits, {"label": target["label"], "weight": torch.zeros_like(target["weight"])})
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_gradient_is_weight_times_probability_minus_truth() -> None:
    logits, target = case(classes=3)
    logits.requires_grad_()
    loss(logits, target).backward()
    truth = torch.nn.functional.one_hot(target["label"][:, 0], 3).movedim(-1, 1)
    expected = target["weight"] * (torch.softmax(logits, 1) - truth) / (target["weight"] > 0).sum()
    torch.testing.assert_close(logits.grad, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_first(dtype: torch.dtype) -> None:
    logits, target = case()
    half = logits.to(dtype)
    assert loss(half, target).dtype == torch.float32
    assert loss(half, target).item() == loss(half.float(), target).item()


def test_float64_stays_float64() -> None:
    logits, target = case()
    value = loss(logits.double(), target)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(by_definition(logits, target), rel=1e-13)


@pytest.mark.parametrize("key", ["label", "weight"])
def test_other_size_is_refused(key: str) -> None:
    logits, target = case()
    with pytest.raises(ValueError, match=r"logits \(2, 2, 5, 7\).* must have the same height and width"):
        loss(logits, {**target, key: target[key][..., :-1]})
    with pytest.raises(ValueError, match="must have the same"):
        loss(logits[..., :-1, :], target)
