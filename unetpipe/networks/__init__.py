"""Networks: the unpadded U-Net, and its weights on disk."""

from unetpipe.networks.unet import UNet
from unetpipe.networks.weights import load_weights, save_weights

__all__ = ["UNet", "load_weights", "save_weights"]
