"""Run a network with its batch normalisation folded into the convolutions, and do not change the network."""

from __future__ import annotations

from typing import Any

from monai.inferers import Inferer
from torch import Tensor, nn

from unetpipe.networks.weights import fold_batch_norm


class FoldingInferer(Inferer):
    """Give another inferer a folded copy of the network (:func:`unetpipe.networks.fold_batch_norm`).

    The network of an evaluator then keeps its own state_dict, into which other weights can be loaded, as federated
    learning does. The copy is made again when the weights have changed.

    Parameters
    ----------
    inferer : Inferer
        It computes the result.

    Attributes
    ----------
    folded : Module
        The copy of the last network.
    """

    def __init__(self, inferer: Inferer) -> None:
        self.inferer = inferer
        self._version: object = None

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return what the inferer returns."""
        tensors = network.state_dict().values()
        version = (id(network), [(value.data_ptr(), value._version) for value in tensors])
        if version != self._version:
            self.folded, self._version = fold_batch_norm(network), version
        return self.inferer(inputs, self.folded, *args, **kwargs)
