"""Carry what a training changed in parts of the configs, beyond the stored settings, into the bundle that it writes."""

from __future__ import annotations

import copy
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

from unetpipe.bundle.settings import is_plain

logger = logging.getLogger(__name__)

Place = tuple[str, ...]
MISSING = object()
# where and how a run computes, not what is trained
OF_THE_RUN = {
    *("_meta_", "bundle_root", "dataset_dir", "output_dir", "resume", "device", "amp", "progress", "show_bars"),
    *("num_workers", "validation_processes", "cache_rate", "cache_dir", "device_batches", "compile", "show_tiles"),
}
VALIDATING: Place = ("validate", "inferer")  # of train.json
SEGMENTING: Place = ("tiles", "inferer")  # of inference.json
REFERENCE = re.compile(r"@(\w+)")
HANDLERS: tuple[Place, ...] = (("train", "handlers"), ("validate", "handlers"))
RECORDS: tuple[Place, ...] = (("train", "dataset", "data"), ("validate", "dataset", "data"))
TRACKING = set(DEFAULT_MLFLOW_SETTINGS["configs"])  # type: ignore[call-overload]


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a config as JSON can hold it; a key whose value it cannot hold is left out, with a warning."""
    plain = {}
    for key, value in config.items():
        try:
            plain[key] = json.loads(json.dumps(value, default=_plain))
        except TypeError:
            logger.warning("The value of %s cannot be written to the trained bundle: it is a Python object", key)
    return plain


def carry_over(configs: dict[str, dict[str, Any]], running: Mapping[str, Any], settings: dict[str, Any]) -> None:
    """Change the configs of a bundle to those that a training really had.

    ``train.json`` gets each part that differs. ``inference.json`` gets the changes of what it shares with it, such as
    the network and the normalisation. If another inferer validated, ``inference.json`` segments by it, too.

    Parameters
    ----------
    configs : dict
        The bundle's configs by file name; changed in place.
    running : mapping
        The config of the training (:func:`plain_config`), with all its overlays and overrides.
    settings : dict
        Values of top-level keys, which are written apart from this; a part that overrides one of them by another plain
        value, such as ``network_def#channels``, sets it.
    """
    names = ("train.json", "inference.json", "multi_gpu_train.json")
    before, inference, several = (_as_parsed(configs.get(name, {})) for name in names)
    after = _as_parsed(running)
    if "save_execute_config" in after:  # experiment tracking has appended its handlers
        for place in HANDLERS:
            _put(after, place, _get(before, place))
        after = {key: value for key, value in after.items() if key in before or key not in TRACKING}
    for place in RECORDS:
        if isinstance(_get(after, place), list):  # records that were handed over, not a way to find them
            _put(after, place, _get(before, place))
    for name, value in several.items():
        place = tuple(name.split("::"))
        if _get(after, place) == value:
            _put(after, place, _get(before, place))
    whole, after = after, {key: value for key, value in after.items() if key not in OF_THE_RUN}
    before_kept = {key: value for key, value in before.items() if key not in OF_THE_RUN}
    shared = configs.get("inference.json", {})
    for place in list(_changes(before_kept, after)):
        old, new, theirs = _get(before, place), _get(after, place), _get(inference, place)
        key = old[1:] if isinstance(old, str) and old.startswith("@") else None
        if key in settings and theirs == old and new is not MISSING and is_plain(new):
            settings[key] = new
            _put(after, place, old)
        elif (old is not MISSING and theirs == old) or (
            old is MISSING and len(place) > 1 and isinstance(_get(inference, place[:-1]), dict)
        ):
            _put(shared, place, new)
            if isinstance(new, str) and new.startswith("@") and new[1:] in after and new[1:] not in shared:
                shared[new[1:]] = after[new[1:]]
    was, validated = _inferer_of_tiles(before), _inferer_of_tiles(after)
    if validated not in (was, MISSING):
        other = _get(validated, ("_target_",)) != _get(was, ("_target_",))
        if other or _get(inference, SEGMENTING) == was:  # an OverlapTileInferer of inference chooses its own tile
            _put(shared, SEGMENTING, validated)
            _add_referenced(shared, SEGMENTING, whole)
    train = configs.get("train.json", {})
    for key in after.keys() | before_kept.keys():
        if after.get(key, MISSING) != before.get(key, MISSING) and key not in settings:
            _put(train, (key,), after.get(key, MISSING))


def _inferer_of_tiles(config: Mapping[str, Any]) -> Any:
    """Return the part that validates: what AutocastInferer wraps, or an inferer that replaced both."""
    inner = _get(config, (*VALIDATING, "inferer"))
    return _get(config, VALIDATING) if inner is MISSING else inner


def _add_referenced(config: dict[str, Any], place: Place, source: Mapping[str, Any]) -> None:
    """Add the keys of another config that a part refers to, and those that these refer to, if they are missing."""
    for key in REFERENCE.findall(json.dumps(_get(config, place))):
        if key in source and key not in config:
            config[key] = source[key]
            _add_referenced(config, (key,), source)


def _as_parsed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in which references are written as MONAI's parser writes them."""
    parser = ConfigParser(copy.deepcopy({key.replace("#", "::"): value for key, value in config.items()}))
    parser.resolve_macro_and_relative_ids()
    return parser.get()


def _changes(before: Any, after: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the places whose values differ; lists are compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes(before.get(key, MISSING), after.get(key, MISSING), (*place, key))
    elif before != after:
        yield place


def _get(config: Any, place: Place) -> Any:
    for key in place:
        if not isinstance(config, dict) or key not in config:
            return MISSING
        config = config[key]
    return config


def _put(config: dict[str, Any], place: Place, value: Any) -> None:
    """Set the value at a place, or remove the place; nothing happens where the part that would hold it is missing."""
    part = _get(config, place[:-1])
    if not isinstance(part, dict):
        return
    if value is MISSING:
        part.pop(place[-1], None)
    else:
        part[place[-1]] = value


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return str(Path(value))
    raise TypeError
