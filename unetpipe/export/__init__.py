"""Packages for communities that share models."""

from unetpipe.export.bioimageio import write_package

__all__ = ["write_package"]
