"""Stands in for two operators of a torchvision built for another torch; MONAI Label imports it but calls neither."""

import torch

library = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
