"""Bundles: finding and writing them, the models that they hold, and which config files a run was given."""

from unetpipe.bundle.models import add_model, export_model, inference_configs, model_names
from unetpipe.bundle.writing import export_bundle, find_bundle, write_bundle

__all__ = [
    "add_model",
    "export_bundle",
    "export_model",
    "find_bundle",
    "inference_configs",
    "model_names",
    "write_bundle",
]
