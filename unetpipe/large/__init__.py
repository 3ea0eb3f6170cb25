"""Images larger than memory: read, segmented and written block by block, with the same result as in memory."""

from unetpipe.large.images import LazyImage, OmeZarrImage, TiffImage, is_zarr
from unetpipe.large.segmenting import LargeSegmentation

__all__ = ["LargeSegmentation", "LazyImage", "OmeZarrImage", "TiffImage", "is_zarr"]
