"""The report: one HTML file with everything in it, for a browser that is offline."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

import unetpipe
from unetpipe.files import write_text
from unetpipe.report import charts as curves
from unetpipe.report.charts import jaccard_histogram
from unetpipe.report.gallery import SYMBOLS, Gallery, make_view

NAME = "report.html"
LISTED = 200  # frames in the table of all frames
PACKAGES = ("monai", "torch", "numpy")
MEANINGS = {
    "SEG": "mean Jaccard index of the cells",
    "DET": "cells found, in all frames with markers",
    "TRA": "cells found and followed",
    "IoU": "of all pixels",
    "Dice": "of all pixels",
    "precision": "objects that are cells",
    "recall": "cells that were found",
    "F1": "at IoU above 0.5",
    "mean_precision": "over IoU 0.50–0.95",
    "pixel_error": "lower is better",
    "pixel_distance": "lower is better",
    "rand_error": "lower is better",
    "warping_error": "lower is better",
    "splits_and_mergers": "lower is better",
    "v_rand_mean": "higher is better",
    "v_rand_pooled": "higher is better",
    "v_info": "higher is better",
}


def write_report(
    path: str | os.PathLike,
    gallery: Gallery,
    title: str,
    *,
    data: str | os.PathLike = "",
    scores: Mapping[str, float | None] | None = None,
    settings: Mapping[str, Any] | None = None,
    logs: str | os.PathLike | None = None,
    seconds: float | None = None,
    remark: str = "",
) -> None:
    """Write a result's scores, curves, mistakes and settings as one HTML file that asks nothing of the network.

    Parameters
    ----------
    path : path
        The file; it stands under its name only when complete.
    gallery : Gallery
        The result's frames.
    title : str
        What was scored, in a line.
    data : path
        Folder of the data set or its truth; by its name the data sets of the paper are recognised.
    scores : mapping of str to float, optional
        Measures by name, None where the truth does not allow one; by default the gallery's SEG.
    settings : mapping, optional
        The configuration.
    logs : path, optional
        Folder of TensorBoard event files.
    seconds : float, optional
        How long the run took.
    remark : str
        What a reader should know of the scores.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    charts = [curves.lay_out(curve) for curve in curves.read_curves(logs)] if logs is not None else []
    published = published_name(data)
    figures = FIGURES.get(published or "", {})
    measured = {
        name: value for name, value in ({"SEG": gallery.seg} if scores is None else scores).items() if value is not None
    }
    headlines = {name: value for name, value in measured.items() if name in figures} or dict([*measured.items()][:1])
    bars = jaccard_histogram(gallery.jaccards)
    environment = Environment(
        loader=PackageLoader("unetpipe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(
        title=title,
        data=str(data),
        published=published,
        figures=figures,
        headlines=headlines,
        others={name: value for name, value in measured.items() if name not in headlines},
        meanings=MEANINGS,
        symbols=SYMBOLS,
        counts=gallery.counts,
        cells=len(gallery.jaccards),
        bars=bars,
        highest=max(bar.cells for bar in bars),
        charts=charts,
        chart=curves,
        views=[make_view(frame, mistakes) for frame, mistakes in gallery.worst],
        frames=sorted(gallery.judged, key=lambda frame: frame.mistakes.quality),
        listed=LISTED,
        settings={key: _plain(value) for key, value in (settings or {}).items()},
        versions=versions(),
        elapsed=None if seconds is None else say_time(seconds),
        remark=remark,
        trained=_training_time(charts),
    )
    write_text(path, page)


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    return {
        "unetpipe": unetpipe.__version__,
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
    }


def say_time(seconds: float) -> str:
    """Say a time in the two largest units: "1 h 3 min", "52 min 3 s", "3.2 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def _training_time(charts: list[curves.Chart]) -> str | None:
    times = [time for chart in charts for time in chart.curve.times]
    return say_time(max(times) - min(times)) if len(set(times)) > 1 else None


def _plain(value: Any) -> str:
    """Write a setting as the configs do; a path or another object as it names itself."""
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Figure(NamedTuple):
    """A measure on a challenge's hidden test set: the paper's and the best published, as they are printed."""

    paper: str
    best: str


FIGURES = {
    "PhC-C2DH-U373": {"SEG": Figure("0.9203", "0.931")},
    "DIC-C2DH-HeLa": {"SEG": Figure("0.7756", "0.887")},
    "ISBI 2012": {
        "warping_error": Figure("0.000353", "0.000353 (this one, then)"),
        "rand_error": Figure("0.0382", "0.0305 (DIVE-SCI, then)"),
        "pixel_error": Figure("0.0611", "0.0584 (DIVE-SCI, then)"),
    },
}


def published_name(data: str | os.PathLike) -> str | None:
    """Return the paper's data set that a path is in, going by the names of its folders; None for any other."""
    parts = {_plain(part) for part in Path(data).parts}
    return next((name for name in FIGURES if _plain(name) in parts), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
