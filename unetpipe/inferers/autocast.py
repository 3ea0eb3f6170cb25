"""Mixed precision around any inferer, on CPU and GPU (MONAI's ``amp`` works only on CUDA)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from unetpipe.inferers.overlap_tile import unwrap
from unetpipe.inferers.replay import ReplayedNetwork
from unetpipe.networks.weights import has_batch_norm

logger = logging.getLogger(__name__)


def bfloat16_is_fast(device_type: str) -> bool:
    """Return whether this machine multiplies bfloat16 matrices in hardware on ``"cpu"`` or ``"cuda"``."""
    if device_type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device_type == "cpu":
        return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return False


class AutocastInferer(Inferer):
    """Run another inferer under bfloat16 autocast and return float32.

    bfloat16 has the range of float32, so training with it needs no gradient scaler.

    Parameters
    ----------
    inferer : Inferer
        The inferer to run, such as ``SimpleInferer`` in training or ``OverlapTileInferer``.
    amp : bool
        False runs in float32. True uses bfloat16 if the device of the images has it in hardware.
    """

    def __init__(self, inferer: Inferer, amp: bool = True) -> None:
        super().__init__()
        self.inferer = inferer
        self.amp = amp
        self._announced = False
        self._source: nn.Module | None = None
        self._copy: nn.Module

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return ``inferer(inputs, network)`` as float32."""
        device_type = inputs.device.type
        reduced = self.amp and bfloat16_is_fast(device_type)
        if reduced and not self._announced:
            logger.info(
                "Convolutions run in bfloat16, which this %s has in hardware; amp=False uses float32", device_type
            )
            self._announced = True
        if reduced and isinstance(network, nn.Module) and not network.training and not torch.is_grad_enabled():
            network = self._in_bfloat16(network)
        with torch.autocast(device_type, dtype=torch.bfloat16, enabled=reduced):
            result = self.inferer(inputs, network, *args, **kwargs)
        return result.float()

    def _in_bfloat16(self, network: nn.Module) -> nn.Module:
        """Return a copy whose convolutions are in bfloat16, so that autocast need not convert them for each image.

        On an NVIDIA GPU its kernels are replayed (:class:`unetpipe.inferers.replay.ReplayedNetwork`). A network whose
        batch norms are not folded yet is returned itself: folding needs float32.
        """
        if network is not self._source:
            self._source, self._tensors = network, [*network.parameters(), *network.buffers()]
            self._versions: list[tuple[int, int]] = []
            self._foldable = has_batch_norm(network)
        if self._foldable:
            return network
        versions = [(tensor.data_ptr(), tensor._version) for tensor in self._tensors]
        if versions != self._versions:
            converted = copy.deepcopy(network)
            for part in converted.modules():
                if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                    part.to(torch.bfloat16)
            on_cuda = any(tensor.is_cuda for tensor in self._tensors)
            # a network in a wrapper, such as a compiled one, is not captured
            self._copy = ReplayedNetwork(converted) if on_cuda and unwrap(network) is network else converted
            self._versions = versions
        return self._copy
