"""Train the models of :mod:`experiments.recipes` one after another within a given time, on whatever device there is.

Usage: ``python -m experiments.train_models PACK OUTPUT --seconds 540``, with the file of :mod:`experiments.pack_data`.

Each model's weights (half precision) and ``results.json`` are written as soon as they are there; a model whose weights
are in OUTPUT already is left out. Thresholds are chosen by a pool of processes while the next model is trained.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.speed.gpu import seconds_a_call
from experiments import choosing, preparing
from experiments.augmentation import augmentation
from experiments.device_frames import DeviceFrames
from experiments.packed import Entry, Frame, read_frame, read_index
from experiments.recipes import RECIPES, Recipe
from experiments.training import Trained, train
from unetpipe.device import default_device
from unetpipe.files import replacing
from unetpipe.networks import load_weights

CHOOSING_ON_DEVICE = 2.0  # s a model
LAST_CHOOSING = 25.0  # s for the pool after the last training, and for writing
TRIED = 4  # algorithms of each convolution: trying all of them takes 4 to 14 s
TINY: dict[str, Any] = {"channels": (4, 8, 8), "tile": 184, "batch": 2, "pasted": 1}
TINY_SIDE = 200


@dataclass
class Results:
    """What is known so far, written whenever more is."""

    path: Path
    rows: dict[str, Any] = field(default_factory=dict)

    def put(self, part: str, name: str, value: Any) -> None:
        """Add and write."""
        self.rows.setdefault(part, {})[name] = value
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")


@dataclass
class Clock:
    """Seconds since the start, in front of each line."""

    start: float

    def __call__(self) -> float:
        """Return the seconds."""
        return time.time() - self.start

    def say(self, line: str) -> None:
        """Print a line."""
        print(f"{self():6.1f} {line}", flush=True)


def main() -> None:
    """Train, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=540, help="from --start to the end")
    parser.add_argument("--start", type=float, default=time.time(), help="seconds since 1970; by default now")
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--from", type=Path, dest="earlier", help="an earlier OUTPUT, whose weights are trained on")
    parser.add_argument("--batch", type=int, help="tiles a step, instead of the recipe's; a CPU wants fewer")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 1) - 2))
    parser.add_argument("--tiny", action="store_true", help="small networks and frames, for a dry run")
    arguments = parser.parse_args()
    clock = Clock(arguments.start)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = Results(arguments.output / "results.json")
    if results.path.is_file():
        results.rows = json.loads(results.path.read_text(encoding="utf-8"))
    chosen = [recipe for recipe in RECIPES if not arguments.models or recipe.name in arguments.models]
    if arguments.batch:
        chosen = [replace(recipe, batch=arguments.batch) for recipe in chosen]
    if arguments.tiny:
        chosen = [replace(recipe, **TINY) for recipe in chosen]
    torch.set_num_threads(1)
    # the pool is forked before the device is touched
    with multiprocessing.get_context("fork").Pool(arguments.processes, step_back) as pool:
        work = Work(arguments, clock, results, pool, chosen)
        work.prepare()
        work.find_device()
        work.choose_again()
        work.train()
        work.finish()
        pool.terminate()
    clock.say("done")


def step_back() -> None:
    """Let the process that feeds the device go first."""
    os.nice(10)


class Work:
    """The models, one after another, and what the pool does beside."""

    def __init__(
        self, arguments: argparse.Namespace, clock: Clock, results: Results, pool: Any, recipes: list[Recipe]
    ) -> None:
        self.arguments, self.clock, self.results, self.pool, self.all = arguments, clock, results, pool, recipes
        self.recipes = [recipe for recipe in recipes if not self._weights(recipe).is_file()]
        self.entries = read_index(arguments.pack)
        self.prepared: dict[str, list[Any]] = {}
        self.choosing: dict[str, list[Any]] = {}
        self.device = torch.device("cpu")

    def prepare(self) -> None:
        """Let the pool prepare the training frames of all models, in the order of the models."""
        side = TINY_SIDE if self.arguments.tiny else None
        for recipe in self.recipes:
            entries = self._entries(recipe, "train")
            copies = [(entry, copy) for copy in range(recipe.pasted + 1) for entry in entries]
            self.prepared[recipe.name] = [
                self.pool.apply_async(preparing.prepare, (str(self.arguments.pack), entry, recipe, copy, side))
                for entry, copy in copies
            ]

    def _weights(self, recipe: Recipe) -> Path:
        return Path(self.arguments.output / f"{recipe.name}.pt")

    def _entries(self, recipe: Recipe, role: str) -> list[Entry]:
        found = [entry for entry in self.entries if entry.data in recipe.sets and entry.role == role]
        return found[:3] if self.arguments.tiny else found

    def find_device(self) -> None:
        """Say on what is trained, while the pool prepares."""
        self.device = default_device()
        name = torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"
        self.clock.say(f"{name}, torch {torch.__version__}, {os.cpu_count()} cores")
        self.results.put("device", "name", name)
        self.results.put("device", "torch", torch.__version__)

    def choose_again(self) -> None:
        """Submit the models that an earlier run trained, but had no time to choose thresholds for."""
        for recipe in self.all:
            row = self.results.rows.get("trained", {}).get(recipe.name)
            if recipe in self.recipes or row is None or recipe.name in self.results.rows.get("chosen", {}):
                continue
            network = load_weights(recipe.network(), self._weights(recipe))
            self._submit(recipe, network.to(self.device).eval(), row["min_size"], row["area"])

    def train(self) -> None:
        """Train each model for its share of the time that is left."""
        for number, recipe in enumerate(self.recipes):
            try:
                self._train(recipe, self.recipes[number:])
            except Exception:  # the next model shall have its turn
                self.clock.say(f"{recipe.name} failed")
                traceback.print_exc(file=sys.stdout)
            self.collect()

    def _train(self, recipe: Recipe, left: list[Recipe]) -> None:
        prepared = [frame.get() for frame in self.prepared.pop(recipe.name)]
        frames = DeviceFrames(prepared, recipe.sets, recipe.empty, self.device)
        areas = np.concatenate([frame.areas for frame in prepared if not frame.pasted])
        areas = areas if len(areas) else np.array([100])  # frames cut for a dry run may hold no cell
        area = float(np.median(areas))
        min_size = round(0.1 * area) if recipe.min_size is None else recipe.min_size
        self.clock.say(f"{recipe.name}: {len(prepared)} frames, median cell {area:.0f} px")
        self._augmentation_rate(recipe, frames)
        rest = self.arguments.seconds - LAST_CHOOSING - self.clock() - CHOOSING_ON_DEVICE * len(left)
        seconds = max(rest, 1.0) * recipe.share / sum(other.share for other in left)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.benchmark_limit = TRIED
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        earlier = self.arguments.earlier and self.arguments.earlier / f"{recipe.name}.pt"
        trained = train(recipe, frames, self.device, seconds, start=earlier, say=self.clock.say)
        torch.backends.cudnn.benchmark = False  # each new size would be measured
        self._save(recipe, trained)
        row = {
            **trained.summary(recipe.batch),
            "channels": recipe.channels,
            "in_channels": recipe.in_channels,
            "bright": recipe.bright,
            "halved": recipe.halved,
            "min_size": min_size,
            "ridge_refill_radius": recipe.ridge_refill_radius,
            "area": area,
            "areas": [int(np.percentile(areas, part)) for part in (0, 5, 95, 100)],
            "frames": len(prepared),
        }
        if self.device.type == "cuda":
            row["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
        self.results.put("trained", recipe.name, row)
        self.clock.say(
            f"{recipe.name}: {row['steps']} steps in {row['seconds']} s, {row['ms_a_step']} ms a step, "
            f"loss {row['losses'][:1]} to {row['losses'][-1:]}"
        )
        self._submit(recipe, trained.network, min_size, area)

    def _augmentation_rate(self, recipe: Recipe, frames: DeviceFrames) -> None:
        """Measure a batch of the augmentation only."""
        output = recipe.network().output_size(recipe.tile)
        chain, random = augmentation(recipe, recipe.tile, output, 0), np.random.RandomState(0)
        seconds = seconds_a_call(lambda: chain(frames.batch(recipe.batch, random)), self.device, 5, 2)
        self.clock.say(f"  augmentation of {recipe.batch} tiles of {recipe.tile}: {1000 * seconds:.2f} ms")
        self.results.put("augmentation_ms", recipe.name, round(1000 * seconds, 2))

    def _save(self, recipe: Recipe, trained: Trained) -> None:
        state = {
            key: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
            for key, value in trained.network.state_dict().items()
        }
        with replacing(self._weights(recipe)) as temporary:
            torch.save(state, temporary)

    def _submit(self, recipe: Recipe, network: nn.Module, min_size: int, area: float) -> None:
        """Run the network on the choosing frames and let the pool score the choices."""
        side = TINY_SIDE if self.arguments.tiny else None
        frames: list[Frame] = [
            preparing.cut(read_frame(self.arguments.pack, entry), side) for entry in self._entries(recipe, "choose")
        ]
        jobs = choosing.jobs_of(network, frames, recipe, min_size, area)
        jobs.sort(key=lambda job: -job.probability.size)
        self.choosing[recipe.name] = [self.pool.apply_async(choosing.score, (job,)) for job in jobs]
        self.clock.say(f"  {recipe.name}: {len(jobs)} choosing views computed")

    def collect(self, wait_until: float = 0.0) -> None:
        """Write the choices of the models whose scores are all there."""
        for recipe in self.all:
            for result in self.choosing.get(recipe.name, ()):
                result.wait(max(0.0, wait_until - self.clock()))
            if recipe.name in self.choosing and all(result.ready() for result in self.choosing[recipe.name]):
                scores = []
                for result in self.choosing.pop(recipe.name):
                    try:
                        scores.append(result.get())
                    except Exception as error:  # one image must not cost the others
                        self.clock.say(f"  {recipe.name}: a view was not scored: {error!r}")
                best = choosing.best_choice(recipe, scores)
                self.results.put("chosen", recipe.name, best)
                shown = {key: best[key] for key in ("threshold", "marker_threshold", "merge_threshold", "choosing")}
                self.clock.say(f"  {recipe.name} chosen: {shown}")

    def finish(self) -> None:
        """Wait for the pool as long as there is time."""
        self.collect(self.arguments.seconds - 5)
        for name in self.choosing:
            self.clock.say(f"  {name}: no time left to choose")


if __name__ == "__main__":
    main()
