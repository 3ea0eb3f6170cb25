"""Packages for communities that share models."""

from unetpipe.zoo.package import write_package

__all__ = ["write_package"]
