"""``python -m benchmarks NAME …``: run benchmarks of speed, or of robustness, from a checkout."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["stress"]:
        from benchmarks.stress.command import main

        sys.exit(main(sys.argv[2:]))
    from benchmarks.speed.command import main as main_speed

    sys.exit(main_speed(sys.argv[1:]))
