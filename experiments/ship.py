"""Lay the weights of a training out as models of the bundle.

Usage: ``python -m experiments.ship RESULTS MODELS``, with RESULTS the output of :mod:`experiments.train_models` and
MODELS a folder such as ``bundles/unet_isbi/models``. Each model becomes ``MODELS/NAME/model.pt`` and
``MODELS/NAME/inference.json``. The weights of the bundle's default model become ``MODELS/model.pt``; copy its values to
``configs/inference.json`` by hand.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

PIXEL_SIZES = {"dic_hela": 0.19, "phc_u373": 0.65, "fluo_gowt1": 0.24, "fluo_sim": 0.125, "fluo_msc": 0.3}  # µm
DEFAULT = "dic_hela"


def main() -> None:
    """Copy the weights and write the values that belong to them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--names", nargs="*", help="only these")
    arguments = parser.parse_args()
    results = json.loads((arguments.results / "results.json").read_text(encoding="utf-8"))
    for name, trained in results["trained"].items():
        if arguments.names and name not in arguments.names:
            continue
        folder = arguments.models / name
        folder.mkdir(parents=True, exist_ok=True)
        weights = arguments.models / weights_path(name)
        shutil.copyfile(arguments.results / f"{name}.pt", weights)
        values = inference_values(name, trained, results.get("chosen", {}).get(name, {}))
        (folder / "inference.json").write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")
        print(f"{name}: {weights.stat().st_size / 1e6:.1f} MB")


def weights_path(name: str) -> str:
    """Return where the weights of a model are, within the folder of models."""
    return "model.pt" if name == DEFAULT else f"{name}/model.pt"


def inference_values(name: str, trained: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a model's ``inference.json``."""
    bright = trained["bright"]
    return {
        "weights": f"$@bundle_root + '/models/{weights_path(name)}'",
        "in_channels": trained["in_channels"],
        "out_channels": 2,
        "network_class": f"unetpipe.networks.{'HalvedUNet' if trained.get('halved') else 'UNet'}",
        "channels": list(trained["channels"]),
        "norm": "batch",
        "normalization": "unetpipe.transforms.NormalizeBrightd" if bright else "NormalizeIntensityd",
        "threshold": chosen.get("threshold", 0.5),
        "marker_threshold": chosen.get("marker_threshold", 0.9),
        "merge_threshold": chosen.get("merge_threshold"),
        "rotations": 0,
        "min_size": trained["min_size"],
        "ridge_refill_radius": trained["ridge_refill_radius"],
        "pixel_size": PIXEL_SIZES.get(name),
    }


if __name__ == "__main__":
    main()
