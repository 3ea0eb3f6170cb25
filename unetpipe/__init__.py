"""U-Net as a MONAI pipeline and bundle, with overlap-tile inference that is exact at any size."""

__version__ = "0.1.0"
