"""What a model was trained on, and whether an image and the cells found in it are like that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import ndimage

from unetpipe.errors import InputError

SCALES = (1, 2, 4, 8, 16)  # px, sigma of the Gaussians between whose results lies the detail
SMALLEST_HALVED = 128  # px; the coarse detail of larger images is measured on fewer pixels
PERCENTILES = (1, 5, 50, 95, 100)
LARGER = 2.0  # times the largest cell: more than two cells grown together
DOUBTFUL = 1.5  # times the highest doubt of the validation frames; 1 is too much in an image of unlike detail
UNLIKE = 1.6  # times the most, or below the least by that: detail that training did not show
FAR = 0.75  # distance (distance) from the nearest kind of training image beyond which an image is like none of them
GREY_PERCENTILES = (5, 50, 95)  # of the grey values
MOST_PIXELS = 2**20  # of which the percentiles are taken; every n-th of larger images
USUAL = (
    0.12  # doubt of a model of one kind of image; one of many kinds is less certain, and more so than its scores say
)
ADVICE = "look at the result, or try another model (unetpipe models)"


@dataclass(frozen=True)
class TrainedOn:
    """What a model was trained on.

    Attributes
    ----------
    cell_areas : tuple of float
        The 1st, 5th, 50th and 95th percentile and the largest of the areas of the cells, in pixels.
    foreground : (float, float)
        The least and the largest share of a frame that is cell.
    detail : tuple of (float, float)
        The least and the largest :func:`image_detail` of a frame, at each scale.
    doubt : float or None
        The largest :func:`doubt` of a validation frame.
    kinds : tuple of tuple of float
        The means of :func:`describe_image` over groups of training images that are alike. Only a model of many kinds
        needs them: its ranges of detail hold nearly everything. A training writes none.
    """

    cell_areas: tuple[float, ...]
    foreground: tuple[float, float]
    detail: tuple[tuple[float, float], ...]
    doubt: float | None = None
    kinds: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any] | None, source: str = "trained_on") -> TrainedOn | None:
        """Return what a config holds; None if it holds nothing.

        Raises
        ------
        InputError
            If it is not what :meth:`as_values` returns; ``source`` says where it is.
        """
        if values is None:
            return None
        try:
            areas = tuple(map(_number, values["cell_areas"]))
            low, high = map(_number, values["foreground"])
            detail = tuple((_number(least), _number(most)) for least, most in values["detail"])
            doubt = values.get("doubt")
            kinds = tuple(tuple(map(_number_of_any_sign, kind)) for kind in values.get("kinds", ()))
            known = {"cell_areas", "foreground", "detail", "doubt", "kinds"}
            if set(values) - known or len(areas) != len(PERCENTILES) or len(detail) != len(SCALES):
                raise ValueError
            if any(len(kind) != len(SCALES) + len(GREY_PERCENTILES) for kind in kinds):
                raise ValueError
            return cls(areas, (low, high), detail, None if doubt is None else _number(doubt), kinds)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(
                f"{source} is not what a training writes: it must be null, or hold cell_areas ({len(PERCENTILES)} "
                f"numbers), foreground (2), detail ({len(SCALES)} pairs) and doubt (one number or null), and may hold "
                f"kinds (lists of {len(SCALES) + len(GREY_PERCENTILES)} numbers)."
            ) from None

    def as_values(self) -> dict[str, Any]:
        """Return what a config holds: lists and numbers."""
        values = asdict(self)
        if not self.kinds:
            del values["kinds"]
        return {
            name: [list(part) if isinstance(part, tuple) else part for part in value]
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        }

    @property
    def diameter(self) -> float:
        """Diameter in pixels of a disc as large as the median cell."""
        return float(2 * np.sqrt(self.cell_areas[2] / np.pi))

    @property
    def uncertain(self) -> bool:
        """Whether the doubt of validation is high, because some of the images are hard: then more doubt says little."""
        return (self.doubt or USUAL) > 2 * USUAL

    def misfits(
        self, probability: np.ndarray, labels: np.ndarray, image: np.ndarray | None = None, scale: float = 1.0
    ) -> list[str]:
        """Say in a sentence each what does not fit.

        Parameters
        ----------
        probability : ndarray
            (H, W), float: the probability of "cell".
        labels : ndarray
            (H, W), integer: the cells.
        image : ndarray, optional
            (C, H, W), float: the image as it was normalised.
        scale : float
            By which factor the image was scaled for the network.

        Returns
        -------
        list of str
            Empty if all fits.
        """
        areas = np.bincount(labels.ravel())[1:] * scale**2
        areas = areas[areas > 0]
        found = [self._large(areas), self._usual(areas), self._doubt(probability, image, scale)]
        if not len(areas) and self.foreground[0] > 0:
            found.append(
                f"No cell was found; in each frame this model was trained on, cells fill at least "
                f"{self.foreground[0]:{'.0%' if self.foreground[0] >= 0.01 else '.2%'}}; {ADVICE}."
            )
        return [sentence for sentence in found if sentence]

    def _large(self, areas: np.ndarray) -> str:
        """Say which objects are larger than any cell of the training."""
        largest = self.cell_areas[-1]
        large = areas[areas > LARGER * largest]
        if not len(large):
            return ""
        them, verb = ("it", "is") if len(large) == 1 else ("them", "are")
        times = (
            "up to " * (len(large) > 1) + f"{large.max() / largest:.{0 if large.max() > 10 * largest else 1}f} times"
        )
        return (
            f"{len(large)} of {len(areas)} object(s) {verb} {times} as large as any cell this model was trained on; "
            f"look at {them}, or try another model (unetpipe models) or another --diameter."
        )

    def _usual(self, areas: np.ndarray) -> str:
        """Say that most cells are smaller or larger than nearly all of the training."""
        if len(areas) < 3:
            return ""
        median = float(np.median(areas))
        if self.cell_areas[0] / 2 <= median <= self.cell_areas[3] * 2:
            return ""
        kind = "smaller" if median < self.cell_areas[2] else "larger"
        return (
            f"Most objects are {kind} than nearly all cells this model was trained on (median {median:.0f} pixels, "
            f"there {self.cell_areas[2]:.0f}); give their --diameter, or try another model (unetpipe models)."
        )

    def _doubt(self, probability: np.ndarray, image: np.ndarray | None, scale: float) -> str:
        """Say that the network is less certain than on the validation frames.

        An uncertain model is as uncertain of what it finds hard as of what it does not know. So for it, an image that
        is unlike all of its training is mentioned without more doubt.
        """
        if not self.doubt:
            return ""
        ratio = doubt(probability, self.cell_areas[2] / scale**2) / self.doubt
        if ratio > DOUBTFUL:
            return f"The network is {ratio:.1f} times as uncertain as on any frame it was validated on; {ADVICE}."
        # the detail takes most of the time, and hardly any image of a certain model comes here
        if image is None or not (ratio > 1 or self.uncertain):
            return ""
        detail = image_detail(image, scale)
        if unlikeness(detail, self.detail) > UNLIKE:
            what = "detail (noise, blur, size of structures) is unlike that of its training"
            if ratio > 1:
                more = "The network is more uncertain than on any frame it was validated on, and the image's"
                return f"{more} {what}; {ADVICE}."
            return f"The image's {what}; {ADVICE}."
        if self.kinds and distance(describe_image(image, detail), self.kinds) > FAR:
            what = "detail and grey values (noise, blur, contrast, size of structures)"
            return f"The image's {what} are unlike those of any image of its training; {ADVICE}."
        return ""


def doubt(probability: np.ndarray, cell_area: float) -> float:
    """Return how uncertain a network is: the expected number of wrong pixels over the number of pixels of cells.

    Parameters
    ----------
    probability : ndarray
        (H, W), float, 0 … 1: of "cell". A pixel is expected to be wrong by the smaller one of p and 1 − p.
    cell_area : float
        The least number of pixels that is divided by: an image without cells is not uncertain as such.

    Examples
    --------
    >>> doubt(np.array([[0.9, 0.8, 0.1]]), 1.0).__round__(2)
    0.2
    """
    wrong = np.minimum(probability, 1 - probability).sum(dtype=np.float64)
    return float(wrong / max(np.count_nonzero(probability > 0.5), cell_area))


def image_detail(image: np.ndarray, scale: float = 1.0) -> list[float]:
    """Return how the contrast of an image is spread over detail of different sizes.

    Parameters
    ----------
    image : ndarray
        (C, H, W); of several channels the mean is taken.
    scale : float
        By which factor the image is scaled for the network.

    Returns
    -------
    list of float
        The standard deviation of the detail finer than a Gaussian of 1 pixel, of that between 1 and 2, 2 and 4, 4 and
        8, 8 and 16 pixels, each over that of the image; 0 in a constant image.

    Examples
    --------
    >>> checkers = np.indices((1, 32, 32)).sum(0) % 2.0
    >>> [round(part, 1) for part in image_detail(checkers)]
    [1.0, 0.0, 0.0, 0.0, 0.0]
    """
    grey = np.asarray(image, np.float32).mean(0)
    if scale != 1:
        grey = ndimage.zoom(ndimage.gaussian_filter(grey, max(0.5 / scale - 0.5, 0)), scale, order=1)
    deviation = float(grey.std())
    parts, finer, blurred, step = [], grey, 0.0, 1
    for sigma in SCALES:
        if blurred >= 2 * step and min(finer.shape) >= SMALLEST_HALVED:
            finer, step = finer[::2, ::2], 2 * step  # it is smooth over two of its pixels, so half of them suffice
        coarser = ndimage.gaussian_filter(finer, math.sqrt(sigma**2 - blurred**2) / step)
        parts.append(float((finer - coarser).std()) / deviation if deviation else 0.0)
        finer, blurred = coarser, sigma
    return parts


def unlikeness(detail: Sequence[float], ranges: Sequence[tuple[float, float]]) -> float:
    """Return by which factor detail lies outside its ranges where that is most; 1 inside."""
    return max(
        max(value / max(most, 1e-3), max(least, 1e-3) / max(value, 1e-3), 1.0)
        for value, (least, most) in zip(detail, ranges, strict=True)
    )


def describe_image(image: np.ndarray, detail: Sequence[float]) -> list[float]:
    """Describe the detail and the grey values of an image, so that alike images have a small distance.

    Parameters
    ----------
    image : ndarray
        (C, H, W), float, as it was normalised; of several channels the mean is taken.
    detail : sequence of float
        Its :func:`image_detail`.

    Returns
    -------
    list of float
        The logarithms to base 2 of the detail, which counts as 0.001 at least, and the 5th, 50th and 95th percentile of
        the grey values.

    Examples
    --------
    >>> describe_image(np.array([[[0.0, 1.0, 2.0]]]), [0.5, 0.25])
    [-1.0, -2.0, 0.1, 1.0, 1.9]
    """
    step = max(1, math.ceil(math.sqrt(image[0].size / MOST_PIXELS)))
    grey = np.percentile(np.asarray(image[:, ::step, ::step], np.float32).mean(0), GREY_PERCENTILES)
    return [*(math.log2(max(part, 1e-3)) for part in detail), *map(float, grey)]


def distance(description: Sequence[float], kinds: Sequence[Sequence[float]]) -> float:
    """Return the Euclidean distance of a description from the nearest of several.

    Examples
    --------
    >>> distance([1.0, 2.0], [[4.0, 6.0], [1.0, 4.0]])
    2.0
    """
    return float(np.linalg.norm(np.asarray(kinds) - np.asarray(description), axis=1).min())


def _number(value: Any) -> float:
    if _number_of_any_sign(value) < 0:
        raise ValueError
    return float(value)


def _number_of_any_sign(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise ValueError
    return float(value)
