"""What a request may choose from; nothing else of it reaches a config, whose strings MONAI would evaluate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from monailabel.utils.others.generic import device_map

from unetpipe.errors import InputError


def choose(key: str, value: Any, known: Iterable[str]) -> str:
    """Return a choice of a request; of the list of choices that the server offered, sent back as it was, the first.

    Raises
    ------
    InputError
        If it is not known; the sentence names those that are.
    """
    choice = value[0] if isinstance(value, list) and value else value
    if not isinstance(choice, str) or choice not in known:
        raise InputError(f"{key}={value!r} is not known; use one of {', '.join(known)}.")
    return choice


def find_device(value: Any) -> str:
    """Return what torch calls the device of a request; "cuda", the default, is the CPU where there is no GPU.

    Raises
    ------
    InputError
        If there is no such device; the sentence names those there are.
    """
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    devices = {**device_map(), "cpu": "cpu", "cuda": "cuda" if gpus else "cpu", **{gpu: gpu for gpu in gpus}}
    return devices[choose("device", value or "cuda", devices)]
