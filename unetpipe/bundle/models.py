"""The trained models of a bundle: its own (``models/model.pt``) and those with a name (``models/NAME``).

``models/NAME/inference.json`` holds what differs from the bundle's own ``inference.json``: where the weights
are, and the values that belong to them. It is an overlay like any other.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unetpipe.bundle.settings import as_text, is_plain
from unetpipe.bundle.writing import export_bundle, read_config, read_configs
from unetpipe.errors import InputError
from unetpipe.files import write_text

TRAINED_ON = "trained_on"  # the key with what a model was trained on


def model_names(bundle: str | os.PathLike) -> list[str]:
    """Return the names of the models of a bundle, sorted."""
    return sorted(path.parent.name for path in Path(bundle).glob("models/*/inference.json"))


def inference_configs(bundle: str | os.PathLike, model: str | None = None) -> list[str]:
    """Return the configs that run inference with a bundle's own model, or with one of its models by name.

    Raises
    ------
    InputError
        If the folder is not a bundle, or has no such model; the sentence names the models it has.
    """
    config = Path(bundle) / "configs" / "inference.json"
    if not config.is_file():
        raise InputError(f"{bundle} is not a bundle: configs/inference.json is missing.")
    if model is None:
        return [str(config)]
    names = model_names(bundle)
    if model not in names:
        raise InputError(f"{bundle} has no model {model!r}; it has {', '.join(names) or 'no named models'}.")
    return [str(config), str(Path(bundle) / "models" / model / "inference.json")]


def about_models(bundle: str | os.PathLike) -> dict[str, dict[str, str]]:
    """Return by the names of models what each is "for" and its "score", as ``models/about.json`` says; else nothing."""
    path = Path(bundle) / "models" / "about.json"
    told = read_config(path) if path.is_file() else {}
    return {
        name: {key: str(text) for key, text in entry.items()} for name, entry in told.items() if isinstance(entry, dict)
    }


def facts_of(configs: Sequence[str], values: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Return what a model was trained on, as its configs hold it, or None.

    It belongs to the weights: a config that names weights and does not say what they were trained on has None, also if
    the configs before it do say.

    Parameters
    ----------
    configs : sequence of str
        As of :func:`inference_configs`.
    values : mapping, optional
        Values that override the configs.
    """
    for config in (values or {}, *(read_config(path) for path in reversed(configs) if Path(path).is_file())):
        if TRAINED_ON in config or "weights" in config:
            return config.get(TRAINED_ON)
    return None


def add_model(trained: str | os.PathLike, bundle: str | os.PathLike, name: str) -> None:
    """Store the model of a trained bundle in another bundle, under a name, with weights in half precision.

    Parameters
    ----------
    trained : path
        The bundle that a training wrote.
    bundle : path
        The bundle that gets the model, as ``models/NAME/model.pt`` and ``models/NAME/inference.json``.
    name : str
        Name of the model.

    Raises
    ------
    InputError
        If one of the two is not a bundle, the weights cannot be read, or the name holds other characters than letters,
        digits, ``_``, ``-`` and ``.``.
    """
    from unetpipe.networks.weights import half_precision, read_weights, save_state

    if not re.fullmatch(r"\w[\w.-]*", name):  # it becomes a part of a path and of an expression
        raise InputError(f"A model cannot be called {name!r}; use letters, digits, _, - and dots.")

    (own,), (theirs,) = inference_configs(bundle), inference_configs(trained)
    base, values = read_config(own), read_config(theirs)
    overlay = {key: values[key] for key in base if key in values and is_plain(base[key]) and key not in NOT_THE_MODELS}
    state = read_weights(Path(trained) / "models" / "model.pt")
    folder = Path(bundle) / "models" / name
    save_state(half_precision(state), folder / "model.pt")
    overlay = {
        "weights": f"$@bundle_root + '/models/{name}/model.pt'",
        **overlay,
        TRAINED_ON: facts_of([theirs]),
    }
    write_text(folder / "inference.json", json.dumps(overlay, indent=4) + "\n")


def export_model(
    bundle: str | os.PathLike, output_dir: str | os.PathLike, name: str | None = None, half: bool = False
) -> None:
    """Write a bundle whose own model is one of a bundle's models; see :func:`unetpipe.bundle.writing.export_bundle`.

    Parameters
    ----------
    bundle : path
        The bundle that holds the model.
    output_dir : path
        The new bundle's folder; it must be new or empty.
    name : str, optional
        Name of the model; by default the bundle's own model.
    half : bool
        Store floating-point weights in half precision.

    Raises
    ------
    InputError
        As from ``export_bundle``, or if there is no such model; the sentence names the models it has.
    """
    if name is None:
        export_bundle(bundle, output_dir, half=half)
        return
    from monai.bundle import ConfigParser

    from unetpipe.bundle.tile_sizes import tile_sizes

    parser = ConfigParser()
    parser.read_config(read_configs(inference_configs(bundle, name)))
    parser["bundle_root"] = as_text(bundle)
    values = read_config(Path(bundle) / "models" / name / "inference.json")
    values.pop("weights", None)
    values.setdefault(TRAINED_ON, None)
    sizes = tile_sizes(read_config(Path(bundle) / "configs" / "train.json"), values)
    values["tile"] = sizes.tile
    export_bundle(bundle, output_dir, half, parser.get_parsed_content("weights"), values, sizes)


# keys of inference.json that do not belong to the model: what it runs on, and how
NOT_THE_MODELS = {
    "imports",
    "dataset_dir",
    "output_dir",
    "weights",
    "device",
    "roi_size",
    "amp",
    "progress",
    "image_pixel_size",
    "rescale",
}
