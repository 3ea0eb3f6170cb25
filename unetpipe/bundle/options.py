"""Check the device, numbers and switches in a config before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch

from unetpipe.bundle.settings import is_expression
from unetpipe.errors import InputError

SWITCHES = (
    *("hold_out", "resume", "amp", "progress", "rescale", "strict", "border_weight_outside_cells_only"),
    *("device_batches", "compile", "show_bars", "show_tiles"),
)
OPTIONAL_SWITCHES = ("device_batches",)  # or null
COUNTS = {
    **dict.fromkeys(("max_epochs", "steps_per_epoch", "batch_size", "val_interval", "in_channels", "out_channels"), 1),
    **dict.fromkeys(("num_workers", "seed", "rotations", "perturbed_frames"), 0),
    "image_batch": 1,
}
OPTIONAL_COUNTS = {"channel": 0, "validation_processes": 0}  # or null
# smallest and largest value; the smallest one itself is allowed where it is 0 and the key is not in ABOVE_ZERO
NUMBERS = {
    **dict.fromkeys(("cache_rate", "ema_momentum", "cell_centred_prob", "blur_prob"), (0, 1)),
    **dict.fromkeys(("field_of_view_prob", "ground_prob"), (0, 1)),
    "zoom": (0, 0.9),
    **dict.fromkeys(("learning_rate", "w0", "sigma", "ridge_radius", "ridge_refill_radius"), (0, math.inf)),
    **dict.fromkeys(("noise_std", "shading"), (0, math.inf)),
    **dict.fromkeys(("min_size", "pixel_size", "image_pixel_size"), (0, math.inf)),
}
ABOVE_ZERO = ("ema_momentum", "sigma", "pixel_size", "image_pixel_size")


def check_values(config: Mapping[str, Any]) -> None:
    """Check the device, counts, numbers and switches of a config; what an expression computes is not looked at.

    Raises
    ------
    InputError
        Naming the key, its value and what would be right.
    """
    for key, value in config.items():
        if isinstance(value, dict) or is_expression(value):
            continue
        if key == "device":
            _check_device(value)
        number = isinstance(value, Real) and not isinstance(value, bool)
        if key in SWITCHES and not isinstance(value, bool) and not (value is None and key in OPTIONAL_SWITCHES):
            raise InputError(f"{key}={value!r} must be true or false.")
        if key == "image_batch" and value is None:
            continue
        counted = COUNTS if value is None else {**COUNTS, **OPTIONAL_COUNTS}
        if key in counted and (not number or not float(value).is_integer() or value < counted[key]):
            raise InputError(f"{key}={value!r} must be a whole number, {counted[key]} or more.")
        if key in NUMBERS and value is not None:
            smallest, largest = NUMBERS[key]
            if (
                not number
                or not smallest <= value <= largest
                or (key in ABOVE_ZERO and value == 0)
                or value == math.inf
            ):
                kind = "above 0" if key in ABOVE_ZERO else "0 or more"
                limit = f", at most {largest}" if largest < math.inf else ""
                raise InputError(f"{key}={value!r} must be a number {kind}{limit}.")


def _check_device(value: Any) -> None:
    """Raise InputError unless this machine has a device; the sentence names those it has."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    count = torch.accelerator.device_count()
    there = ["cpu", *(f"{accelerator.type}:{number}" for number in range(count) if accelerator is not None)]
    try:
        device = torch.device(value)
    except (RuntimeError, TypeError, ValueError):
        device = torch.device("meta")  # holds no values
    if device.type not in {name.partition(":")[0] for name in there} or (device.index and str(device) not in there):
        raise InputError(f"There is no device {value!r} on this machine; there is {', '.join(there)}.")
