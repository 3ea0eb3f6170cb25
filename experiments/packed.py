"""A pack of annotated frames: one zip file with pictures and an index."""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

INDEX = "index.json"
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Entry:
    """A frame in the pack.

    Attributes
    ----------
    data : str
        The set: "dic", "u373", "gowt1", "sim", "msc", "isbi", "dsb".
    frame : str
        Number or id within the set.
    group : str
        Frames of one kind: the set, or the size of the images.
    role : str
        "train", "choose" or "score".
    truth : str
        "gold" or "silver".
    step, offset : int
        A grey value is step · stored + offset.
    """

    data: str
    frame: str
    group: str
    role: str
    truth: str
    step: int
    offset: int

    @property
    def name(self) -> str:
        """Start of the names of its pictures."""
        return f"{self.data}/{self.frame}"


@dataclass
class Frame:
    """What a pack holds of a frame: grey values (C, H, W), float32; instance map (H, W), int32; known pixels, bool."""

    entry: Entry
    image: np.ndarray
    label: np.ndarray
    known: np.ndarray


def noise_deviation(image: np.ndarray) -> float:
    """Return the standard deviation of the white noise in (H, W), from the median of a Laplacian's size.

    References
    ----------
    J. Immerkær: Fast noise variance estimation, 1996; here with the median, for cells have outlines.
    """
    grey = image.astype(np.float64)
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.median(np.abs(both)) / (0.6745 * 6))


def rounding_step(image: np.ndarray) -> int:
    """Return a step that leaves 8 bits: two thirds of the noise, or a twelfth of the deviation where that is more.

    The first raises the noise by 2 %, the second is an error of a fortieth of the deviation.
    """
    noise = noise_deviation(image[..., 0] if image.ndim == 3 else image)
    span = int(image.max()) - int(image.min())
    return max(1, int(noise / 1.5), int(image.std() / 12), -(-span // 255))


def write_frame(file: zipfile.ZipFile, frame: Entry, image: np.ndarray, label: np.ndarray, known: np.ndarray) -> None:
    """Write a frame; the image is (H, W) or (H, W, 3), integers.

    Grey images are lossless but for the entry's rounding. Images of stains are JPEG files, but those that are scored.
    """
    stored = np.rint((image.astype(np.int64) - frame.offset) / frame.step)
    content = io.BytesIO()
    picture = Image.fromarray(stored.astype(np.uint8 if stored.max() < 256 else np.uint16))
    if stored.max() > 255:
        picture.save(content, "PNG", optimize=True)
    elif stored.ndim == 3 and frame.role != "score":
        picture.save(content, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        picture.convert("RGB").save(
            content,
            "WEBP",
            lossless=True,
            quality=100 if frame.role != "score" else 40,
            method=6 if frame.role != "score" else 2,
            exact=True,
        )
    file.writestr(f"{frame.name}.image", content.getvalue())
    for what, array in (("label", label.astype(np.uint16)), ("known", known)):
        if what == "known" and known.all():
            continue
        content = io.BytesIO()
        Image.fromarray(array).save(content, "PNG", optimize=True)
        file.writestr(f"{frame.name}.{what}.png", content.getvalue())


def write_index(file: zipfile.ZipFile, entries: list[Entry]) -> None:
    """Write the index, last."""
    file.writestr(INDEX, json.dumps([asdict(entry) for entry in entries]), zipfile.ZIP_DEFLATED)


def read_index(path: str | os.PathLike) -> list[Entry]:
    """Read the entries of a pack."""
    with zipfile.ZipFile(path) as file:
        return [Entry(**row) for row in json.loads(file.read(INDEX))]


def read_frame(path: str | os.PathLike, entry: Entry) -> Frame:
    """Read a frame; grey images have one channel."""
    with zipfile.ZipFile(Path(path)) as file:
        picture = Image.open(io.BytesIO(file.read(f"{entry.name}.image")))
        stored = np.asarray(picture if picture.mode.startswith("I") else picture.convert("RGB"))
        label = np.asarray(Image.open(io.BytesIO(file.read(f"{entry.name}.label.png")))).astype(np.int32)
        known = np.ones(label.shape, bool)
        if f"{entry.name}.known.png" in file.namelist():
            known = np.asarray(Image.open(io.BytesIO(file.read(f"{entry.name}.known.png")))).astype(bool)
    channels = stored[None] if stored.ndim == 2 else stored.transpose(2, 0, 1)
    if (channels == channels[:1]).all():
        channels = channels[:1]
    return Frame(entry, channels.astype(np.float32) * entry.step + entry.offset, label, known)
