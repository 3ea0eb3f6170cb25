"""Running the bundle's configs in this process, with a net small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from unetpipe.bundle.writing import find_bundle

BUNDLE = find_bundle()
SMALL: dict[str, Any] = {"channels": [4, 8], "tile": 66, "progress": False, "amp": False}
SHORT: dict[str, Any] = {"max_epochs": 2, "steps_per_epoch": 3, "val_interval": 1}


def workflow(configs: list[str], bundle: Path = BUNDLE, **overrides: Any) -> ConfigWorkflow:
    """Parse configs of a bundle; nothing runs yet."""
    return ConfigWorkflow(
        config_file=[str(bundle / "configs" / name) for name in configs],
        meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type="infer" if configs == ["inference.json"] else "train",
        bundle_root=str(bundle),
        **overrides,
    )


def run(configs: list[str], bundle: Path = BUNDLE, **overrides: Any) -> ConfigWorkflow:
    """Initialise and run configs of a bundle."""
    made = workflow(configs, bundle, **overrides)
    made.initialize()
    made.run()
    return made
