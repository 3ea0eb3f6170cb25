"""``python -m benchmarks NAME …``: run a benchmark from a checkout."""

from __future__ import annotations

import sys

from benchmarks.ablation import command as ablation
from benchmarks.speed import command as speed


def main(argv: list[str]) -> int:
    """Run the named benchmark and return its exit status: "ablation", or one of speed."""
    return ablation.main(argv[1:]) if argv[:1] == ["ablation"] else speed.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
