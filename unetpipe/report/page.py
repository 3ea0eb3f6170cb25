"""Write the report: one HTML file that holds everything and opens without a network.

References
----------
The published figures: O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image
Segmentation, MICCAI 2015, tables 1 and 2; the best ones: the leader boards of the challenges.
"""

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
from unetpipe.report import charts
from unetpipe.report.gallery import SYMBOLS, Gallery, make_view
from unetpipe.report.lineage import WIDTH
from unetpipe.report.tracks import KINDS, Lineage

NAME = "report.html"
LISTED = 200  # frames in the table of all frames
PACKAGES = ("monai", "torch", "numpy")
MEANINGS = {
    "SEG": "mean Jaccard index of the cells",
    "DET": "cells found, over all frames with markers",
    "TRA": "cells found and followed",
    "division_F1": "divisions found, to one frame",
    "IoU": "all pixels, cell or background",
    "Dice": "all pixels, cell or background",
    "precision": "share of the objects that are cells",
    "recall": "share of the cells that were found",
    "F1": "cells found with an IoU above 0.5",
    "mean_precision": "mean over the IoU thresholds 0.50–0.95",
    "pixel_error": "lower is better",
    "pixel_distance": "lower is better",
    "rand_error": "lower is better",
    "warping_error": "lower is better",
    "splits_and_mergers": "lower is better",
    "v_rand_mean": "higher is better",
    "v_rand_pooled": "higher is better",
    "v_info": "higher is better",
}


class Figure(NamedTuple):
    """A measure on the hidden test set of a challenge, as printed: in the paper of 2015, and the best published."""

    paper: str
    best: str


FIGURES = {
    "PhC-C2DH-U373": {"SEG": Figure("0.9203", "0.931")},
    "DIC-C2DH-HeLa": {"SEG": Figure("0.7756", "0.887")},
    "ISBI 2012": {
        "warping_error": Figure("0.000353", "0.000353 (the paper’s, in 2015)"),
        "rand_error": Figure("0.0382", "0.0305 (DIVE-SCI, in 2015)"),
        "pixel_error": Figure("0.0611", "0.0584 (DIVE-SCI, in 2015)"),
    },
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
    lineage: Lineage | None = None,
) -> None:
    """Write the scores, curves, mistakes and settings of a result as one HTML file that loads nothing from a network.

    Parameters
    ----------
    path : path
        The file; it appears under its name only when complete.
    gallery : Gallery
        The frames of the result.
    title : str
        What was scored, in one line.
    data : path
        Folder of the data set or of its truth. The names in it tell whether it is a data set of the paper.
    scores : mapping of str to float, optional
        Measures by name, None where the truth for one is missing; by default only SEG, from the gallery.
    settings : mapping, optional
        The configuration, by key.
    logs : path, optional
        Folder of TensorBoard event files, for the curves.
    seconds : float, optional
        How long the run took.
    remark : str
        What a reader should know about the scores.
    lineage : Lineage, optional
        The tracks of the result.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    laid_out = [charts.lay_out(curve) for curve in charts.read_curves(logs)] if logs is not None else []
    published = published_name(data)
    figures = FIGURES.get(published or "", {})
    measured = {
        name: value for name, value in ({"SEG": gallery.seg} if scores is None else scores).items() if value is not None
    }
    headlines = {name: value for name, value in measured.items() if name in figures} or dict([*measured.items()][:1])
    bars = charts.jaccard_histogram(gallery.jaccards)
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
        charts=laid_out,
        chart=charts,
        views=[make_view(frame, mistakes) for frame, mistakes in gallery.worst],
        frames=sorted(gallery.judged, key=lambda frame: frame.mistakes.quality),
        listed=LISTED,
        settings={key: _plain(value) for key, value in (settings or {}).items()},
        versions=versions(),
        elapsed=None if seconds is None else say_time(seconds),
        remark=remark,
        trained=_training_time(laid_out),
        lineage=lineage,
        lineage_width=WIDTH,
        kinds=KINDS,
    )
    write_text(path, page)


def versions() -> dict[str, str]:
    """Return the versions of the software that a result depends on."""
    return {
        "unetpipe": unetpipe.__version__,
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
    }


def say_time(seconds: float) -> str:
    """Write a time in its two largest units.

    Examples
    --------
    >>> say_time(3780), say_time(3123), say_time(3.21)
    ('1 h 3 min', '52 min 3 s', '3.2 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def _training_time(laid_out: list[charts.Chart]) -> str | None:
    times = [time for chart in laid_out for time in chart.curve.times]
    return say_time(max(times) - min(times)) if len(set(times)) > 1 else None


def _plain(value: Any) -> str:
    """Write a setting as it stands in a config; a path or any other object as ``str`` writes it."""
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def published_name(data: str | os.PathLike) -> str | None:
    """Return the data set of the paper whose name is a folder in the path; None if there is none.

    Examples
    --------
    >>> published_name("/data/phc-c2dh-u373/01"), published_name("/data/mine")
    ('PhC-C2DH-U373', None)
    """
    parts = {_letters(part) for part in Path(data).parts}
    return next((name for name in FIGURES if _letters(name) in parts), None)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
