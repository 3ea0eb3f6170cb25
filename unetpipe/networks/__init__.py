"""Networks: the unpadded U-Net, reading and writing weights; other networks are in ``baselines``."""

from unetpipe.networks.halved_unet import HalvedUNet
from unetpipe.networks.unet import UNet
from unetpipe.networks.weights import (
    fold_batch_norm,
    inference_network,
    load_weights,
    read_weights,
    save_state,
    trained_network,
)

__all__ = [
    "HalvedUNet",
    "UNet",
    "fold_batch_norm",
    "inference_network",
    "load_weights",
    "read_weights",
    "save_state",
    "trained_network",
]
