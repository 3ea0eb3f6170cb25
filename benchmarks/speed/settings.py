"""What all benchmarks are told."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """What all benchmarks are told.

    ``repeats`` rounds of each comparison; ``quick`` takes tiny sizes, to see that everything runs; after ``seconds``
    the benchmark of the GPU begins no further part. Of its ``parts`` only the named ones run, if any are.
    """

    repeats: int = 3
    quick: bool = False
    seconds: float = 600.0
    parts: tuple[str, ...] = ()
