"""Thresholds chosen on plain and perturbed choosing frames, in a pool of processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.stress.perturbations import CHOOSING, View, empty_places, empty_view, perturbed, plain
from experiments.packed import Frame
from experiments.pasting import paste
from experiments.recipes import Recipe
from unetpipe.instances import InstanceSettings
from unetpipe.metrics import best_threshold
from unetpipe.metrics.best_threshold import Thresholds, threshold_choices
from unetpipe.metrics.detection import mean_precision
from unetpipe.metrics.isbi2012.score import BestThresholdRandMetric
from unetpipe.metrics.matching import within_known
from unetpipe.metrics.seg_det_tra import object_jaccards
from unetpipe.mirror import mirror_crop
from unetpipe.networks import UNet
from unetpipe.transforms.normalize_bright import NormalizeBrightd

EMPTY, PASTED = "empty", "pasted"
PASTED_VIEWS = 3  # of a choosing frame
EMPTY_FRAMES = 3
SPECK = 0.1  # of the median cell: what is larger than that in an empty field is an error


@dataclass
class Job:
    """A probability map (H, W), float16, to be cut into cells by several choices and scored.

    Attributes
    ----------
    kind : str
        The perturbation's name.
    probability, truth : ndarray
        Where the truth's ``corner`` lies in the map.
    known : ndarray or None
        Pixels of the truth that are known, where results outside do not count.
    """

    kind: str
    probability: np.ndarray
    truth: np.ndarray
    corner: tuple[int, int]
    known: np.ndarray | None
    choices: Sequence[Thresholds]
    measure: str
    min_size: int
    ridge_refill_radius: float
    area: float


def choices_of(recipe: Recipe) -> list[Thresholds]:
    """Return what is tried."""
    return threshold_choices(recipe.thresholds, recipe.markers, recipe.merges)


def score(job: Job) -> tuple[str, np.ndarray, int]:
    """Return the kind, the sum of the scores for each choice, and how many scores that is."""
    rows = [_scores(job, choice) for choice in job.choices]
    return job.kind, np.array([scores.sum() for scores in rows]), len(rows[0])


def _scores(job: Job, choice: Thresholds) -> np.ndarray:
    probability = job.probability.astype(np.float32)
    settings = InstanceSettings(min_size=job.min_size, ridge_refill_radius=job.ridge_refill_radius, **choice)
    cells = settings.instances(probability)
    if job.measure == EMPTY:
        return np.array([float(np.bincount(cells.ravel())[1:].max(initial=0) <= SPECK * job.area)])
    top, left = job.corner
    cells = cells[top : top + job.truth.shape[0], left : left + job.truth.shape[1]]
    if job.measure == "seg":
        return object_jaccards(job.truth, cells)
    if job.measure == "rand":
        return BestThresholdRandMetric.scores(job.truth, cells)
    truth, cells = within_known(job.truth, cells, job.known) if job.known is not None else (job.truth, cells)
    if job.measure == "iou":
        both, either = (truth > 0) & (cells > 0), (truth > 0) | (cells > 0)
        return np.array([np.count_nonzero(both) / max(np.count_nonzero(either), 1)])
    return np.array([mean_precision(truth, cells)])


def views_of(
    frames: Sequence[Frame], device: torch.device, recipe: Recipe
) -> list[tuple[str, View, np.ndarray | None]]:
    """Return name, view and known pixels of the plain and perturbed choosing frames, and of empty fields.

    Where the training has pasted cells, there are choosing frames with pasted cells, too.
    """
    views: list[tuple[str, View, np.ndarray | None]] = []
    empties, measure = 0, recipe.measure
    for frame in frames:
        image = torch.from_numpy(frame.image).to(device)
        for copy in range(PASTED_VIEWS if recipe.pasted else 0):
            pasted = Frame(frame.entry, frame.image.copy(), frame.label.copy(), frame.known.copy())
            paste(pasted, seed=copy)
            views.append((PASTED, plain(torch.from_numpy(pasted.image).to(device), pasted.label, 0), None))
        for name in ("plain", *CHOOSING):
            if measure == "rand" and name in ("crop, top left", "flat ground"):
                continue  # 1 − Rand error is of whole slices
            view = perturbed(name, image, frame.label)
            fits = view.truth.shape == frame.known.shape and view.known is None
            known = frame.known if fits and not frame.known.all() else view.known
            if measure != "precision" or fits or frame.known.all():
                views.append((name, view, known))
        places = empty_places((frame.label == 0) & frame.known)
        if measure != "rand" and len(places) and empties < EMPTY_FRAMES:
            empties += 1
            views.append((EMPTY, empty_view(image, tuple(places[0].tolist())), None))
    return views


@torch.inference_mode()
def probability_of(network: nn.Module, image: Tensor, recipe: Recipe, bright: bool | None = None) -> np.ndarray:
    """Return the probability of "cell" of grey values (C, H, W), (H, W), float16, in one pass over the whole image.

    ``bright`` is the recipe's unless given.
    """
    net = network
    assert isinstance(net, UNet)
    image = normalized_on_device(image, recipe.in_channels, recipe.bright if bright is None else bright)
    height, width = image.shape[-2:]
    rows, columns = (net.input_size(side) for side in (height, width))
    padded = mirror_crop(image, -net.margin, -net.margin, rows, columns)[None]
    padded = padded.contiguous(memory_format=torch.channels_last)
    with torch.autocast(image.device.type, torch.bfloat16):
        logits = net(padded)
    return torch.softmax(logits[0, :, :height, :width].float(), 0)[1].half().cpu().numpy()


def normalized_on_device(image: Tensor, channels: int, bright: bool) -> Tensor:
    """Return what the bundle's normalisation makes of grey values (C, H, W)."""
    image = image.expand(channels, -1, -1) if len(image) < channels else image[:channels]
    deviation, mean = torch.std_mean(image, (1, 2), correction=0, keepdim=True)
    image = (image - mean) / torch.where(deviation > 0, deviation, 1)
    if bright:
        grey = image.mean(0)
        image = torch.where(((grey - grey.mean()) ** 3).mean() < 0, -image, image)
        image = NormalizeBrightd.compressed(image)
    return image


def jobs_of(network: nn.Module, frames: Sequence[Frame], recipe: Recipe, min_size: int, area: float) -> list[Job]:
    """Return the jobs for the pool; the network is run for each view."""
    device = next(network.parameters()).device
    choices = choices_of(recipe)
    jobs = []
    for name, view, known in views_of(frames, device, recipe):
        found = probability_of(network, view.image, recipe)
        measure = EMPTY if name == EMPTY else recipe.measure
        job = Job(
            name, found, view.truth, view.corner, known, choices, measure, min_size, recipe.ridge_refill_radius, area
        )
        jobs.append(job)
    return jobs


def best_choice(recipe: Recipe, results: Sequence[tuple[str, np.ndarray, int]]) -> dict[str, Any]:
    """Return the choice with the best mean of plain and perturbed score, both counting half, and its scores by kind.

    Of equals it is the middle one.
    """
    choices = choices_of(recipe)
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(choices)))
    counts: dict[str, int] = defaultdict(int)
    for kind, totals, count in results:
        sums[kind] = sums[kind] + totals
        counts[kind] += count
    means = {kind: sums[kind] / counts[kind] for kind in sums if counts[kind]}
    place, _, parts = best_threshold.best_choice(means)
    return {
        **choices[place],
        "choosing": {kind: round(score, 4) for kind, score in parts.items()},
        "objects": dict(counts),
        "tried": [[*choice.values(), round(float(means["plain"][number]), 4)] for number, choice in enumerate(choices)],
    }
