"""Networks: the unpadded U-Net, and its weights on disk."""

from unetpipe.networks.unet import UNet
from unetpipe.networks.weights import load_weights, read_weights, save_state

__all__ = ["UNet", "load_weights", "read_weights", "save_state"]
