"""``python -m experiments.ablation``: train and score every row for every seed, and write the table and picture."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.arguments import folder, one_sentence, positive
from experiments.ablation.datasets import find_dataset
from experiments.ablation.job import Job
from experiments.ablation.picture import draw
from experiments.ablation.table import Table, write_table
from experiments.ablation.variants import choose_rows, find_budget


def main(argv: list[str]) -> int:
    """Compute what is missing, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m experiments.ablation", description=__doc__)
    parser.add_argument("--dataset", required=True, help='"synthetic" (written by the command) or a data set\'s folder')
    parser.add_argument("--budget", default="cpu", help="cpu, or an overlay (JSON) with width, tile and steps (cpu)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="rows to compute in addition to full; by default all")
    parser.add_argument("--seeds", type=positive, default=3, help="how many (3)")
    parser.add_argument("--output", type=folder, help="folder for everything it writes (ablation/DATASET-BUDGET)")
    options = parser.parse_args(argv)
    with one_sentence():
        run(options)
    return 0


def run(options: argparse.Namespace) -> None:
    """Compute seed by seed, so that after an interruption the rows can still be compared."""
    budget = find_budget(options.budget)
    output = options.output or Path("ablation") / f"{Path(options.dataset).name}-{budget.stem}"
    dataset = find_dataset(options.dataset, output)
    rows = choose_rows(options.rows, dataset.has_silver)
    jobs = [Job(row, seed, dataset, budget, output) for seed in range(options.seeds) for row in rows]
    missing = [job for job in jobs if job.result() is None]
    print(f"{len(jobs)} results, {len(jobs) - len(missing)} of them there already; folder {output}", flush=True)
    table = Table(dataset.name, rows)
    for job in jobs:
        start, new = time.monotonic(), job in missing
        scores = job.run()
        table.add(job.row, job.seed, scores)
        if new:
            chosen, minutes = scores["chosen"], (time.monotonic() - start) / 60
            print(f"{job.row.name}, seed {job.seed}: SEG {chosen['SEG']:.3f}, {minutes:.1f} min", flush=True)
            write_table(output, table)
    write_table(output, table)
    draw(output / "ablation.svg", table)
    print(table.markdown())
    print(f"Table, every figure, picture: {output}/ablation.md, .csv, .svg")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
