"""What a request may say. Its values are data: none of them reaches a config, whose strings MONAI would evaluate."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import torch

from unetpipe.device import default_device
from unetpipe.errors import InputError

LONGEST_NAME = 200  # bytes of a name, so that a suffix fits into the 255 of a file name
FLAGS = {True: True, False: False, "true": True, "false": False}
TRAINING = {  # lowest and highest value of each number of a training, and whether it must be whole
    "max_epochs": (1, 100_000, True),
    "steps_per_epoch": (1, 1_000_000, True),
    "learning_rate": (0, 1, False),
    "val_split": (0, 0.9, False),
}


def parse_parameters(text: str | bytes) -> dict[str, Any]:
    """Return the parameters of a request, a JSON object.

    Raises
    ------
    InputError
        If the text is not JSON, is not an object, or holds what JSON has no form for: NaN, infinity, half of a
        surrogate pair, lists nested too deeply.
    """
    try:
        parameters = json.loads(text)
        json.dumps(parameters, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"The parameters are not JSON ({str(error).splitlines()[0]}).") from None
    if not isinstance(parameters, dict):
        raise InputError(f"The parameters are {_short(parameters)}; they must be a JSON object, such as {{}}.")
    return parameters


def choose(key: str, value: Any, known: Iterable[str]) -> str:
    """Return what a request chooses; of a list, the first.

    MONAI Label's clients send the list of choices back as the server offered it if the user chose nothing.

    Raises
    ------
    InputError
        If the choice is not known; the sentence names those that are.
    """
    choice = value[0] if isinstance(value, list) and value else value
    if not isinstance(choice, str) or choice not in known:
        raise InputError(f"{key}={_short(value)} is not known; use one of {', '.join(known)}.")
    return choice


def read_flag(key: str, value: Any) -> bool:
    """Return whether a request says true (true or "true") or false; raise InputError if it says anything else."""
    if not isinstance(value, bool | str) or value not in FLAGS:
        raise InputError(f"{key}={_short(value)} is not known; use true or false.")
    return FLAGS[value]


def find_device(value: Any) -> str:
    """Return torch's name of the device of a request.

    "cuda", the default, is Apple's GPU or the CPU where there is no NVIDIA GPU. Those are also known by their names,
    as MONAI Label lists them.

    Raises
    ------
    InputError
        If there is no such device; the sentence names those there are.
    """
    count = torch.cuda.device_count()
    names = [torch.cuda.get_device_name(number) for number in range(count)]
    devices = {f"{name}:{number}": f"cuda:{number}" for number, name in enumerate(names)}
    if count == 1:
        devices = {names[0]: "cuda"}
    devices |= {"cpu": "cpu", "cuda": "cuda" if count else default_device().type}
    devices |= {f"cuda:{number}": f"cuda:{number}" for number in range(count)}
    return devices[choose("device", value or "cuda", devices)]


def check_name(name: Any) -> None:
    """Raise InputError unless an image or a tag of that name stays in its folder."""
    if (
        not isinstance(name, str)
        or not name
        or name.startswith(".")
        or not {"/", "\\", "\0"}.isdisjoint(name)
        or any("\ud800" <= letter <= "\udfff" for letter in name)
    ):
        raise InputError(
            f"{_short(name)} cannot be a name: it must be valid text, not empty, with no slash and no dot in front."
        )
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise InputError(f"{_short(name)} cannot be a name: it is longer than {LONGEST_NAME} bytes.")


def check_info(info: dict[str, Any]) -> None:
    """Raise InputError unless MONAI Label can use the notes on an image: it reads when each strategy chose it."""
    strategies = info.get("strategy", {})
    if not isinstance(strategies, dict) or not all(
        isinstance(note, dict) and isinstance(note.get("ts", 0), int) for note in strategies.values()
    ):
        raise InputError(f'strategy={_short(strategies)} must be an object such as {{"random": {{"ts": 0}}}}.')


def check_training(request: dict[str, Any]) -> None:
    """Raise InputError unless the numbers of a request can be trained with, and on its device."""
    for key, (low, high, whole) in TRAINING.items():
        value = request[key]
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise InputError(f"{key}={_short(value)} must be a{' whole' if whole else ''} number from {low} to {high}.")
    find_device(request.get("device"))
    read_flag("pretrained", request.get("pretrained", True))
    if request.get("gpus", "all") != "all":
        raise InputError(f'gpus={_short(request["gpus"])} is not known; name one device, by "device".')


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
