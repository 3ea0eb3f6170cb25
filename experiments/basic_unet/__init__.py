"""MONAI's padded BasicUNet with its sliding window, trained and scored by the same configs as ours."""

from experiments.basic_unet.network import SizedBasicUNet

__all__ = ["SizedBasicUNet"]
