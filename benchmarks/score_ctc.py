"""CPU time of scoring a linked result, against py-ctcmetrics, side by side in one process.

    python benchmarks/score_ctc.py RESULT TRUTH      # RESULT with res_track.txt, such as by unetpipe link

Both compute SEG, DET and TRA with one thread; unetpipe also its pixel measures, F1 and mean precision.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ctc_metrics.scripts.evaluate import evaluate_sequence

from unetpipe.metrics import score_result

ROUNDS = 3


def cpu_seconds(job: Callable[[], object]) -> float:
    """Return the CPU time of a call."""
    start = time.process_time()
    job()
    return time.process_time() - start


def main(result: str, truth: str) -> None:
    """Time both in turn, and print the least of each and their ratio."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(cpu_seconds(lambda: score_result(result, truth)))
        theirs.append(cpu_seconds(lambda: evaluate_sequence(result, truth, ["SEG", "DET", "TRA"], threads=1)))
    ratio = min(theirs) / min(ours)
    print(f"\nunetpipe {min(ours):.2f} s, py-ctcmetrics {min(theirs):.2f} s of CPU time: {ratio:.1f} times as fast")


if __name__ == "__main__":
    main(*sys.argv[1:])
