"""Inferers: overlap-tile with mirror padding; around any inferer, mixed precision, rescaling, rotations."""

from unetpipe.inferers.autocast import AutocastInferer, bfloat16_is_fast
from unetpipe.inferers.overlap_tile import OverlapTileInferer, choose_tile, plan_tiles
from unetpipe.inferers.rescale import RescaleInferer, scale_factor
from unetpipe.inferers.rotations import RotationInferer, SymmetryInferer, rotated

__all__ = [
    "AutocastInferer",
    "OverlapTileInferer",
    "RescaleInferer",
    "RotationInferer",
    "SymmetryInferer",
    "bfloat16_is_fast",
    "choose_tile",
    "plan_tiles",
    "rotated",
    "scale_factor",
]
