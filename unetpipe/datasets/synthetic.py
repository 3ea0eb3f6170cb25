"""Synthetic touching cells: a set in the challenge's layout, and an OME-Zarr image of any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from unetpipe.io.images import write_labels, write_picture

FRAME_SHAPE = (256, 320)


def write_synthetic_ctc(
    folder: str | os.PathLike, sequences: int = 8, frames: int = 6, shape: tuple[int, int] = FRAME_SHAPE, seed: int = 0
) -> Path:
    """Write sequences 01, 02 … of moving, touching cells with images, gold, silver and tracking truth.

    Every sequence has its own cell size, contrast, noise, blur and uneven background.

    Parameters
    ----------
    folder : path
        Where the data set goes; files of that name are replaced.
    sequences, frames : int
        How many sequences, and frames in each.
    shape : (int, int)
        Height and width in pixels.
    seed : int
        The same seed writes the same files.

    Returns
    -------
    Path
        The folder.
    """
    root = Path(folder)
    for number in range(1, sequences + 1):
        rng = np.random.default_rng((seed, number))
        name = f"{number:02d}"
        lives: dict[int, list[int]] = {}
        for frame, (image, label) in enumerate(_sequence(rng, shape, frames)):
            write_picture(root / name / f"t{frame:03d}.tif", Image.fromarray(image))
            for part in (f"{name}_GT/SEG/man_seg", f"{name}_ST/SEG/man_seg"):
                write_labels(root / f"{part}{frame:03d}.tif", label)
            write_labels(root / f"{name}_GT/TRA/man_track{frame:03d}.tif", _markers(label))
            for cell in np.unique(label[label > 0]).tolist():
                lives.setdefault(cell, []).append(frame)
        tracks = "".join(f"{cell} {seen[0]} {seen[-1]} 0\n" for cell, seen in sorted(lives.items()))
        (root / f"{name}_GT" / "TRA" / "man_track.txt").write_text(tracks, encoding="utf-8")
    return root


def synthetic_frame(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return one image of touching cells (H, W), uint8, none of them cut by its border, and its cells' ids, int32."""
    return _sequence(rng, shape, 1)[0]


class _Style(NamedTuple):
    """What the frames of one sequence have in common; lengths in pixels, brightness in grey values."""

    contrast: float
    offset: float
    noise: float
    blur: float
    texture: float
    background: np.ndarray
    brightness: np.ndarray


def _sequence(rng: np.random.Generator, shape: tuple[int, int], frames: int) -> list[tuple[np.ndarray, np.ndarray]]:
    radius = rng.uniform(11, 17)
    centres = _clustered_centres(rng, shape, radius)
    radii = radius * rng.uniform(0.8, 1.2, (len(centres), 2))
    angles = rng.uniform(0, np.pi, len(centres))
    wobble = 0.12 * radius * np.stack([_smooth(rng, shape, 9) for _ in range(2)])
    style = _Style(
        contrast=rng.uniform(25, 80),
        offset=rng.uniform(40, 90),
        noise=rng.uniform(2, 6),
        blur=rng.uniform(0.7, 1.3),
        texture=rng.uniform(0.05, 0.12),
        background=_smooth(rng, shape, 60) * rng.uniform(10, 30),
        brightness=rng.uniform(0.65, 1.0, len(centres)),
    )
    result = []
    for _ in range(frames):
        label, depth = _draw_cells(shape, centres, radii, angles, wobble)
        result.append((_render(rng, label, depth, style), label))
        centres = centres + rng.normal(0, 0.6, centres.shape)
        angles = angles + rng.normal(0, 0.05, angles.shape)
    return result


def _clustered_centres(rng: np.random.Generator, shape: tuple[int, int], radius: float) -> np.ndarray:
    """Place cells in clumps, close enough to touch but no closer than 1.45 radii, all of them inside the image."""
    height, width = shape
    centres: list[np.ndarray] = []
    wanted = int(0.45 * height * width / (np.pi * radius**2))
    for _ in range(60 * wanted):
        if len(centres) >= wanted:
            break
        if centres and rng.random() < 0.75:
            angle, distance = rng.uniform(0, 2 * np.pi), radius * rng.uniform(1.5, 1.8)
            centre = centres[rng.integers(len(centres))] + distance * np.array([np.sin(angle), np.cos(angle)])
        else:
            centre = rng.uniform((0, 0), shape)
        inside = (centre > 1.3 * radius).all() and (centre < np.array(shape) - 1.3 * radius).all()
        if inside and all(np.hypot(*(centre - other)) > 1.45 * radius for other in centres):
            centres.append(centre)
    return np.array(centres)


def _draw_cells(
    shape: tuple[int, int], centres: np.ndarray, radii: np.ndarray, angles: np.ndarray, wobble: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw wobbly ellipses; where two overlap, a pixel belongs to the one in which it lies deeper."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + wobble
    best = np.ones(shape)
    label = np.zeros(shape, np.int32)
    for number, ((y, x), (a, b), angle) in enumerate(zip(centres, radii, angles, strict=True), start=1):
        u = (rows - y) * np.cos(angle) + (columns - x) * np.sin(angle)
        v = (columns - x) * np.cos(angle) - (rows - y) * np.sin(angle)
        distance = np.hypot(u / a, v / b)
        label[distance < best] = number
        best = np.minimum(best, distance)
    return largest_parts(label), best


def largest_parts(label: np.ndarray) -> np.ndarray:
    """Keep the largest 4-connected part of each cell, so that every cell is one piece."""
    kept = np.zeros_like(label)
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        if box is not None:
            parts, _ = ndimage.label(label[box] == number)
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            kept[box][parts == sizes.argmax()] = number
    return kept


def _render(rng: np.random.Generator, label: np.ndarray, depth: np.ndarray, style: _Style) -> np.ndarray:
    """Shade the cells: bright inside, dimmer towards their outline, so that contacts show as faint valleys."""
    texture = 1 + style.texture * _smooth(rng, label.shape, 2)
    shading = (1 - 0.35 * np.clip(depth, 0, 1) ** 4) * texture
    body = np.where(label > 0, style.brightness[label - 1] * shading, 0)
    signal = style.offset + style.background + style.contrast * ndimage.gaussian_filter(body, style.blur)
    return np.clip(signal + rng.normal(0, style.noise, label.shape), 0, 255).astype(np.uint8)


def _smooth(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Return Gaussian noise smoothed over ``sigma`` pixels, mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return (noise - noise.mean()) / noise.std()


def _markers(label: np.ndarray) -> np.ndarray:
    """Return small markers of the cells: their pixels within 3 of the one farthest from the outline."""
    markers = np.zeros_like(label)
    rows, columns = np.ogrid[: label.shape[0], : label.shape[1]]
    for number in np.unique(label[label > 0]):
        depth = ndimage.distance_transform_edt(label == number)
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        markers[((rows - y) ** 2 + (columns - x) ** 2 <= 9) & (label == number)] = number
    return markers


PATCH, PATTERNS = 250, 24  # px of a patch of cells; how many different ones there are, each in eight positions
CHUNK = 1024
SMOOTH = 20  # px
BACKGROUND, CONTRAST = 12000, 12000  # grey values


def write_synthetic_ome_zarr(path: str | os.PathLike, shape: tuple[int, int], seed: int = 0) -> int:
    """Write a 16-bit OME-Zarr image (version 0.5, one level) of touching cells and return the number of cells.

    Parameters
    ----------
    path : path
        The folder to make, such as ``cells.ome.zarr``.
    shape : (int, int)
        Height and width in pixels.
    seed : int
        The same seed writes the same image.
    """
    import zarr  # an optional dependency: unetpipe[large]

    rng = np.random.default_rng(seed)
    frames = [
        level(*synthetic_frame(np.random.default_rng((seed, number)), (PATCH, PATCH))) for number in range(PATTERNS)
    ]
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
    ome = {"version": "0.5", "multiscales": [{"name": Path(path).name, "axes": axes, "datasets": datasets}]}
    zarr.create_group(Path(path), attributes={"ome": ome})
    array = zarr.create_array(
        Path(path) / "0", shape=shape, chunks=(CHUNK, CHUNK), dtype="uint16", dimension_names=["y", "x"]
    )
    cells = 0
    band = PATCH * 4
    for top in range(0, shape[0], band):
        rows = np.zeros((band, -(-shape[1] // PATCH) * PATCH), np.uint16)
        for y in range(0, band, PATCH):
            for x in range(0, rows.shape[1], PATCH):
                image, count = frames[rng.integers(PATTERNS)]
                turned = np.rot90(image[:, ::-1] if rng.random() < 0.5 else image, int(rng.integers(4)))
                rows[y : y + PATCH, x : x + PATCH] = turned
                cells += count
        rows += rng.integers(0, 200, rows.shape, dtype=np.uint16)
        array[top : top + band] = rows[: shape[0] - top, : shape[1]]
    return cells


def level(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a patch (H, W), uint16, with a background and a contrast like all others, and its number of cells."""
    outside = (label == 0).astype(np.float64)
    background = ndimage.gaussian_filter(image * outside, SMOOTH) / ndimage.gaussian_filter(outside, SMOOTH)
    above = image - background
    grey = BACKGROUND + CONTRAST * above / np.median(above[label > 0])
    return np.clip(grey, 0, 60000).astype(np.uint16), int(label.max())
