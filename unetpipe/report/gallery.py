"""The frames of a report: every frame is judged as it comes, and the worst ones are kept to be shown."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unetpipe.io.images import count_pages
from unetpipe.report.mistakes import FrameMistakes, find_mistakes

SHOWN = 12


@dataclass(frozen=True)
class ScoredFrame:
    """A result beside its truth, and the image if there is one.

    Attributes
    ----------
    name : str
        As a reader knows the frame, such as "01/t039.tif".
    truth, result : ndarray
        (H, W), integer: 0 background, else the object's id.
    image : ndarray, optional
        (C, H, W), any dtype.
    known : ndarray, optional
        (H, W), bool: where the truth is known; by default everywhere.
    """

    name: str
    truth: np.ndarray
    result: np.ndarray
    image: np.ndarray | None = None
    known: np.ndarray | None = None


@dataclass(frozen=True)
class JudgedFrame:
    """What remains of a frame that is not shown: its name and its mistakes."""

    name: str
    mistakes: FrameMistakes


class Gallery:
    """Collect the frames of a result; of those that are not among the worst no pixels are kept.

    Parameters
    ----------
    frames : iterable of ScoredFrame
        More can be added later.
    shown : int
        How many frames are kept with their pixels.

    Attributes
    ----------
    judged : list of JudgedFrame
        Every frame, in the order of coming.
    """

    def __init__(self, frames: Iterable[ScoredFrame] = (), shown: int = SHOWN) -> None:
        self.shown = shown
        self.judged: list[JudgedFrame] = []
        self._worst: list[tuple[float, int, ScoredFrame, FrameMistakes]] = []
        for frame in frames:
            self.add(frame)

    def add(self, frame: ScoredFrame) -> None:
        """Judge a frame; keep its pixels if it is among the worst so far."""
        mistakes = find_mistakes(frame.truth, frame.result, frame.known)
        self.judged.append(JudgedFrame(frame.name, mistakes))
        # the number settles ties, for the frame that came first
        self._keep((-mistakes.quality, -len(self.judged), frame, mistakes))

    def take_over(self, other: Gallery) -> None:
        """Add the frames of another gallery, which another process has judged."""
        before = len(self.judged)
        self.judged += other.judged
        for quality, number, frame, mistakes in other._worst:
            self._keep((quality, number - before, frame, mistakes))

    def _keep(self, entry: tuple[float, int, ScoredFrame, FrameMistakes]) -> None:
        (heapq.heappush if len(self._worst) < self.shown else heapq.heappushpop)(self._worst, entry)

    @property
    def worst(self) -> list[tuple[ScoredFrame, FrameMistakes]]:
        """The frames that are shown, the worst first (:attr:`unetpipe.report.mistakes.FrameMistakes.quality`)."""
        return [(frame, mistakes) for _, _, frame, mistakes in sorted(self._worst, key=lambda entry: entry[:2])[::-1]]

    @property
    def jaccards(self) -> list[float]:
        """The Jaccard index of every cell."""
        return [jaccard for frame in self.judged for jaccard in frame.mistakes.jaccards]

    @property
    def seg(self) -> float | None:
        """The mean Jaccard index of all cells; None without any."""
        jaccards = self.jaccards
        return sum(jaccards) / len(jaccards) if jaccards else None

    @property
    def counts(self) -> dict[str, int]:
        """How many cells of all frames are missed, merged and split, and how many objects are invented."""
        total = dict.fromkeys(("missed", "merged", "split", "invented"), 0)
        for frame in self.judged:
            for kind, count in frame.mistakes.counts.items():
                total[kind] += count
        return total


def frame_name(image: str | os.PathLike, page: int | None = None) -> str:
    """Name a frame by its image's folder and file, "01/t039.tif", and by its page in a file of several."""
    path = Path(image)
    where = f", page {page}" if page is not None and count_pages(path) > 1 else ""
    return f"{path.parent.name}/{path.name}{where}"
