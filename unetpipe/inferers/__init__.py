"""Inferers: overlap-tile with mirror padding, and mixed precision around any inferer."""

from unetpipe.inferers.autocast import AutocastInferer, bfloat16_is_fast
from unetpipe.inferers.overlap_tile import OverlapTileInferer, plan_tiles

__all__ = ["AutocastInferer", "OverlapTileInferer", "bfloat16_is_fast", "plan_tiles"]
