"""What a linker does, and the linkers by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from unetpipe.errors import InputError
from unetpipe.io.track_tables import Track

LINKERS = {  # name: module and class
    "overlap": ("unetpipe.tracking.overlap", "CellLinker"),
    "laptrack": ("unetpipe.tracking.centroids", "CentroidLinker"),
}


class Linker(Protocol):
    """Gives the cells of one sequence labels that stay the same from frame to frame."""

    @property
    def tracks(self) -> list[Track]:
        """The track table, by label; complete when the last frame is linked."""

    def link(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the frames, (H, W), integer, in the order of time, as (H, W), int32, with track labels.

        A linker may need to see all frames before it can yield the first. It then goes through ``frames`` twice, and
        keeps them in memory only if they can be gone through once.
        """


def check_gap(max_gap: int) -> None:
    """Raise InputError unless a number of frames that a cell may be missing is one."""
    if max_gap < 0:
        raise InputError(f"max_gap={max_gap} must be a number of frames from 0.")


def make_linker(name: str = "overlap", **parameters: Any) -> Linker:
    """Return a linker by its name.

    Parameters
    ----------
    name : str
        One of :data:`LINKERS`.
    parameters
        Those of :class:`unetpipe.tracking.CellLinker` ("overlap") or
        :class:`unetpipe.tracking.centroids.CentroidLinker` ("laptrack").

    Raises
    ------
    InputError
        If there is no such linker, a package that it needs is not installed, or a parameter is not one of this linker
        or out of range.

    Examples
    --------
    >>> linker = make_linker("overlap", max_gap=0)
    >>> [frame.tolist() for frame in linker.link([np.array([[5, 5, 0]]), np.array([[0, 8, 8]])])]
    [[[1, 1, 0]], [[0, 1, 1]]]
    """
    if name not in LINKERS:
        raise InputError(f"There is no linker {name!r}; there are {', '.join(LINKERS)}.")
    module, kind = LINKERS[name]
    try:
        return getattr(import_module(module), kind)(**parameters)
    except ImportError as error:
        raise InputError(f'The linker {name} needs what pip install "unetpipe[track]" installs ({error}).') from error
    except TypeError as error:  # an unexpected keyword
        raise InputError(f"The linker {name} does not have all of the parameters {', '.join(parameters)}.") from error
