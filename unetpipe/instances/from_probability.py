"""Turn the probability of "cell" into numbered cells: the settings, and the steps that memory and blocks share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy
from scipy import ndimage

from unetpipe.datasets.masks import EVERY_NEIGHBOUR, components
from unetpipe.errors import InputError
from unetpipe.instances.ridge import refill_ridge
from unetpipe.instances.splitting import inner_peaks, merge_open_borders, split_at_markers
from unetpipe.instances.trained_on import TrainedOn
from unetpipe.morphometry.confidence import cell_confidences

logger = logging.getLogger(__name__)


def background_regions(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the 8-connected background regions of (H, W), int32, 1 … n; return them and n."""
    return ndimage.label(~mask, structure=EVERY_NEIGHBOUR)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the background regions (8-connected) of (H, W) that do not reach the image border."""
    background, count = background_regions(mask)
    is_open = np.zeros(count + 1, bool)
    for side in (background[0], background[-1], background[:, 0], background[:, -1]):
        is_open[side] = True
    return mask | ~is_open[background]


def connected(cells: np.ndarray) -> np.ndarray:
    """Number the 4-connected pieces of each cell of (H, W), int32.

    The first piece of a cell keeps the cell's number; the others are given new numbers above all of them.
    """
    pieces = components(cells)
    cell = np.zeros(int(pieces.max(initial=0)) + 1, np.int32)
    cell[pieces] = cells
    is_further = np.diff(cell, prepend=-1) == 0  # pieces are in the order of their cells
    return np.where(is_further, cell[-1] + np.cumsum(is_further), cell).astype(np.int32)[pieces]


def remove_small(instances: np.ndarray, min_size: int) -> np.ndarray:
    """Remove cells of fewer than ``min_size`` pixels from (H, W) and number the others 1 … n in their old order."""
    sizes = np.bincount(instances.ravel())
    keep = (sizes >= max(min_size, 1)) & (np.arange(len(sizes)) > 0)
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[instances]


def otsu_components(image: np.ndarray) -> np.ndarray:
    """Number the 4-connected components of the pixels above Otsu's threshold: (H, W) → (H, W), int32.

    This is what one gets without learning.
    """
    import itk

    mask = itk.otsu_threshold_image_filter(
        itk.image_view_from_array(image.astype(np.float32)),
        inside_value=0,
        outside_value=1,
        ttype=(itk.Image[itk.F, 2], itk.Image[itk.UC, 2]),
    )
    return ndimage.label(itk.array_from_image(mask))[0].astype(np.int32)


@dataclass(frozen=True)
class InstanceSettings:
    """How a probability becomes numbered cells.

    Parameters
    ----------
    threshold : float
        A pixel is cell if its probability is above it, 0 … 1.
    marker_threshold : float or sequence of float, optional
        A confident centre is a component above it of at least ``min_size`` pixels. A component with several centres
        is cut between them. With several values, cells are cut at the lowest one, then the parts at the next one, and
        so on: cells of which the network is less sure are then cut as well as those of which it is sure. None cuts
        nothing, and so does a value that is not above ``threshold``.
    merge_threshold : float, optional
        If given, the whole image is flooded from its confident centres, and the parts on the two sides of a border
        become one cell where the mean membrane probability along the border is below this value. Stacks of
        membranes need it, because one leak joins two cells.
    min_size : int
        Cells of fewer pixels, with their holes filled, are removed.
    ridge_refill_radius : float
        Background between two cells is given to the nearer one within this radius in pixels
        (:func:`unetpipe.instances.refill_ridge`).

    Raises
    ------
    InputError
        If a threshold is not a number from 0 to 1, or a merge threshold comes with several marker thresholds.

    Examples
    --------
    >>> InstanceSettings(threshold=0.5).instances(np.array([[0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.7]]))
    array([[1, 1, 0, 0, 0, 0, 2]], dtype=int32)
    >>> row = np.array([[0.8, 0.6, 0.8, 0.1, 0.9, 0.8, 0.9]])
    >>> InstanceSettings(marker_threshold=0.7, ridge_refill_radius=0).instances(row)
    array([[1, 1, 3, 0, 2, 2, 2]], dtype=int32)
    >>> InstanceSettings(marker_threshold=(0.7, 0.85), ridge_refill_radius=0).instances(row)
    array([[1, 1, 3, 0, 2, 2, 4]], dtype=int32)
    """

    threshold: float = 0.5
    marker_threshold: float | Sequence[float] | None = None
    merge_threshold: float | None = None
    min_size: int = 0
    ridge_refill_radius: float = 2.0

    def __post_init__(self) -> None:
        if isinstance(self.marker_threshold, Sequence) and not isinstance(self.marker_threshold, str):
            object.__setattr__(self, "marker_threshold", tuple(self.marker_threshold))  # a frozen class
        for name, value in self.thresholds.items():
            if value is None and name != "threshold":
                continue
            for one in value if isinstance(value, tuple) and name == "marker_threshold" else (value,):
                if isinstance(one, bool) or not isinstance(one, Real) or not 0 <= float(one) <= 1:
                    raise InputError(f"{name}={one!r} is not a probability; it must be a number from 0 to 1.")
        if self.marker_threshold == ():
            raise InputError("marker_threshold=[] holds no number; null cuts nothing.")
        if self.merge_threshold is not None and isinstance(self.marker_threshold, tuple):
            raise InputError(
                f"With merge_threshold={self.merge_threshold:g}, marker_threshold must be one number, not several."
            )

    @property
    def thresholds(self) -> dict[str, float | Sequence[float] | None]:
        """The three thresholds by name: the settings that training chooses on validation frames."""
        return {
            "threshold": self.threshold,
            "marker_threshold": self.marker_threshold,
            "merge_threshold": self.merge_threshold,
        }

    @property
    def marker_levels(self) -> list[float]:
        """The marker thresholds above ``threshold``, the lowest first."""
        given = self.marker_threshold if isinstance(self.marker_threshold, tuple) else (self.marker_threshold,)
        return sorted(level for level in given if level is not None and level > self.threshold)

    @property
    def cuts(self) -> bool:
        """Whether components with several confident centres are cut between them."""
        return bool(self.marker_levels)

    @property
    def floods(self) -> bool:
        """Whether the image is flooded as a whole, so that a pixel's cell may depend on any other pixel."""
        return self.cuts and self.merge_threshold is not None

    def instances(self, probability: np.ndarray) -> np.ndarray:
        """Number the cells of an image.

        The steps are: threshold, fill holes, number the 4-connected components, cut them between their centres,
        remove small ones, refill the ridge between neighbours.

        Parameters
        ----------
        probability : ndarray
            (H, W), float: the probability of "cell".

        Returns
        -------
        ndarray
            (H, W), int32: 0 background, 1 … n.
        """
        mask = fill_holes(probability > self.threshold)
        cells = self._flood(probability, mask) if self.floods else self.cut(probability, ndimage.label(mask)[0])
        return refill_ridge(remove_small(cells, self.min_size), self.ridge_refill_radius)

    def cut(self, probability: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Cut each cell between its confident centres, if it has several.

        The result in a cell depends on nothing outside it, so blocks of an image may be cut one by one.

        Parameters
        ----------
        probability : ndarray
            (H, W), float: the probability of "cell".
        cells : ndarray
            (H, W), integer: 0 background, 1 … n, each 4-connected, with its holes filled.

        Returns
        -------
        ndarray
            (H, W), int32, numbered as by :func:`unetpipe.instances.splitting.split_at_markers`.
        """
        cells = cells.astype(np.int32)
        for level in self.marker_levels:
            centres = ndimage.label(fill_holes(probability > level) & (cells > 0))[0].astype(np.int32)
            cells = split_at_markers(probability, cells, remove_small(centres, self.min_size))
        return cells

    def _flood(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Flood the image from its centres and merge the parts whose common border is open."""
        centres = inner_peaks(probability > self.marker_levels[0])
        parts = split_at_markers(probability, np.ones(mask.shape, np.int32), centres)
        merged = merge_open_borders(probability, parts, self.merge_threshold)  # type: ignore[arg-type]
        return connected(np.where(mask, merged, 0))


class InstancesFromProbabilityd(MapTransform):
    """Replace class probabilities (K, H, W) by an instance map (1, H, W), int32.

    Parameters
    ----------
    keys : str or sequence of str
        The probabilities. Class 0 is background; the probability of "cell" is 1 minus that of background.
    allow_missing_keys : bool
        Whether an item may lack a key.
    trained_on : mapping, optional
        What the model was trained on (:meth:`unetpipe.instances.TrainedOn.as_values`). A result that does not fit is
        logged as a warning.
    strict : bool
        Raise InputError instead of the warning.
    scale : float
        By which factor the images were scaled for the network.
    settings
        The fields of :class:`InstanceSettings`, such as ``threshold=0.4``.

    Attributes
    ----------
    elsewhere : callable, optional
        ``elsewhere(function, *given)`` returns ``function(*given)``, computed by another process. None computes here.

    Raises
    ------
    InputError
        If a threshold is not a number from 0 to 1, or ``trained_on`` is not what a training writes.
    """

    def __init__(
        self,
        keys: KeysCollection,
        allow_missing_keys: bool = False,
        trained_on: Mapping[str, Any] | None = None,
        strict: bool = False,
        scale: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.trained_on = TrainedOn.parse(trained_on)
        self.strict = strict
        self.scale = scale
        self.settings = InstanceSettings(**settings)
        self.elsewhere: Callable[..., Any] | None = None

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the item with instance maps in place of the probabilities.

        The confidences of the cells (:func:`unetpipe.morphometry.confidence.cell_confidences`) go to KEY_confidence.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            probability = 1 - convert_to_numpy(item[key])[0]
            image = item.get("image")
            pixels = convert_to_numpy(image) if isinstance(image, torch.Tensor) and self.trained_on else None
            given = self.settings, self.trained_on, probability, pixels, self.scale
            instances, misfits, confidences = self.elsewhere(_find, *given) if self.elsewhere else _find(*given)
            self._say(misfits, item[key])
            item[f"{key}_confidence"] = confidences
            tensor = torch.from_numpy(instances[None])
            item[key] = MetaTensor(tensor).copy_meta_from(item[key]) if isinstance(item[key], MetaTensor) else tensor
        return item

    def _say(self, misfits: Sequence[str], result: Any) -> None:
        """Log what does not fit the model, or raise InputError if that is asked for."""
        meta = result.meta if isinstance(result, MetaTensor) else {}
        name = str(meta.get("filename_or_obj", ""))
        if int(meta.get("pages", 1)) > 1:
            name += f", page {meta.get('page', 0)}"
        sentences = [f"{name}: {sentence}" if name else sentence for sentence in misfits]
        if sentences and self.strict:
            raise InputError(sentences[0])
        for sentence in sentences:
            logger.warning(sentence)


def _find(
    settings: InstanceSettings,
    trained_on: TrainedOn | None,
    probability: np.ndarray,
    pixels: np.ndarray | None,
    scale: float,
) -> tuple[np.ndarray, list[str], list[float]]:
    """Return the instances of a probability (H, W), what does not fit the model, and the confidences of the cells."""
    instances = settings.instances(probability)
    misfits = [] if trained_on is None else trained_on.misfits(probability, instances, pixels, scale)
    return instances, misfits, cell_confidences(instances, probability)
