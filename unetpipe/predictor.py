"""One call from Python: an array in, numbered cells out, by the bundle's own parts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from unetpipe.bundle.models import inference_configs
from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError


def segment(
    image: np.ndarray,
    bundle: str | os.PathLike | None = None,
    *,
    model: str | None = None,
    axes: str | None = None,
    return_probabilities: bool = False,
    pixel_size: float | None = None,
    rescale: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Segment an image or a stack held in an array.

    Parameters
    ----------
    image : ndarray
        (H, W), (H, W, C) or (N, H, W), any integer or float dtype; each image is normalised by its
        own mean and standard deviation. A network of colours is given grey images as three equal channels.
    bundle : path, optional
        A trained bundle's folder; by default the bundle that comes with the package.
    model : str, optional
        One of the bundle's models by name, such as "dic_hela"; by default its own.
    axes : {"yx", "yxc", "nyx"}, optional
        What the axes are. By default three axes are (H, W, C) if the last is as long as the
        network's channels and these are several, else (N, H, W).
    return_probabilities : bool
        Also return the probability of "cell".
    pixel_size : float, optional
        The image's, in the unit of the bundle's (micrometres). If both are known and differ by more
        than a quarter, a warning is logged.
    rescale : bool
        Scale the image to the bundle's pixel size; the result has the image's own size.

    Returns
    -------
    labels : ndarray
        (H, W) or (N, H, W), int32: 0 background, 1 … n in each image.
    probabilities : ndarray
        Only if asked for: of the labels' shape, float32, 0 … 1.

    Raises
    ------
    InputError
        If the axes, the channels, the pixels or the bundle do not fit.
    """
    folder = find_bundle() if bundle is None else bundle
    return Predictor(folder, model, image_pixel_size=pixel_size, rescale=rescale)(image, axes, return_probabilities)


class Predictor:
    """A bundle, loaded once, to segment many arrays; call it as :func:`segment` without the bundle.

    Parameters
    ----------
    bundle : path
        A trained bundle's folder.
    model : str, optional
        One of its models by name.
    overrides
        Values for keys of its ``inference.json``, such as ``threshold`` or ``roi_size``.
    """

    def __init__(self, bundle: str | os.PathLike, model: str | None = None, **overrides: Any) -> None:
        parser = ConfigParser()
        parser.read_config(inference_configs(bundle, model))
        parser.update({"bundle_root": str(bundle), **overrides})
        self.channels = int(parser.get_parsed_content("in_channels"))
        self.device = parser.get_parsed_content("device")
        self.network = parser.get_parsed_content("trained_network")
        self.normalize, self.inferer, self.softmax, self.instances = (
            parser.get_parsed_content(key) for key in ("normalize", "inferer", "softmax", "instances")
        )

    def __call__(
        self, image: np.ndarray, axes: str | None = None, return_probabilities: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the labels of an array, and the probabilities if asked for."""
        image = np.asarray(image)
        axes = axes or self._guess_axes(image)
        labels, probabilities = (
            np.stack(part) for part in zip(*map(self._segment_one, self._as_stack(image, axes)), strict=True)
        )
        if axes != "nyx":
            labels, probabilities = labels[0], probabilities[0]
        return (labels, probabilities) if return_probabilities else labels

    def _segment_one(self, page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        item = self.normalize({"image": torch.from_numpy(page.astype(np.float32))})
        with torch.no_grad():
            logits = self.inferer(item["image"][None].to(self.device), self.network)[0]
        probabilities = self.softmax({"pred": logits})
        labels = self.instances(probabilities)["pred"]
        return np.asarray(labels.cpu())[0], 1 - np.asarray(probabilities["pred"].cpu())[0]

    def _guess_axes(self, image: np.ndarray) -> str:
        if image.ndim == 2:
            return "yx"
        return "yxc" if self.channels > 1 and image.shape[-1] == self.channels else "nyx"

    def _as_stack(self, image: np.ndarray, axes: str) -> np.ndarray:
        """Return (N, C, H, W)."""
        if axes not in ("yx", "yxc", "nyx") or len(axes) != image.ndim or image.dtype.kind not in "buif":
            raise InputError(
                f"An array of shape {image.shape}, {image.dtype}, with axes={axes!r} cannot be segmented; give numbers "
                'as (H, W), (H, W, C) or (N, H, W), and axes="yx", "yxc" or "nyx" if need be.'
            )
        if axes == "yx":
            stack = image[None, None]
        else:
            stack = image[:, None] if axes == "nyx" else np.moveaxis(image, -1, 0)[None]
        if self.channels == 3 and stack.shape[1] == 1:  # as ReadImaged does
            stack = np.broadcast_to(stack, (len(stack), 3, *stack.shape[2:]))
        if stack.shape[1] != self.channels:
            raise InputError(f"The array has {stack.shape[1]} channel(s), the network takes {self.channels}.")
        if 0 in stack.shape or not np.isfinite(stack).all():
            raise InputError(f"The array of shape {image.shape} is empty or holds pixels that are NaN or infinite.")
        return stack
