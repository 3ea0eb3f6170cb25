"""Baselines: the networks that the U-Net is compared with."""

from unetpipe.networks.baselines.patch_cnn import FoveatedPatchCNN, PatchCNN
from unetpipe.networks.baselines.small_unet import SmallUNet

__all__ = ["FoveatedPatchCNN", "PatchCNN", "SmallUNet"]
