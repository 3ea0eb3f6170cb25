from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from unetpipe.losses import KnownDiceLoss

LOGITS = torch.randn(2, 2, 5, 7, generator=torch.Generator().manual_seed(0))
LABEL = (torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(1)) > 0.5).long()


def test_equals_monai_where_all_is_known():
    target = {"label": LABEL, "weight": torch.full(LABEL.shape, 3.0)}
    dice = DiceLoss(softmax=True, to_onehot_y=True)(LOGITS, LABEL)
    both = DiceCELoss(softmax=True, to_onehot_y=True)(LOGITS, LABEL)
    assert KnownDiceLoss()(LOGITS, target) == pytest.approx(float(dice), abs=1e-6)
    assert KnownDiceLoss(cross_entropy=1.0)(LOGITS, target) == pytest.approx(float(both), abs=1e-6)


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_unknown_pixels_count_for_nothing(factor: float):
    known = torch.ones(LABEL.shape)
    known[..., 3:] = 0
    loss = KnownDiceLoss(factor)
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, {"label": LABEL, "weight": known})
    other = torch.where(known > 0, LABEL, 1 - LABEL)
    assert float(loss(LOGITS + 9 * (1 - known) * LOGITS, {"label": other, "weight": known})) == pytest.approx(
        float(value), abs=1e-6
    )
    value.backward()
    assert not logits.grad[..., 3:].any()
    assert logits.grad[..., :3].any()


def test_by_hand():
    """Probabilities 0.5 everywhere, 3 of 4 pixels of class 1: Dice of class 1 is 2·1.5 / (2 + 3), of class 0 1 / 3."""
    label = torch.tensor([[[[1, 1, 1, 0]]]])
    value = KnownDiceLoss()(torch.zeros(1, 2, 1, 4), {"label": label, "weight": torch.ones(label.shape)})
    assert float(value) == pytest.approx(1 - (3 / 5 + 1 / 3) / 2, abs=1e-4)
