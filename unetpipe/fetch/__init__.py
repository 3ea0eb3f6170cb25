"""Public data sets fetched on request: downloaded, resumed, checked, unpacked."""

from unetpipe.fetch.download import download
from unetpipe.fetch.fetching import fetch
from unetpipe.fetch.sets import SETS, address
from unetpipe.fetch.unpack import unpack

__all__ = ["SETS", "address", "download", "fetch", "unpack"]
