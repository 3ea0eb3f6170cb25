"""Export: write trained models as packages for other programs."""

from unetpipe.export.bioimageio import write_package

__all__ = ["write_package"]
