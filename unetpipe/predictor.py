"""The one reader of a bundle's ``inference.json``: the parts of a model, and arrays segmented by them."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.inferers import Inferer

from unetpipe.bundle.models import facts_of, inference_configs
from unetpipe.bundle.options import check_values
from unetpipe.bundle.safe import safe_inference
from unetpipe.bundle.settings import as_text, check_key
from unetpipe.bundle.workflow import check_configs, parsed
from unetpipe.bundle.writing import find_bundle, read_configs
from unetpipe.datasets.pixels import fit_channels
from unetpipe.errors import FitWarning, InputError
from unetpipe.fit import estimate_diameter, facts_behind
from unetpipe.inferers.rescale import LARGEST_FACTOR
from unetpipe.instances import InstanceSettings, TrainedOn
from unetpipe.io.images import check_pixels, check_rounding, rounding
from unetpipe.morphometry import measure_cells
from unetpipe.networks import UNet
from unetpipe.scope import THREE_DIMENSIONS

NORMALIZATION = "NormalizeIntensityd"  # by each channel's mean and standard deviation
BRIGHT_NORMALIZATION = "unetpipe.transforms.NormalizeBrightd"  # then negated if objects are dark, and compressed
ORDERS = ("yx", "yxc", "cyx", "nyx", "nyxc", "ncyx")  # of axes
NAMED_AXES = f"axes, one of {', '.join(ORDERS)}: y and x, n for the images of a stack, c for channels"
MOST_CHANNELS = 4  # a last axis of this length or less holds the channels of pixels, not columns
NARROW = 16  # columns; a stack of images that are not wider may as well be an image of many channels
# bundles of earlier versions lack these keys
DEFAULTS = {
    "normalization": NORMALIZATION,
    "rotations": 0,
    "scale": 1.0,
    "pixel_size": None,
    "channel": None,
    "trained_on": None,
    "strict": False,
}


@dataclass(frozen=True)
class Segmentation:
    """Everything that :func:`segment` found in an image or stack.

    Attributes
    ----------
    labels : ndarray
        (H, W) or (N, H, W), int32: 0 background, 1 … n in each image.
    probabilities : ndarray
        Same shape, float32, 0 … 1: the probability of "cell".
    table : dict of ndarray
        Columns with a value a cell, as :func:`unetpipe.morphometry.measure_cells` gives them; of a stack first
        ``page``, from 0. ``pandas.DataFrame(table)`` makes a data frame of it.
    warnings : tuple of str
        What was logged as a warning, such as a pixel size that differs from that of the training data, and what does
        not fit the model, such as objects larger than any cell it was trained on.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    table: dict[str, np.ndarray]
    warnings: tuple[str, ...]


def segment(
    image: np.ndarray,
    bundle: str | os.PathLike | None = None,
    *,
    model: str | None = None,
    axes: str | None = None,
    return_probabilities: bool = False,
    pixel_size: float | None = None,
    rescale: bool = False,
    return_result: bool = False,
    strict: bool = False,
    diameter: float | Literal["auto"] | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray] | Segmentation:
    """Segment an image or a stack that is an array.

    Parameters
    ----------
    image : ndarray
        An image (H, W), (H, W, C) or (C, H, W), or a stack of N of these, such as (N, H, W); any integer or float
        dtype. Each image is normalised by its own mean and standard deviation. If the network takes colour images, a
        grey image becomes three equal channels; if it takes grey images, three equal channels become one.
    bundle : path, optional
        A trained bundle's folder; by default the bundle that comes with the package.
    model : str, optional
        One of the bundle's models by name, such as "dic_hela"; by default its own.
    axes : str, optional
        The order of the axes: "yx", "yxc", "cyx", "nyx", "nyxc" or "ncyx", where "n" are the images of a stack and "c"
        the channels. By default, a last axis of 1 to 4 elements is the channels. So is the first axis of an image if it
        has as many elements as the network takes channels, and these are several. A shape that can be read in two ways
        is refused.
    return_probabilities : bool
        Also return the probability of "cell".
    pixel_size : float, optional
        Pixel size of the image, in the unit of the bundle's (micrometres). If both are known and differ by more than
        a quarter, a warning is logged.
    rescale : bool
        Scale the image to the bundle's pixel size; the result has the image's own size.
    return_result : bool
        Return a :class:`Segmentation`, which also measures each cell, instead of arrays.
    strict : bool
        Raise InputError if the result does not fit what the model was trained on. By default a
        :class:`unetpipe.errors.FitWarning` says so.
    diameter : float or "auto", optional
        Diameter of the cells in pixels: the image is scaled so that they have the size that the model was trained on.
        "auto" estimates it from the image, or the first one of a stack (:func:`unetpipe.fit.estimate_diameter`).

    Returns
    -------
    labels : ndarray
        (H, W) or (N, H, W), int32: 0 background, 1 … n in each image.
    probabilities : ndarray
        Only with ``return_probabilities``: same shape as the labels, float32, 0 … 1.

    Raises
    ------
    InputError
        If the axes, channels or pixels do not fit, or the bundle cannot be used; with ``strict`` if the result does
        not fit.

    Examples
    --------
    >>> import numpy as np
    >>> segment(np.zeros((60, 80))).shape
    (60, 80)
    """
    with warnings_of("unetpipe") as logged:
        values: dict[str, Any] = {"image_pixel_size": pixel_size, "rescale": rescale, "strict": strict}
        if diameter == "auto":
            diameter = Predictor.load(bundle, model).estimate_diameter(image, axes)
        predictor = Predictor.load(bundle, model, diameter=diameter, **values)
        labels, probabilities, misfits = predictor.segment(image, axes)
    _warn(misfits)
    if not return_result:
        return (labels, probabilities) if return_probabilities else labels
    table = predictor.measure(image, labels, probabilities, axes)
    return Segmentation(labels, probabilities, table, (*logged, *misfits))


def _warn(misfits: Sequence[str]) -> None:
    for sentence in misfits:
        warnings.warn(sentence, FitWarning, stacklevel=3)


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """Give a list to which the warnings go that a logger and those below it log in this thread."""
    found: list[str] = []
    thread = threading.get_ident()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                found.append(record.getMessage())

    handler = Collect(logging.WARNING)
    logging.getLogger(name).addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger(name).removeHandler(handler)


class Predictor:
    """A trained model of a bundle, loaded once to segment many arrays.

    Create it by :meth:`load`; call it as :func:`segment`, without the bundle. Every part of the model is an attribute.
    It is built when it is first asked for, so a predictor of which only the settings are read costs little.

    Parameters
    ----------
    configs : sequence of path
        Config files; a later one overrides keys of those before it.
    values : mapping
        Values for their keys, which override the files.

    Attributes
    ----------
    configs, values
        As given.

    Raises
    ------
    InputError
        From the attributes: if the weights or a setting do not fit.

    Examples
    --------
    >>> predictor = Predictor.load(threshold=0.6)
    >>> predictor.settings.threshold, predictor.rotations, predictor.pixel_size
    (0.6, 0, 0.19)
    """

    def __init__(self, configs: Sequence[str], values: Mapping[str, Any]) -> None:
        self.configs, self.values = list(configs), dict(values)
        check_configs(self.configs)
        check_values(self.values)
        self._config = ConfigParser()
        self._config.read_config(read_configs(self.configs))
        self._config.update(self.values)
        self._config.update({key: value for key, value in DEFAULTS.items() if key not in self._config})
        # an overlay with weights of its own does not take over what others were trained on
        self.values["trained_on"] = self._config["trained_on"] = facts_of(self.configs, self.values)
        known = {
            **DEFAULTS,
            **read_configs(self.configs),
            "bundle_root": None,
            "image_pixel_size": None,
        }
        for key in self.values:
            check_key(key, known)

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike | None = None,
        model: str | None = None,
        *,
        safe: bool = False,
        diameter: float | None = None,
        **overrides: Any,
    ) -> Predictor:
        """Return the predictor of a bundle's model.

        Parameters
        ----------
        bundle : path, optional
            A trained bundle's folder; by default the bundle that comes with the package.
        model : str, optional
            One of the bundle's models by name, such as "dic_hela"; by default its own.
        safe : bool
            The config of a bundle is a program: MONAI runs what it names. True takes only the weights and plain values
            from the bundle and the rest from the installed ``inference.json``, and refuses a bundle that needs more.
        diameter : float, optional
            Diameter of the cells in pixels: images are scaled so that they have the size that the model was trained on.
        **overrides
            Values for keys of its ``inference.json``, such as ``threshold`` or ``roi_size``.

        Raises
        ------
        InputError
            If the folder is not a bundle, has no such model, or cannot be used safely (with ``safe``); if the diameter
            is not a number above 0, or it is not known what the model was trained on.
        """
        folder = find_bundle() if bundle is None else bundle
        if safe:
            configs, values = safe_inference(folder, model)
            predictor = cls(configs, {"bundle_root": as_text(find_bundle()), **values, **overrides})
        else:
            predictor = cls(inference_configs(folder, model), {"bundle_root": as_text(folder), **overrides})
        if diameter is None:
            return predictor
        if overrides.get("rescale"):
            raise InputError("diameter and rescale both scale the images; give one of them.")
        if isinstance(diameter, bool) or not isinstance(diameter, Real) or not 0 < float(diameter) < np.inf:
            raise InputError(f"diameter={diameter!r} must be a number of pixels above 0.")
        scale = facts_behind(predictor).diameter / float(diameter)
        if not 1 / LARGEST_FACTOR <= scale <= LARGEST_FACTOR:
            raise InputError(
                f"A diameter of {diameter:g} pixels would scale the images by {scale:.3g}; give that of the cells in "
                "the images, in pixels."
            )
        return cls(predictor.configs, {**predictor.values, "scale": scale})

    def prepare(self) -> Predictor:
        """Read the weights now, and return the predictor; later changes of the bundle's files do not matter to it."""
        _ = self.network
        return self

    @cached_property
    def weights(self) -> Path:
        """The file of the weights, which need not exist."""
        if "weights" not in self._config:
            raise InputError(f"{self.configs[0]} does not say where the weights are; set the key weights.")
        return self._get("weights", Path)

    @cached_property
    def network(self) -> UNet:
        """The network with its weights, on the device, in evaluation mode, batch norms folded into convolutions.

        Networks of other classes have a UNet's sizes too (``margin``, ``step`` …).
        """
        # by a parser that is not kept, since it holds the weights once more, as they were before folding
        return parsed(ConfigParser(self._config.config), "trained_network", self.configs)

    @cached_property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._get("device")

    @cached_property
    def channels(self) -> int:
        """Number of channels that the network takes."""
        return self._get("in_channels", int)

    @cached_property
    def channel(self) -> int | None:
        """Which channel of image files is used, from 0; None if all are. It does not apply to arrays."""
        return self._get("channel")

    @cached_property
    def amp(self) -> bool:
        """Whether to compute in bfloat16 where the device has it in hardware."""
        return self._get("amp", bool)

    @cached_property
    def normalization(self) -> str:
        """Name of the transform that normalises an image."""
        return self._get("normalization")

    @cached_property
    def normalize(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The transform that normalises ``{"image": (C, H, W)}``, float32, in place."""
        return self._get("normalize")

    @cached_property
    def inferer(self) -> Inferer:
        """The inferer of a whole image: scale, rotations and tiles together. It returns logits of the image's size."""
        return self._get("inferer")

    @cached_property
    def tiles(self) -> Inferer:
        """The part of :attr:`inferer` that cuts an image into tiles, usually an ``OverlapTileInferer``."""
        return self._get("tiles#inferer")

    @cached_property
    def rotations(self) -> int:
        """Over how many rotated versions the probability is averaged (:func:`unetpipe.inferers.rotated`); 0 is one."""
        return self._get("rotations")

    @cached_property
    def scale(self) -> float:
        """By which factor images are scaled before inference; 1 does not scale them."""
        return self._get("scale")

    @cached_property
    def pixel_size(self) -> float | None:
        """Pixel size that the model was trained at, in micrometres; None if it is not known."""
        return self._get("pixel_size")

    @cached_property
    def trained_on(self) -> TrainedOn | None:
        """What the model was trained on; None for bundles of earlier versions."""
        return TrainedOn.parse(self.values["trained_on"], f"trained_on in {' with '.join(self.configs)}")

    @cached_property
    def strict(self) -> bool:
        """Whether a result that does not fit what the model was trained on is an error."""
        return self._get("strict", bool)

    @cached_property
    def settings(self) -> InstanceSettings:
        """How the probability becomes cells; ``min_size`` is in pixels of the image, whatever the scale."""
        return self._get("instances", lambda part: part.settings)

    def __call__(
        self, image: np.ndarray, axes: str | None = None, return_probabilities: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the labels of an array, and the probabilities with ``return_probabilities`` (:func:`segment`)."""
        labels, probabilities, misfits = self.segment(image, axes)
        _warn(misfits)
        return (labels, probabilities) if return_probabilities else labels

    def segment(self, image: np.ndarray, axes: str | None = None) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Segment an array as :func:`segment` does, but return also what does not fit the model.

        Returns
        -------
        labels, probabilities : ndarray
            (H, W) or (N, H, W).
        misfits : list of str
            A sentence for each thing that is unlike what the model was trained on.

        Raises
        ------
        InputError
            As from :func:`segment`; if the model is strict, also with the first of the sentences.
        """
        stack, is_stack = self._as_stack(image, axes)
        found = []
        misfits: list[str] = []
        for number, page in enumerate(stack):
            labels, probability, normalized = self._segment_one(page)
            found.append((labels, probability))
            if self.trained_on is not None:
                where = f"Page {number}: " if len(stack) > 1 else ""
                sentences = self.trained_on.misfits(probability, labels, normalized, self.scale)
                misfits += [where + sentence for sentence in sentences]
            if misfits and self.strict:
                raise InputError(misfits[0])
        labels, probabilities = (np.stack(part) for part in zip(*found, strict=True))
        return (labels, probabilities, misfits) if is_stack else (labels[0], probabilities[0], misfits)

    def estimate_diameter(self, image: np.ndarray, axes: str | None = None) -> float:
        """Return the diameter of the cells of an image, or the first of a stack, in pixels (:mod:`unetpipe.fit`)."""
        stack, _ = self._as_stack(image, axes)
        return estimate_diameter(self, stack[0])

    def measure(
        self, image: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, axes: str | None = None
    ) -> dict[str, np.ndarray]:
        """Return the table of the cells that a call found (:class:`Segmentation`)."""
        stack, is_stack = _as_pages(np.asarray(image), axes, self.channels)
        size = self.values.get("image_pixel_size")
        if not is_stack:
            return measure_cells(labels, stack[0], probabilities, size)
        tables = [measure_cells(*page, size) for page in zip(labels, stack, probabilities, strict=True)]
        pages = np.repeat(np.arange(len(tables)), [len(table["id"]) for table in tables])
        return {"page": pages, **{name: np.concatenate([table[name] for table in tables]) for name in tables[0]}}

    def _segment_one(self, page: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return labels (H, W), probability of "cell" (H, W) and the normalised image of (C, H, W)."""
        item = self.normalize({"image": torch.from_numpy(page.astype(np.float32, order="C"))})
        with torch.no_grad():
            logits = self.inferer(item["image"][None].to(self.device), self.network)[0]
        probability = 1 - np.asarray(torch.softmax(logits.float(), dim=0)[0].cpu())
        return self.settings.instances(probability), probability, np.asarray(item["image"])

    def _as_stack(self, image: np.ndarray, axes: str | None) -> tuple[np.ndarray, bool]:
        """Return (N, C, H, W) as the network takes it, and whether the array is a stack."""
        if isinstance(image, (str, os.PathLike)):
            raise InputError(
                f"{image} is a path, and segment takes an array of pixels; read the file first, such as by "
                "tifffile.imread, or use the program: unetpipe segment."
            )
        if np.ma.is_masked(image):
            raise InputError(
                f"The array of shape {image.shape} has masked elements, which have no grey value; fill them first, as "
                "by numpy.ma.filled."
            )
        image = np.asarray(image)
        stack, is_stack = _as_pages(image, axes, self.channels)
        if stack.size:
            stack = fit_channels(stack, self.channels)
        if stack.shape[1] != self.channels:
            raise InputError(
                f"The array of shape {image.shape} has {stack.shape[1]} channel(s), the network takes {self.channels}. "
                "Choose from its channels, or say by axes which axes it has."
            )
        if 0 in stack.shape:
            raise InputError(f"The array of shape {image.shape} is empty.")
        for number, page in enumerate(stack):
            name = f"Page {number} of the array" if len(stack) > 1 else f"The array of shape {image.shape}"
            check_pixels(page, name)
            check_rounding(rounding(page), name)
        return stack, is_stack

    def _get(self, key: str, kind: Callable[[Any], Any] = lambda value: value) -> Any:
        """Return what a key of the config stands for, as a kind."""
        value = parsed(self._config, key, self.configs)
        try:
            return kind(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{' with '.join(self.configs)} cannot be used: its key {key!r} is {value!r}.") from error


def _as_pages(image: np.ndarray, axes: str | None, channels: int) -> tuple[np.ndarray, bool]:
    """Return an array as (N, C, H, W), and whether it is a stack."""
    if axes is None:
        axes = _guess_axes(image, channels)
    if axes not in ORDERS or len(axes) != image.ndim or image.dtype.kind not in "buif":
        given = f"An array of shape {image.shape}, {image.dtype}, with axes={axes!r}"
        volume = f" {THREE_DIMENSIONS}" if "z" in axes.lower() else ""
        raise InputError(f"{given} cannot be segmented; give numbers, and {NAMED_AXES}.{volume}")
    order = [axis for axis in "ncyx" if axis in axes]
    pages = np.transpose(image, [axes.index(axis) for axis in order])
    return np.expand_dims(pages, [place for place, axis in enumerate("nc") if axis not in axes]), "n" in axes


def _guess_axes(image: np.ndarray, channels: int) -> str:
    """Return the axes of an array, if its shape tells them."""
    if image.ndim == 2:
        return "yx"
    stack = "n" if image.ndim == 4 else ""
    if image.ndim in (3, 4) and 0 not in image.shape:
        first, last = image.shape[-3], image.shape[-1]
        at_end = last <= MOST_CHANNELS or 1 < channels == last
        at_start = 1 < channels == first or (image.ndim == 4 and first == 1) or (at_end and first <= MOST_CHANNELS)
        if at_end != at_start:
            return f"{stack}yxc" if at_end else f"{stack}cyx"
        if not at_end and image.ndim == 3 and last > NARROW:
            return "nyx"
    raise InputError(
        f"An array of shape {image.shape} cannot be segmented: it is not clear which axes these are; give {NAMED_AXES}."
        + (f" {THREE_DIMENSIONS}" if image.ndim > 3 else "")
    )
