"""Score trained models on the scored frames: plain, plain as the mean of 8 symmetries, and perturbed.

Usage: ``python -m experiments.stress PACK RESULTS``, with the file of ``experiments.pack_data --roles score`` and
RESULTS what :mod:`experiments.train_models` left. ``RESULTS/stress.json`` grows as scores come, and a table is printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.stress.perturbations import STRESS, View, empty_places, empty_view, perturbed, same_cells
from experiments import choosing
from experiments.packed import Entry, read_frame, read_index
from experiments.recipes import RECIPES
from unetpipe.device import default_device
from unetpipe.networks import fold_batch_norm, load_weights

SYMMETRIES = "8 symmetries"
UNPERTURBED = ", unperturbed"  # the same cells in the frame as it is, where a view cuts cells
SCALED = "zoom"  # unknown pixels are those of the whole frame: not of these views
MEASURES = {"rand": ("rand",), "seg": ("seg",), "precision": ("seg",)}
LIMIT = 0.05  # what a perturbation may cost


def main() -> None:
    """Score each model that RESULTS holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--views", nargs="*", default=[*STRESS, SYMMETRIES], help="only these perturbations")
    parser.add_argument("--every", type=int, default=1, help="perturb only each n-th frame of a set")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--name", default="stress.json")
    parser.add_argument("--until", type=float, default=0, help="wait for models until then, in seconds since 1970")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.results / arguments.name
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    # the pool is forked before the device is touched
    with multiprocessing.get_context("fork").Pool(arguments.processes, os.nice, (5,)) as pool:
        for name, results in trained_models(arguments.results, arguments.models, arguments.until):
            start = time.perf_counter()
            scoring = Scoring(arguments.pack, name, results, arguments.results / f"{name}.pt")
            jobs = scoring.jobs(arguments.views, arguments.every)
            for rows in collected(pool.imap_unordered(choosing.score, jobs)):
                table[name] = rows
                path.write_text(json.dumps(table, indent=1), encoding="utf-8")
            print_table(name, table[name], time.perf_counter() - start)
        pool.terminate()


def trained_models(folder: Path, wanted: Sequence[str] | None, until: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and results of each model with chosen thresholds, and of those that get there in time."""
    left = [recipe.name for recipe in RECIPES if not wanted or recipe.name in wanted]
    while left:
        path = folder / "results.json"
        results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        ready = [name for name in left if name in results.get("chosen", {}) and (folder / f"{name}.pt").is_file()]
        if not ready and time.time() > until:
            return
        for name in ready:
            left.remove(name)
            yield name, results
        if not ready:
            time.sleep(1)


class Scoring:
    """A trained model on the scored frames of a pack."""

    def __init__(self, pack: Path, name: str, results: dict[str, Any], weights: Path) -> None:
        self.pack = pack
        self.recipe = next(recipe for recipe in RECIPES if recipe.name == name)
        self.trained, chosen = results["trained"][name], results["chosen"][name]
        self.choice = {key: chosen[key] for key in ("threshold", "marker_threshold", "merge_threshold")}
        self.device = default_device()
        given = {key: self.trained[key] for key in ("in_channels", "channels", "halved") if key in self.trained}
        network = replace(self.recipe, **given).network()
        self.network = fold_batch_norm(load_weights(network, weights).eval()).to(self.device)

    def jobs(self, views: Sequence[str], every: int) -> Iterator[choosing.Job]:
        """Yield what the pool scores, under the name "set · view"."""
        places: dict[str, int] = defaultdict(int)
        empties: dict[str, int] = defaultdict(int)
        entries = [entry for entry in read_index(self.pack) if entry.role == "score"]
        for entry in (entry for entry in entries if entry.data in self.recipe.sets):
            frame = read_frame(self.pack, entry)
            image = torch.from_numpy(frame.image).to(self.device)
            kind = f"{entry.data} {entry.truth}" if entry.data == "dic" else entry.data
            all_views = places[kind] % every == 0
            places[kind] += 1
            as_it_is: np.ndarray | None = None
            for name in views:
                if name in ("plain", SYMMETRIES):
                    view = View(image, frame.label)
                elif all_views:
                    view = perturbed(name, image, frame.label)
                else:
                    continue
                same = view.truth.shape == frame.known.shape and not name.startswith(SCALED) and view.known is None
                known = frame.known if same and not frame.known.all() else view.known
                found = self._probability(view, name == SYMMETRIES)
                if name == "plain":
                    as_it_is = found
                yield from self._jobs(entry, f"{kind} · {name}", view, known, found)
                if view.known is not None:
                    whole = same_cells(image, frame.label, view.truth)
                    if as_it_is is None:
                        as_it_is = self._probability(whole, False)
                    yield from self._jobs(entry, f"{kind} · {name}{UNPERTURBED}", whole, whole.known, as_it_is)
            ground = empty_places((frame.label == 0) & frame.known)
            if len(ground) and empties[kind] < choosing.EMPTY_FRAMES and self.recipe.measure != "rand":
                empties[kind] += 1
                view = empty_view(image, tuple(ground[0].tolist()))
                yield self._job(choosing.EMPTY, view, None, self._probability(view, False), f"{kind} · empty")

    def _probability(self, view: View, symmetries: bool) -> np.ndarray:
        bright = self.trained["bright"]
        if not symmetries:
            return choosing.probability_of(self.network, view.image, self.recipe, bright)
        total = np.zeros(view.image.shape[-2:], np.float32)
        for turns in range(4):
            for flip in (False, True):
                turned = torch.rot90(view.image, turns, (1, 2))
                turned = turned.flip(2) if flip else turned
                found = choosing.probability_of(self.network, turned, self.recipe, bright)
                total += np.rot90(found[:, ::-1] if flip else found, -turns) / 8
        return total.astype(np.float16)

    def _jobs(
        self, entry: Entry, name: str, view: View, known: np.ndarray | None, found: np.ndarray
    ) -> Iterator[choosing.Job]:
        measures = ("precision", "iou") if entry.data == "dsb" else MEASURES[self.recipe.measure]
        for measure in measures:
            yield self._job(measure, view, known, found, name if measure != "iou" else f"{name}, IoU")

    def _job(self, measure: str, view: View, known: np.ndarray | None, found: np.ndarray, name: str) -> choosing.Job:
        return choosing.Job(
            name,
            found,
            view.truth,
            view.corner,
            known,
            [self.choice],  # type: ignore[list-item]
            measure,
            self.trained["min_size"],
            self.trained["ridge_refill_radius"],
            self.trained["area"],
        )


def collected(scores: Iterator[tuple[str, np.ndarray, int]]) -> Iterator[dict[str, Any]]:
    """Yield score and number of scores by set and view, now and then, and when all are there."""
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for number, (name, sums, count) in enumerate(scores, start=1):
        totals[name][0] += float(sums[0])
        totals[name][1] += count
        if number % 50 == 0:
            yield _means(totals)
    yield _means(totals)


def _means(totals: dict[str, list[float]]) -> dict[str, Any]:
    return {
        name: {"score": round(total / count, 4) if count else None, "count": int(count)}
        for name, (total, count) in totals.items()
    }


def print_table(name: str, rows: dict[str, Any], seconds: float) -> None:
    """Print the scores, and a mark where a perturbation costs more than it may."""
    print(f"{name} ({seconds:.0f} s)")
    for key, row in sorted(rows.items()):
        data, kind = key.split(" · ")
        measure = ", IoU" if kind.endswith("IoU") else ""
        own = f"{data} · {kind.removesuffix(measure)}{UNPERTURBED}{measure}"
        plain = rows.get(own, rows.get(f"{data} · plain{measure}", {})).get("score")
        bad = row["score"] is not None and plain is not None and kind != choosing.EMPTY and row["score"] < plain - LIMIT
        print(f"  {data:10} {kind:24} {row['score']!s:8} {row['count']:5} {'<' if bad else ''}", flush=True)


if __name__ == "__main__":
    main()
