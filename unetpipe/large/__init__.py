"""Images larger than memory: read, segmented and written block by block, with the result that memory would give."""

from unetpipe.large.image import LazyImage
from unetpipe.large.ome_zarr import OmeZarrImage, is_zarr
from unetpipe.large.segmenting import LargeSegmentation
from unetpipe.large.tiff import TiffImage

__all__ = ["LargeSegmentation", "LazyImage", "OmeZarrImage", "TiffImage", "is_zarr"]
