"""Draw for each shipped model an image of the kind that it is for, beside the cells that the model finds in it.

    python docs/make_model_pictures.py [NAME ...]

The images are synthetic look-alikes: they show what a model is for, and say nothing about how good it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from make_pictures import GAP, PAPER, coloured
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

from unetpipe import Predictor
from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets.synthetic import largest_parts
from unetpipe.report.pictures import stretched

FOLDER = Path(__file__).parent / "images"
SIDE = 320  # px of a look-alike


def main() -> None:
    """Draw an image for each model, run the model on it, and write both side by side."""
    parser = argparse.ArgumentParser(description="Draw what each model is for, and what it finds.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"models (default: all of {', '.join(LOOK_ALIKES)})")
    parser.add_argument("--bundle", type=Path, help="the bundle that has them (default: the installed one)")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the pictures (default: docs/images)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.names or LOOK_ALIKES:
        if name not in LOOK_ALIKES:
            parser.error(f"there is no look-alike for {name}; names are {', '.join(LOOK_ALIKES)}")
        image = LOOK_ALIKES[name](np.random.default_rng(2))
        labels = np.asarray(Predictor.load(options.bundle or find_bundle(), model=name)(image))
        picture = Image.new("RGB", (2 * SIDE + GAP, SIDE), PAPER)
        picture.paste(Image.fromarray(stretched(image[None])), (0, 0))
        picture.paste(Image.fromarray(coloured(labels)), (SIDE + GAP, 0))
        path = options.output / f"model_{name}.png"
        picture.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}: {labels.max()} cells")


def dic_hela(rng: np.random.Generator) -> np.ndarray:
    """Draw cells in relief, as if light came from one side, with grains and a nucleus."""
    labels, depth = _cells(rng, _places(rng, 7, 88), 62, 0.08)
    inside = labels > 0
    to_outline = ndimage.distance_transform_edt(inside & ~find_boundaries(labels))
    membrane = np.exp(-(((to_outline - 2) / 1.5) ** 2)) * inside
    nucleus = np.exp(-(((depth - 0.45) / 0.03) ** 2))
    grains = _smooth(rng, 1.3) * inside * (0.5 + 0.9 * np.exp(-to_outline / 12)) * (depth > 0.45)
    spots = ndimage.gaussian_filter(((_smooth(rng, 2) > 2.2) & inside).astype(float), 1)
    height = 0.9 * grains + 3 * membrane + 0.8 * nucleus + 4 * spots + 0.25 * _smooth(rng, 1.3) * inside
    relief = 10 * (height - ndimage.gaussian_filter(height, 3)) + 2 * (
        ndimage.sobel(height, 0) + ndimage.sobel(height, 1)
    )
    return _grey(117 + relief + 2.5 * rng.normal(size=labels.shape))


def phc_u373(rng: np.random.Generator) -> np.ndarray:
    """Draw flat cells with a dark, ragged rim and a thin halo around it, far from each other."""
    labels, depth = _cells(rng, _places(rng, 5, 110), 40, 0.3)
    inside = labels > 0
    outside_by = ndimage.distance_transform_edt(~inside)
    inside_by = ndimage.distance_transform_edt(inside)
    rim = np.exp(-((inside_by - 2.5) ** 2) / 4) * inside * np.clip(1 + 0.6 * _smooth(rng, 3), 0, 2)
    halo = np.exp(-((outside_by - 2) ** 2) / 4) * ~inside
    nucleus = ndimage.gaussian_filter((depth < 0.35).astype(float), 2)
    body = inside * (4 + 3 * _smooth(rng, 2)) + nucleus * (8 + 14 * _smooth(rng, 3))
    return _grey(82 + 2 * _smooth(rng, 40) + body - 32 * rim + 14 * halo + 1.5 * rng.normal(size=labels.shape))


def isbi2012(rng: np.random.Generator) -> np.ndarray:
    """Draw bright neurites of all sizes between dark membranes, with a few dark mitochondria."""
    centres = np.concatenate([_places(rng, 22, 38), rng.uniform(0, SIDE, (30, 2))])
    labels, _ = _cells(rng, centres, 10 * SIDE, 0.0, warp=5)
    to_membrane = ndimage.distance_transform_edt(~find_boundaries(labels, mode="thick"))
    membrane = np.exp(-((to_membrane / 2.2) ** 2))
    mitochondria = np.zeros(labels.shape)
    for y, x in centres[:6]:
        mitochondria = np.maximum(mitochondria, _disc((y, x), rng.uniform(9, 14), _smooth(rng, 12)))
    mitochondria *= to_membrane > 5
    edge = np.exp(-((ndimage.distance_transform_edt(mitochondria > 0.5) - 1) ** 2) / 3) * (mitochondria > 0.5)
    grey = 172 + 10 * _smooth(rng, 3) - 115 * membrane - 60 * mitochondria - 25 * edge
    return _grey(ndimage.gaussian_filter(grey, 0.7) + 24 * ndimage.gaussian_filter(rng.normal(size=labels.shape), 0.6))


def nuclei(rng: np.random.Generator) -> np.ndarray:
    """Draw small bright discs on a dark ground, some of which touch."""
    labels, depth = _cells(rng, _places(rng, 60, 21), 12, 0.1)
    bright = np.concatenate([[0], rng.uniform(40, 130, labels.max())])[labels]
    body = ndimage.gaussian_filter(bright * (1 - 0.3 * np.clip(depth, 0, 1) ** 2), 1.2)
    return _grey(12 + body * (1 + 0.08 * _smooth(rng, 2)) + rng.normal(size=labels.shape))


def fluo_gowt1(rng: np.random.Generator) -> np.ndarray:
    """Draw bright and dim nuclei with dark nucleoli, in the noise of a dark detector."""
    labels, depth = _cells(rng, _places(rng, 9, 78), 29, 0.08)
    bright = np.concatenate([[0], rng.permutation(np.linspace(14, 110, labels.max()))])[labels]
    nucleoli = ndimage.gaussian_filter(((_smooth(rng, 4) > 1.3) & (depth < 0.7)).astype(float), 1.5)
    signal = ndimage.gaussian_filter(bright, 1.2) * (1 - 0.7 * nucleoli)
    noise = rng.normal(size=labels.shape)
    return _grey(signal + noise * (2.5 + 1.6 * np.sqrt(signal)))


def fluo_sim(rng: np.random.Generator) -> np.ndarray:
    """Draw blurred nuclei with bright texture, some of which touch, on an even ground."""
    labels, depth = _cells(rng, _places(rng, 14, 52), 25, 0.08)
    bright = np.concatenate([[0], rng.uniform(20, 45, labels.max())])[labels]
    texture = np.clip(1 + 0.35 * _smooth(rng, 5) + 0.1 * _smooth(rng, 2), 0.3, 3)
    body = bright * texture * (1 - 0.4 * np.clip(depth, 0, 1) ** 3)
    return _grey(92 + ndimage.gaussian_filter(body, 1.8) + 2.5 * rng.normal(size=labels.shape))


def fluo_msc(rng: np.random.Generator) -> np.ndarray:
    """Draw long cells with thin arms, bright in the middle and dim at the ends, in strong noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    signal = np.zeros((SIDE, SIDE))
    for row, column in _places(rng, 4, 120):
        angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.003, 0.003)
        along = (y - row) * np.sin(angle) + (x - column) * np.cos(angle)
        across = (x - column) * np.sin(angle) - (y - row) * np.cos(angle) + bend * along**2
        length, width = rng.uniform(70, 110), rng.uniform(16, 24)
        half_width = width * np.exp(-((along / (0.35 * length)) ** 2)) + 5
        inside = (np.abs(across) < half_width) & (np.abs(along) < length)
        signal = np.maximum(signal, inside * rng.uniform(60, 110) * np.exp(-((along / (0.8 * length)) ** 2)))
    return _grey(30 + ndimage.gaussian_filter(signal, 2) + 18 * rng.normal(size=signal.shape))


LOOK_ALIKES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "dic_hela": dic_hela,
    "phc_u373": phc_u373,
    "isbi2012": isbi2012,
    "nuclei": nuclei,
    "fluo_gowt1": fluo_gowt1,
    "fluo_sim": fluo_sim,
    "fluo_msc": fluo_msc,
}


def _places(rng: np.random.Generator, wanted: int, apart: float) -> np.ndarray:
    """Return centres of cells, (n, 2), at least ``apart`` pixels from each other."""
    centres: list[np.ndarray] = []
    for _ in range(4000):
        centre = rng.uniform(0, SIDE, 2)
        if len(centres) < wanted and all(np.hypot(*(centre - other)) >= apart for other in centres):
            centres.append(centre)
    return np.array(centres)


def _cells(
    rng: np.random.Generator, centres: np.ndarray, radius: float, wobble: float, warp: float = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return cells, (H, W), int, and how far each pixel is from their centres: 1 at the outline."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + warp * np.stack([_smooth(rng, 8), _smooth(rng, 8)])
    distances = np.stack([np.hypot(rows - y, columns - x) for y, x in centres])
    distances /= radius * rng.uniform(0.85, 1.15, (len(centres), 1, 1)) if warp == 0 else radius
    depth = distances.min(axis=0) * (1 + wobble * _smooth(rng, 7))
    labels = largest_parts(np.where(depth < 1, distances.argmin(axis=0) + 1, 0))
    return labels, np.where(labels > 0, depth, np.maximum(depth, 1))


def _disc(centre: tuple[float, float], radius: float, wobble: np.ndarray) -> np.ndarray:
    """Return 1 in a disc with a wobbly outline and 0 outside of it."""
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return (np.hypot(rows - centre[0], columns - centre[1]) < radius * (1 + 0.15 * wobble)).astype(float)


def _smooth(rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Return noise that is smooth over ``sigma`` pixels, with mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), sigma)
    return (noise - noise.mean()) / noise.std()


def _grey(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
