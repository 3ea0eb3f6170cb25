"""How often each image is drawn in training where the kinds of image are unequally many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


def balanced_weights(records: Sequence[dict[str, Any]]) -> list[float]:
    """Return the probability of drawing each record so that all sequences are drawn equally often.

    Within a sequence all records have the same chance; a sequence of one image gets as many draws as one of
    twenty. The weights are for ``torch.utils.data.WeightedRandomSampler``.

    Examples
    --------
    >>> balanced_weights([{"sequence": "a"}, {"sequence": "b"}, {"sequence": "b"}])
    [0.5, 0.25, 0.25]
    """
    members = Counter(record["sequence"] for record in records)
    return [1 / (len(members) * members[record["sequence"]]) for record in records]
