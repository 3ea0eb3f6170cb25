"""Networks: the unpadded U-Net, the sliding-window network it replaced, and weights on disk."""

from unetpipe.networks.patch_cnn import PatchCNN
from unetpipe.networks.unet import UNet
from unetpipe.networks.weights import load_weights, read_weights, save_state

__all__ = ["PatchCNN", "UNet", "load_weights", "read_weights", "save_state"]
