"""Inferers: overlap-tile with mirror padding, and wrappers for mixed precision, folding, rescaling and rotations."""

from unetpipe.inferers.autocast import AutocastInferer, bfloat16_is_fast
from unetpipe.inferers.folding import FoldingInferer
from unetpipe.inferers.overlap_tile import OverlapTileInferer, choose_tile, plan_tiles
from unetpipe.inferers.rescale import RescaleInferer, scale_factor
from unetpipe.inferers.rotations import SYMMETRIES, RotationInferer, Symmetry, SymmetryInferer, rotated

__all__ = [
    "SYMMETRIES",
    "AutocastInferer",
    "FoldingInferer",
    "OverlapTileInferer",
    "RescaleInferer",
    "RotationInferer",
    "Symmetry",
    "SymmetryInferer",
    "bfloat16_is_fast",
    "choose_tile",
    "plan_tiles",
    "rotated",
    "scale_factor",
]
