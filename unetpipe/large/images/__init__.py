"""Images on disk that are read part by part: OME-Zarr and TIFF, and which images of an input need it."""

from unetpipe.large.images.finding import find_large
from unetpipe.large.images.lazy_image import ImageError, LazyImage
from unetpipe.large.images.ome_zarr import OmeZarrImage, is_zarr
from unetpipe.large.images.tiff import TiffImage

__all__ = ["ImageError", "LazyImage", "OmeZarrImage", "TiffImage", "find_large", "is_zarr"]
