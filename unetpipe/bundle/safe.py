"""Use a bundle that is not trusted: only its weights and plain values; how they are used, the installed bundle says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from unetpipe.bundle.models import TRAINED_ON, facts_of, inference_configs
from unetpipe.bundle.settings import as_text, check_setting, is_plain
from unetpipe.bundle.writing import export_bundle, find_bundle, read_config
from unetpipe.errors import InputError
from unetpipe.instances import TrainedOn

GIVEN_BY_THE_CALLER = ("dataset_dir", "output_dir")  # what a bundle says there is not read
WEIGHTS = re.compile(r"\$@bundle_root \+ '(/models/(?:\w[\w.-]*/)?model\.pt)'")
CLASSES = {
    "network_class": {
        "unetpipe.networks.HalvedUNet",
        "unetpipe.networks.UNet",
        *(f"unetpipe.networks.baselines.{name}" for name in ("FoveatedPatchCNN", "PatchCNN", "SmallUNet")),
    },
    "normalization": {"NormalizeIntensityd", "unetpipe.transforms.NormalizeBrightd"},
}
# how parts of inference.json read in bundles that earlier versions trained
EARLIER: dict[str, Any] = {
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network": "$@network_def.to(device=@device, memory_format=torch.channels_last)",
    "dataloader": {"_target_": "unetpipe.handlers.ReadAheadLoader", "dataset": "@dataset", "batch_size": 1},
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@dataloader",
        "network": "@trained_network",
        "inferer": "@inferer",
        "val_handlers": "@handlers",
    },
    "run": ["@preflight", {"_target_": "unetpipe.training.run_engine", "engine": "@evaluator"}],
    "instances": {
        "_target_": "unetpipe.instances.InstancesFromProbabilityd",
        "keys": "pred",
        "threshold": "@threshold",
        "min_size": "$round(@min_size / @scale**2)",
        "ridge_refill_radius": "@ridge_refill_radius",
        "marker_threshold": "@marker_threshold",
        "merge_threshold": "@merge_threshold",
    },
    "dataset": {
        "_target_": "Dataset",
        "data": {"_target_": "unetpipe.datasets.find_images", "path": "@dataset_dir"},
        "transform": "@preprocessing",
    },
    "preflight": {
        "_target_": "unetpipe.training.check_inference",
        "dataset_dir": "@dataset_dir",
        "network": "@network_def",
        "roi_size": "@roi_size",
        "weights": "@weights",
        "output_dir": "@output_dir",
    },
}


def safe_inference(bundle: str | os.PathLike, model: str | None = None) -> tuple[list[str], dict[str, Any]]:
    """Return configs of the installed bundle, and the values that make them compute what another bundle computes.

    The configs of the other bundle are read as data. MONAI, which runs what a config names, never sees them.

    Parameters
    ----------
    bundle : path
        The other bundle.
    model : str, optional
        One of its models by name; by default its own.

    Raises
    ------
    InputError
        If the bundle asks for more than weights and plain values of known keys; the sentence names the key.
    """
    (own,) = inference_configs(find_bundle())
    values, weights = _read_inference(bundle, model)
    return [own], {**values, "weights": as_text(weights)}


def export_safe(bundle: str | os.PathLike, output_dir: str | os.PathLike, model: str | None = None) -> None:
    """Write the installed bundle with the weights and plain values of another one, which then is trusted.

    Of ``train.json`` the plain values of known keys are taken, such as the tile; the rest is the installed one.

    Parameters
    ----------
    bundle, model
        As of :func:`safe_inference`, also for errors.
    output_dir : path
        The new bundle's folder; it must be new or empty.
    """
    from unetpipe.bundle.tile_sizes import tile_sizes  # with it MONAI is loaded

    values, weights = _read_inference(bundle, model)
    known, training = (read_config(Path(root) / "configs" / "train.json") for root in (find_bundle(), bundle))
    plain = {
        key: value
        for key, value in training.items()
        if key not in GIVEN_BY_THE_CALLER
        and key in known
        and is_plain(known[key])
        and is_plain(value)
        and _fits(key, value, known)
    }
    sizes = tile_sizes({**known, **plain}, values)
    settings = {**plain, **values, "tile": sizes.tile}
    export_bundle(find_bundle(), output_dir, weights=weights, settings=settings, sizes=sizes)


def _read_inference(bundle: str | os.PathLike, model: str | None) -> tuple[dict[str, Any], Path]:
    """Return the plain values of a bundle's inference and its weights; InputError if it asks for more."""
    known = read_config(inference_configs(find_bundle())[0])
    values: dict[str, Any] = {}
    weights = Path(bundle) / "models" / "model.pt"
    configs = inference_configs(bundle, model)
    facts = facts_of(configs)
    TrainedOn.parse(facts, f"trained_on in {' with '.join(configs)}")  # only numbers: nothing that MONAI would run
    values[TRAINED_ON] = facts
    for path in configs:
        for key, value in read_config(path).items():
            if key in GIVEN_BY_THE_CALLER or key == TRAINED_ON:
                continue
            if key == "weights" and isinstance(value, str) and (place := WEIGHTS.fullmatch(value)):
                weights = Path(f"{os.fspath(bundle)}{place[1]}")
            elif is_plain(known.get(key, {})) and is_plain(value) and _fits(key, value, known):
                values[key] = value
            elif key == "weights" or key not in known or value not in (known[key], EARLIER.get(key, known[key])):
                raise InputError(
                    f"{path} cannot be used safely: its key {key!r} is not a plain value of a known key; leave out "
                    "safe only if you trust whoever made this bundle."
                )
    return values, weights


def _fits(key: str, value: Any, known: dict[str, Any]) -> bool:
    """Return whether a plain value is of the kind that a key has; a key without a default takes numbers."""
    if key in CLASSES:
        return value in CLASSES[key]
    check_setting(key, value, known)
    parts = value if isinstance(value, list) else [value]
    return isinstance(known[key], str) or not any(isinstance(part, str) for part in parts)
