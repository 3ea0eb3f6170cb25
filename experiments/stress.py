"""Score trained models on the scored frames, plain and perturbed, in one pass.

Usage: ``python -m experiments.stress DATA RESULTS``, with DATA as for :mod:`experiments.pack_data` and RESULTS what
:mod:`experiments.train_models` left. ``RESULTS/stress.json`` grows by a model at a time, and a table is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import choosing
from experiments.known import known_pixels
from experiments.pack_data import PARTLY_ANNOTATED, SEQUENCES, median_area, nuclei_records, role_of
from experiments.packed import Entry, Frame
from experiments.perturbations import STRESS, empty_view, perturbed
from experiments.preparing import empty_places
from experiments.recipes import RECIPES, Recipe
from unetpipe.data import find_records
from unetpipe.data.io import read_image, read_labels
from unetpipe.data.truth import read_truth
from unetpipe.networks import UNet, fold_batch_norm, load_weights

SCORED: dict[str, tuple[int, ...]] = {
    "dic": (39, 54, *range(44, 84, 6)),
    "u373": (75, 92, 96, 100, 102, 112),
    "gowt1": (37, 39, 40, 41, 44, 45, 46, 47),
    "sim": (46, 52, 58, 64),
    "msc": (33, 34, 35, 36, 45, 46, 47),
    "isbi": (18, 19, 20, 21, 22, 23),
}
LIMIT = 0.05  # what a perturbation may cost


def main() -> None:
    """Score each model that RESULTS holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--views", nargs="*", default=list(STRESS), help="only these perturbations")
    parser.add_argument("--frames", type=int, help="at most so many frames of a set")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = json.loads((arguments.results / "results.json").read_text())
    path = arguments.results / "stress.json"
    table: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for recipe in RECIPES:
        weights = arguments.results / f"{recipe.name}.pt"
        if not weights.is_file() or (arguments.models and recipe.name not in arguments.models):
            continue
        start = time.perf_counter()
        network = UNet(recipe.in_channels, 2, results["trained"][recipe.name]["channels"], "batch")
        network = fold_batch_norm(load_weights(network, weights).eval())
        frames = scored_frames(arguments.data, recipe, arguments.frames)
        table[recipe.name] = scores_of(network, frames, recipe, results, arguments.views)
        path.write_text(json.dumps(table, indent=1))
        print_table(recipe.name, table[recipe.name], time.perf_counter() - start)


def scores_of(
    network: UNet, frames: Iterator[Frame], recipe: Recipe, results: dict[str, Any], views: list[str]
) -> dict[str, Any]:
    """Return score, number of scores and largest object over the largest true cell, by set and perturbation."""
    trained, chosen = results["trained"][recipe.name], results["chosen"][recipe.name]
    choice = {key: chosen[key] for key in ("threshold", "marker_threshold", "merge_threshold")}
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0, 0.0])
    empties: dict[str, int] = defaultdict(int)
    for frame in frames:
        image = torch.from_numpy(frame.image)
        shown = [(name, perturbed(name, image, frame.label)) for name in views]
        places = empty_places((frame.label == 0) & frame.known)
        data = frame.entry.data
        if len(places) and empties[data] < choosing.EMPTY_FRAMES and recipe.measure != "rand":
            empties[data] += 1
            shown.append((choosing.EMPTY, empty_view(image, tuple(places[0].tolist()))))
        for name, view in shown:
            found = choosing.probability_of(network, view.image, recipe)
            whole = view.truth.shape == frame.known.shape and not frame.known.all()
            known = frame.known if whole and not name.startswith(("crop", "turned", "zoom")) else None
            job = choosing.Job(
                name,
                found,
                view.truth,
                view.corner,
                known,
                [choice],  # type: ignore[list-item]
                recipe.measure,
                trained["min_size"],
                trained["give_back"],
                trained["area"],
            )
            _, sums, count = choosing.score(job)
            row = totals[data, name]
            row[0] += float(sums[0])
            row[1] += count
    return {
        f"{data} · {name}": {"score": round(total / count, 4) if count else None, "count": int(count)}
        for (data, name), (total, count, _) in totals.items()
    }


def scored_frames(root: Path, recipe: Recipe, most: int | None) -> Iterator[Frame]:
    """Yield the scored frames of a recipe's sets."""
    for data in recipe.sets:
        if data == "dsb":
            yield from _nuclei(root, most)
            continue
        folder, parts = SEQUENCES[data]
        records = {record["frame"]: record for record in find_records(str(root / folder))}
        area = median_area(records[number] for number in parts[0]) if data in PARTLY_ANNOTATED else 0.0
        for number in SCORED[data][:most]:
            record = records[number]
            image = read_image(record["image"], record.get("page"))
            label, known = read_truth(record)
            if data in PARTLY_ANNOTATED:
                known = known_pixels(image[0], label, read_labels(record["markers"]), area)
            entry = Entry(data, f"{number:03d}", data, "score", record.get("truth", "gold"), 1, 0)
            yield Frame(entry, image.astype(np.float32), label, known)


def _nuclei(root: Path, most: int | None) -> Iterator[Frame]:
    for group, records in nuclei_records(root).items():
        scored = [record for place, record in enumerate(records, 1) if role_of(place, len(records)) == "score"]
        for record in scored[:most]:
            label, known = read_truth(record)
            entry = Entry("dsb", Path(record["image"]).stem[:8], group, "score", "gold", 1, 0)
            yield Frame(entry, read_image(record["image"]).astype(np.float32)[:3], label, known)


def print_table(name: str, rows: dict[str, Any], seconds: float) -> None:
    """Print the scores, and a mark where a perturbation costs more than it may."""
    print(f"{name} ({seconds:.0f} s)")
    for key, row in rows.items():
        data, kind = key.split(" · ")
        plain = rows.get(f"{data} · plain", {}).get("score")
        bad = row["score"] is not None and plain is not None and kind != choosing.EMPTY and row["score"] < plain - LIMIT
        print(f"  {data:6} {kind:20} {row['score']!s:8} {row['count']:5} {'<' if bad else ''}", flush=True)


if __name__ == "__main__":
    main()
