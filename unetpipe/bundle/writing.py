"""Find the bundle that comes with the package, and write trained bundles."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unetpipe.bundle.settings import as_text
from unetpipe.errors import InputError
from unetpipe.files import check_folder, new_folder, replacing, unreadable, write_text

NAME = "unet_isbi"


def find_bundle() -> Path:
    """Return the folder of the ``unet_isbi`` bundle: in the checkout, or else where the wheel installed it."""
    package = Path(__file__).resolve().parent.parent
    for root in (package.parent, package):
        candidate = root / "bundles" / NAME
        if (candidate / "configs" / "metadata.json").is_file():
            return candidate
    raise InputError(f"The bundle {NAME} is neither next to {package} nor in it; install unetpipe again.")


def read_config(path: str | os.PathLike) -> dict[str, Any]:
    """Read a JSON config as data, without evaluating it. It may begin with a byte order mark, as editors write it.

    Raises
    ------
    InputError
        If it cannot be read, or does not hold a JSON object.
    """
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, "JSON", error) from error
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold a JSON object, {{…}}, with the keys of a config.")
    return config


def read_configs(paths: Iterable[str | os.PathLike]) -> dict[str, Any]:
    """Read JSON configs (:func:`read_config`) and join them as MONAI does: later ones override and extend earlier ones.

    MONAI itself refuses a file that begins with a byte order mark.
    """
    from monai.bundle import ConfigParser
    from monai.bundle.utils import merge_kv

    joined = ConfigParser(config={})
    for path in paths:
        for key, value in read_config(path).items():
            merge_kv(joined, key, value)
    return joined.get()


def check_bundle(folder: str | os.PathLike) -> None:
    """Raise InputError if a folder is not a bundle."""
    if not (Path(folder) / "configs" / "metadata.json").is_file():
        raise InputError(f"{folder} is not a bundle: configs/metadata.json is missing.")


def write_bundle(
    template: str | os.PathLike,
    output_dir: str | os.PathLike,
    settings: Mapping[str, Any],
    sizes: tuple[int, int, int] | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Copy a bundle folder without its models, and write settings into the configs of the copy.

    Parameters
    ----------
    template : path
        The bundle whose configs, docs and LICENSE are copied.
    output_dir : path
        The new bundle's folder.
    settings : mapping
        Values for the top-level keys of the configs. A key goes into every config that has it.
    sizes : (int, int, int), optional
        Sides of the network's tile and of what it returns, and the step of valid sides, for the metadata.
    training : mapping, optional
        The config that was trained with; what it changed is carried over (:mod:`unetpipe.bundle.carrying`).

    Raises
    ------
    InputError
        If the template is not a bundle.
    """
    check_bundle(template)
    source, target = Path(template).resolve(), Path(output_dir).resolve()
    plain = json.loads(json.dumps(settings, default=_plain))
    plain = {key: as_text(value) if isinstance(value, str) else value for key, value in plain.items()}
    configs = {path.name: read_config(path) for path in sorted((source / "configs").glob("*.json"))}
    if training is not None:
        from unetpipe.bundle.carrying import carry_over

        carry_over(configs, training, plain)
    for name, config in configs.items():
        if name == "metadata.json":
            if sizes is not None:
                _describe_network(config, plain, *sizes)
        else:
            config.update({key: value for key, value in plain.items() if key in config})
        write_text(target / "configs" / name, json.dumps(config, indent=4, ensure_ascii=False) + "\n")
    if source == target:
        return
    for path in [*source.glob("configs/*.conf"), *source.glob("docs/*"), *source.glob("LICENSE")]:
        if path.is_file():
            with replacing(target / path.relative_to(source)) as copy:
                shutil.copyfile(path, copy)


def export_bundle(
    bundle: str | os.PathLike,
    output_dir: str | os.PathLike,
    half: bool = False,
    weights: str | os.PathLike | None = None,
    settings: Mapping[str, Any] | None = None,
    sizes: tuple[int, int, int] | None = None,
) -> None:
    """Write a stand-alone copy of a trained bundle: configs, docs, licence and ``models/model.pt``.

    The copy gets its name when it is complete. Checkpoints and logs are not copied. The path of the training data is
    removed from the configs.

    Parameters
    ----------
    bundle : path
        The folder that training wrote.
    output_dir : path
        The new bundle's folder; it must be new or empty.
    half : bool
        Store floating-point weights in half precision. Loading converts them back to float32.
    weights : path, optional
        The weights; by default the bundle's ``models/model.pt``.
    settings, sizes : optional
        Values that belong to these weights (:func:`write_bundle`).

    Raises
    ------
    InputError
        If the bundle or its weights are missing, or the output folder is not empty.
    """
    from unetpipe.networks.weights import half_precision, read_weights, save_state

    source, target = Path(bundle), Path(output_dir)
    check_bundle(source)
    state = read_weights(source / "models" / "model.pt" if weights is None else weights)
    check_folder(target)
    with new_folder(target) as unfinished:
        if half:
            state = half_precision(state)
        save_state(state, unfinished / "models" / "model.pt")
        write_bundle(source, unfinished, {**(settings or {}), "dataset_dir": "data"}, sizes)


def _describe_network(metadata: dict[str, Any], settings: Mapping[str, Any], *sizes: int) -> None:
    input_size, output_size, step = sizes
    formats = metadata["network_data_format"]
    for tensor, channels, side in (
        (formats["inputs"]["image"], settings["in_channels"], input_size),
        (formats["outputs"]["pred"], settings["out_channels"], output_size),
    ):
        tensor["num_channels"] = channels
        tensor["spatial_shape"] = [f"{side} + {step}*(n-1)"] * 2


def _plain(value: Any) -> Any:
    """Convert numpy scalars and paths to what JSON can hold."""
    return value.item() if hasattr(value, "item") else str(value)
