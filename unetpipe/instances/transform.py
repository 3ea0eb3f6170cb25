"""The instances step as a MONAI transform, for the postprocessing of a config."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from unetpipe.errors import InputError
from unetpipe.instances.from_probability import instances_from_probability


class InstancesFromProbabilityd(MapTransform):
    """Replace class probabilities (K, H, W) by an instance map (1, H, W), int32.

    Parameters
    ----------
    keys : str or sequence of str
        The probabilities; class 0 is background, "cell" is 1 minus its probability.
    threshold, min_size, ridge_refill_radius, marker_threshold, merge_threshold
        See :func:`unetpipe.instances.instances_from_probability`.

    Raises
    ------
    InputError
        If a threshold is no probability.
    """

    def __init__(
        self,
        keys: KeysCollection,
        threshold: float = 0.5,
        min_size: int = 0,
        ridge_refill_radius: float = 2.0,
        marker_threshold: float | None = None,
        merge_threshold: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        _check_probability("threshold", threshold)
        for name, value in (("marker_threshold", marker_threshold), ("merge_threshold", merge_threshold)):
            if value is not None:
                _check_probability(name, value)
        self.threshold = threshold
        self.min_size = min_size
        self.ridge_refill_radius = ridge_refill_radius
        self.marker_threshold = marker_threshold
        self.merge_threshold = merge_threshold

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with the instance map(s) in place of the probabilities."""
        item = dict(data)
        for key in self.key_iterator(item):
            cell = 1 - convert_to_numpy(item[key])[0]
            instances = instances_from_probability(
                cell,
                self.threshold,
                self.min_size,
                self.ridge_refill_radius,
                self.marker_threshold,
                self.merge_threshold,
            )
            tensor = torch.from_numpy(instances[None])
            item[key] = MetaTensor(tensor).copy_meta_from(item[key]) if isinstance(item[key], MetaTensor) else tensor
        return item


def _check_probability(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise InputError(f"{name}={value!r} is no probability; it must be a number from 0 to 1.")
