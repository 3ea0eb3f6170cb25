"""``python -m benchmarks NAME …``: run a benchmark from a checkout."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {"ablation": "benchmarks.ablation.command"}


def main(argv: list[str]) -> int:
    """Run the named benchmark and return its exit status."""
    if not argv or argv[0] not in COMMANDS:
        print(f"usage: python -m benchmarks {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
