"""U-Net as a MONAI pipeline and bundle, with overlap-tile inference that is exact at any size."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "segment"]


def __getattr__(name: str) -> Any:
    """Import ``segment`` and ``Predictor`` when they are first asked for: MONAI takes seconds to import."""
    if name in ("segment", "Predictor"):
        from unetpipe import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
