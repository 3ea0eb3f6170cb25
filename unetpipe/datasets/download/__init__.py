"""Public data sets fetched on request: downloaded, resumed, checked, unpacked."""

from unetpipe.datasets.download.fetching import SETS, address, fetch
from unetpipe.datasets.download.transfer import download
from unetpipe.datasets.download.unpack import unpack

__all__ = ["SETS", "address", "download", "fetch", "unpack"]
