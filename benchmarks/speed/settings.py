"""What all benchmarks are told."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """``repeats`` rounds of each comparison; ``quick`` takes tiny sizes, to see that everything runs."""

    repeats: int = 3
    quick: bool = False
