"""U-Net as a MONAI pipeline and bundle, with overlap-tile inference that is exact at any size."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unetpipe.evaluation import evaluate
    from unetpipe.predictor import Predictor, segment
    from unetpipe.training.train import train

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "evaluate", "segment", "train"]

_HOMES = {
    "Predictor": "unetpipe.predictor",
    "evaluate": "unetpipe.evaluation",
    "segment": "unetpipe.predictor",
    "train": "unetpipe.training.train",
}


def __getattr__(name: str) -> Any:
    """Import a public function when it is first used: importing MONAI takes seconds."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
