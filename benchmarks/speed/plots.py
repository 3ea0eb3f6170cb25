"""Plots of time against size, number of cells and tile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.speed import inference, weight_map
from benchmarks.speed.settings import Settings
from benchmarks.speed.timing import Times


def draw_all(settings: Settings, folder: Path) -> dict[str, dict[int, float]]:
    """Measure and draw; return the medians (CPU seconds) by plot."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = {
        "inference_by_side": inference.by_side(settings),
        "inference_by_tile": inference.by_tile(settings),
        "weight_map_by_cells": weight_map.curve(settings),
    }
    sides = curves["inference_by_side"]
    draw(folder / "inference_by_side.png", sides, "side of the image (px)", "width 16, automatic tile", proportional=2)
    draw(
        folder / "inference_by_tile.png", curves["inference_by_tile"], "side of the input tile (px)", "2048², width 16"
    )
    draw(folder / "weight_map_by_cells.png", curves["weight_map_by_cells"], "cells", "border weight map, 512²")
    return {name: {place: times.median for place, times in curve.items()} for name, curve in curves.items()}


def draw(path: Path, curve: Mapping[int, Times], across: str, title: str, proportional: int | None = None) -> None:
    """Draw medians, and the least and most of each; a line proportional to a power, through the last, if asked for."""
    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.subplots()
    places = list(curve)
    medians = [times.median for times in curve.values()]
    below = [times.median - min(times.cpu) for times in curve.values()]
    above = [max(times.cpu) - times.median for times in curve.values()]
    axes.errorbar(places, medians, [below, above], marker="o", capsize=3, label="median, least and most")
    if proportional is not None:
        line = [medians[-1] * (place / places[-1]) ** proportional for place in places]
        axes.plot(places, line, "--", color="0.5", label="proportional to the pixels")
    axes.set(xscale="log", xlabel=across, ylabel="CPU seconds, one thread", title=title)
    if max(medians) > 10 * min(medians):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
