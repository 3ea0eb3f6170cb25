"""Networks: the unpadded U-Net, the sliding-window network it replaced, a small padded one; weights and inference."""

from unetpipe.networks.foveated_cnn import FoveatedPatchCNN
from unetpipe.networks.inference import fold_batch_norm, inference_network
from unetpipe.networks.patch_cnn import PatchCNN
from unetpipe.networks.small_unet import SmallUNet
from unetpipe.networks.unet import UNet
from unetpipe.networks.weights import load_weights, read_weights, save_state

__all__ = [
    "FoveatedPatchCNN",
    "PatchCNN",
    "SmallUNet",
    "UNet",
    "fold_batch_norm",
    "inference_network",
    "load_weights",
    "read_weights",
    "save_state",
]
