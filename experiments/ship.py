"""Lay the weights of a training out as models of the bundle.

Usage: ``python -m experiments.ship RESULTS MODELS``, with RESULTS the output of :mod:`experiments.train_models` and
MODELS a folder such as ``bundles/unet_isbi/models``. Each model becomes ``MODELS/NAME/model.pt`` and
``MODELS/NAME/inference.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

PIXEL_SIZES = {"dic_hela": 0.19, "phc_u373": 0.65, "fluo_gowt1": 0.24, "fluo_sim": 0.125, "fluo_msc": 0.3}  # µm


def main() -> None:
    """Copy the weights and write the values that belong to them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("models", type=Path)
    arguments = parser.parse_args()
    results = json.loads((arguments.results / "results.json").read_text())
    for name, trained in results["trained"].items():
        folder = arguments.models / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.results / f"{name}.pt", folder / "model.pt")
        values = inference_values(name, trained, results.get("chosen", {}).get(name, {}))
        (folder / "inference.json").write_text(json.dumps(values, indent=4) + "\n")
        print(f"{name}: {(folder / 'model.pt').stat().st_size / 1e6:.1f} MB")


def inference_values(name: str, trained: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a model's ``inference.json``."""
    values: dict[str, Any] = {
        "weights": f"$@bundle_root + '/models/{name}/model.pt'",
        "in_channels": trained["in_channels"],
        "out_channels": 2,
        "network_class": "unetpipe.networks.UNet",
        "channels": list(trained["channels"]),
        "norm": "batch",
    }
    if trained["bright"]:
        values["normalization"] = "unetpipe.transforms.NormalizeBrightd"
    return {
        **values,
        "threshold": chosen.get("threshold", 0.5),
        "marker_threshold": chosen.get("marker_threshold", 0.9),
        "merge_threshold": chosen.get("merge_threshold"),
        "min_size": trained["min_size"],
        "give_back": trained["give_back"],
        "pixel_size": PIXEL_SIZES.get(name),
    }


if __name__ == "__main__":
    main()
