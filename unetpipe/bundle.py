"""Where the bundle is, and writing a trained one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unetpipe.errors import InputError

NAME = "unet_isbi"


def find_bundle() -> Path:
    """Return the folder of the ``unet_isbi`` bundle: a checkout's, else the one that the wheel installed."""
    package = Path(__file__).resolve().parent
    for root in (package.parent, package):
        candidate = root / "bundles" / NAME
        if (candidate / "configs" / "metadata.json").is_file():
            return candidate
    raise InputError(f"The bundle {NAME} is not beside {package} nor in it; install unetpipe again.")


def write_bundle(
    template: str | os.PathLike,
    output_dir: str | os.PathLike,
    settings: Mapping[str, Any],
    input_size: int,
    output_size: int,
) -> None:
    """Write a bundle folder like ``template``, with the settings that were used in its configs.

    Parameters
    ----------
    template : path
        A bundle: its configs, docs and LICENSE are taken over, its models are not.
    output_dir : path
        The new bundle's folder.
    settings : mapping
        Values for the top-level keys of the configs. A key goes into every config that has it.
    input_size, output_size : int
        Sides of the network's tile and of what it returns, for the metadata.
    """
    source, target = Path(template).resolve(), Path(output_dir).resolve()
    plain = json.loads(json.dumps(settings, default=_plain))
    configs = {path.name: json.loads(path.read_text()) for path in sorted((source / "configs").glob("*.json"))}
    for name, config in configs.items():
        if name == "metadata.json":
            _describe_network(config, plain, input_size, output_size)
        else:
            config.update({key: value for key, value in plain.items() if key in config})
        write_text(target / "configs" / name, json.dumps(config, indent=4, ensure_ascii=False) + "\n")
    if source == target:
        return
    for path in [*source.glob("configs/*.conf"), *source.glob("docs/*"), *source.glob("LICENSE")]:
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _describe_network(metadata: dict[str, Any], settings: Mapping[str, Any], input_size: int, output_size: int) -> None:
    step = 2 ** (len(settings["channels"]) - 1)
    formats = metadata["network_data_format"]
    for tensor, channels, side in (
        (formats["inputs"]["image"], settings["in_channels"], input_size),
        (formats["outputs"]["pred"], settings["out_channels"], output_size),
    ):
        tensor["num_channels"] = channels
        tensor["spatial_shape"] = [f"{side} + {step}*(n-1)"] * 2


def _plain(value: Any) -> Any:
    """Turn what JSON cannot hold into what it can: numpy scalars, paths."""
    return value.item() if hasattr(value, "item") else str(value)
