"""Which object of a result stands for which object of the truth, as the Cell Tracking Challenge decides it.

References
----------
P. Matula et al.: Cell tracking accuracy measurement based on comparison of acyclic oriented graphs
(AOGM), PLoS ONE 10 (2015) e0144959: a result object matches a reference object if it covers more
than half of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from unetpipe.metrics.overlap import overlap


@dataclass(frozen=True)
class FrameMatch:
    """Which result object covers more than half of each reference object of a frame.

    Attributes
    ----------
    reference, matched : tuple of int
        Ids of the reference objects, ascending, and of the result object that covers each, 0 for none.
    result : tuple of int
        Ids of the result objects, ascending.
    """

    reference: tuple[int, ...]
    matched: tuple[int, ...]
    result: tuple[int, ...]

    @property
    def missed(self) -> tuple[int, ...]:
        """Reference objects that none covers (FN)."""
        return tuple(cell for cell, found in zip(self.reference, self.matched, strict=True) if not found)

    @property
    def spurious(self) -> tuple[int, ...]:
        """Result objects that cover none (FP)."""
        return tuple(sorted(set(self.result) - set(self.matched)))

    @property
    def merging(self) -> tuple[int, ...]:
        """Result objects that cover several (NS)."""
        return tuple(sorted(found for found, cells in Counter(self.matched).items() if found and cells > 1))


def match_frame(reference: np.ndarray, result: np.ndarray) -> FrameMatch:
    """Match the objects of two instance maps, both (H, W), integer, 0 background; ValueError if they do not fit."""
    reference_ids, result_ids, counts = overlap(reference, result)
    # column 0 stays, so that there is a maximum without any result object
    shared = np.where(np.arange(counts.shape[1]) > 0, counts, 0)[1:]
    covered = 2 * shared.max(axis=1) > counts[1:].sum(axis=1)
    matched = np.where(covered, np.append(0, result_ids)[shared.argmax(axis=1)], 0)
    return FrameMatch(tuple(reference_ids.tolist()), tuple(matched.tolist()), tuple(result_ids.tolist()))
