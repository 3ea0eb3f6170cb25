"""Masks as MONAI Label's writer takes them: x first."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from unetpipe.transforms import HandOutd

LABEL = torch.arange(6, dtype=torch.int32).reshape(1, 2, 3)


def test_a_picture_is_turned_and_a_volume_is_not():
    for source, expected in (("a.png", LABEL[0].T), ("a.nii.gz", LABEL[0])):
        given = MetaTensor(LABEL, meta={"filename_or_obj": source})
        handed = HandOutd("pred")({"pred": given})["pred"]
        np.testing.assert_array_equal(handed.numpy(), expected.numpy())
        assert handed.numpy().dtype == np.uint16
