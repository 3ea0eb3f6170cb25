"""Values for the keys of a config: read from text, checked, and kept from being evaluated; and the recipes."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.errors import InputError
from unetpipe.scope import KEYS, plain

EXPRESSIONS = ("$", "@", "%")  # what MONAI's parser takes a text for that begins so: code, a reference, a file
CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
LIST, NUMBER, SWITCH = "a list such as [1,2]", "a number", "true or false"
PART, GROUP = 'a part, {"_target_": …}', 'keys with their values, {"KEY": …}'
COMPUTED = {"bundle_root", "device", "min_size", "process", "show_bars"}  # parts that stand for a plain value
OPTIONAL_PARTS = {"report"}  # parts that null leaves out
ONE_OR_SEVERAL = {"marker_threshold"}  # keys that hold a number, or several in a list
NO_RECIPES = {"train", "inference", "lungs_ct", "evaluate", "metadata", "multi_gpu_train", "multi_gpu_evaluate"}


def recipe_names(bundle: str | os.PathLike) -> list[str]:
    """Return the names of the recipes of a bundle, sorted: the configs that go on top of ``train.json``."""
    return sorted({path.stem for path in Path(bundle).glob("configs/*.json")} - NO_RECIPES)


def recipe_configs(bundle: str | os.PathLike, recipes: Iterable[str] = ()) -> list[str]:
    """Return the configs of a training: ``train.json`` and the recipes, each of which overrides those before it.

    Raises
    ------
    InputError
        If there is no such recipe; the sentence names those that exist.
    """
    names = recipe_names(bundle)
    for recipe in recipes:
        if recipe not in names:
            raise InputError(f"There is no recipe {recipe!r}; there are {', '.join(names)}.")
    return [str(Path(bundle) / "configs" / f"{name}.json") for name in ("train", *recipes)]


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``key=value`` and read the value as JSON, or as text where it is not JSON.

    Raises
    ------
    InputError
        If there is no key, or the value looks like a list or a Python constant but is not JSON.

    Examples
    --------
    >>> parse_setting("channels=[16,32]"), parse_setting("val_frames=0-27")
    (('channels', [16, 32]), ('val_frames', '0-27'))
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InputError(f"{text!r} is not a setting; write KEY=VALUE, such as max_epochs=20.")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError as error:
        if value.startswith(("[", "{", '"')):
            raise InputError(f"The value of {text!r} is not valid JSON ({error.msg}).") from None
        if value.lower() in CONSTANTS:
            right = json.dumps(CONSTANTS[value.lower()])
            raise InputError(f"{text!r}: write {key}={right}.") from None
        return key, value


def check_setting(key: str, value: Any, config: Mapping[str, Any]) -> None:
    """Check that a config has a key, and that the value is of the kind that the config has there.

    Raises
    ------
    InputError
        If not; the sentence says what is expected.
    """
    check_key(key, config)
    default = config.get(key)
    check_part(key, value, default)
    kind = _kind(default)
    if key in ONE_OR_SEVERAL and value is not None and not is_expression(value):
        parts = value if isinstance(value, (list, tuple)) else [value]
        if not len(parts) or any(_kind(part) != NUMBER for part in parts):
            raise InputError(f"{key}={value!r} must be a number or a list of numbers, such as [0.6, 0.8].")
        return
    if kind is None or is_expression(value) or (value is None and not isinstance(default, bool)):
        return
    if _kind(value) != kind:
        raise InputError(f"{key}={value!r} must be {kind}; the default is {json.dumps(default)}.")


def check_part(key: str, value: Any, default: Any) -> None:
    """Check that a plain value does not replace a part of a config, which is built, or a group of keys.

    Parameters
    ----------
    key : str
        The key.
    value : Any
        What it is set to.
    default : Any
        What the config has there.

    Raises
    ------
    InputError
        If the default is a part or a group of keys, and the value is neither that nor an expression. Parts that only
        compute a value, such as ``min_size``, may be replaced by one, and ``report`` by None.

    Examples
    --------
    >>> smallest = {"_target_": "unetpipe.datasets.smallest_cell"}
    >>> check_part("min_size", 20, smallest)
    >>> check_part("loss", {"_target_": "torch.nn.MSELoss"}, {"_target_": "unetpipe.losses.WeightedCrossEntropy"})
    """
    if not isinstance(default, Mapping) or isinstance(value, Mapping) or is_expression(value):
        return
    if key in COMPUTED or (value is None and key in OPTIONAL_PARTS):
        return
    expected = PART if "_target_" in default else GROUP
    raise InputError(f"{key}={value!r} must be {expected}, or name a key of it: {key}#KEY.")


def check_key(key: str, config: Mapping[str, Any], others: Iterable[str] = ()) -> None:
    """Check that a config has a key; a nested key (``train#trainer#amp``) may be new in a place that exists.

    Raises
    ------
    InputError
        Naming the key and the nearest one of the config or of ``others``.
    """
    place = key.replace("::", "#").rpartition("#")[0] or key
    found: Any = config
    for part in place.split("#"):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            if plain(part) in KEYS:
                raise InputError(KEYS[plain(part)])
            near = difflib.get_close_matches(key, [*config, *others], n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise InputError(f"No config has the key {key!r}{hint}")


def as_text(value: str | os.PathLike) -> str:
    r"""Return what the config's parser reads as exactly this text, which may look like an expression to it.

    A file or folder name must not be evaluated, even if it is called ``$[…]``; also, the parser replaces ``#``.

    Examples
    --------
    >>> as_text("images/day 1"), as_text("$x#1")
    ('images/day 1', "$'\\x24x\\x231'")
    """
    text = os.fspath(value)
    if not text.startswith(EXPRESSIONS) and "#" not in text and "::" not in text:
        return text
    escaped = {ord(character): f"\\x{ord(character):02x}" for character in "$@%#:"}
    return f"${ascii(text).translate(escaped)}"


def _kind(value: Any) -> str | None:
    """Return what a value is in a sentence; a tuple or an array from Python is a list, and NumPy has numbers too."""
    if isinstance(value, (bool, np.bool_)):
        return SWITCH
    if isinstance(value, (Real, np.number)):
        return NUMBER
    return LIST if isinstance(value, (list, tuple, np.ndarray)) else None


def is_expression(value: Any) -> bool:
    """Return whether MONAI's parser evaluates a value: code, a reference, or a part of another file."""
    return isinstance(value, str) and value.startswith(EXPRESSIONS)


def is_plain(value: Any) -> bool:
    """Return whether a value of a config is data: not a part to build, not an expression, and in a list neither.

    Examples
    --------
    >>> is_plain([1, "two"]), is_plain("@min_size"), is_plain([["$1"]]), is_plain({"_target_": "UNet"})
    (True, False, False, False)
    """
    if isinstance(value, list):
        return all(map(is_plain, value))
    return not isinstance(value, dict) and not is_expression(value)
