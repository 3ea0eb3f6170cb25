"""Split a batch into what the network gets and what the loss gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.engines import PrepareBatch
from torch import Tensor


class PrepareBatchWeighted(PrepareBatch):
    """Give the image to the network, and a dictionary of label and weight map to the loss."""

    def __call__(
        self,
        batchdata: Mapping[str, Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return ``(image, {"label": …, "weight": …})`` as plain tensors on the device."""

        def move(key: str) -> Tensor:
            tensor = batchdata[key]
            plain = tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
            return plain.to(device=device, non_blocking=non_blocking, **kwargs)

        image = move("image")
        if image.device.type != "mps":  # as the network's weights (unetpipe.device.place)
            image = image.contiguous(memory_format=torch.channels_last)
        return image, {"label": move("label"), "weight": move("weight")}
