"""Draw the pictures of the documentation from synthetic cells and the code as it is.

    python docs/make_pictures.py [--bundle BUNDLE]

Without a bundle, one is trained as ``unetpipe demo`` trains it, which takes minutes. The image is of a sequence that
the demo does not train on.
"""

from __future__ import annotations

import argparse
import colorsys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unetpipe import Predictor
from unetpipe.cli.demo import LENGTH, NARROW, TEST_SEQUENCES, TRAIN_SEQUENCES, VAL_SEQUENCES
from unetpipe.datasets import write_synthetic_ctc
from unetpipe.io import read_image, read_labels
from unetpipe.report import draw_outlines, find_mistakes
from unetpipe.report.pictures import outlines, stretched
from unetpipe.training.train import train

FOLDER = Path(__file__).parent / "images"
SCALE, GAP, CAPTION = 2, 12, 52  # of a pixel of the image; pixels of the picture
PAPER, INK = (255, 255, 255), (40, 40, 40)
COLOURS = {  # those of the report
    "missed": (230, 60, 60),
    "merged": (255, 150, 0),
    "split": (200, 80, 220),
    "invented": (60, 140, 255),
}


def main() -> None:
    """Train if need be, segment one image, and draw."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the documentation.")
    parser.add_argument("--bundle", type=Path, help="a trained bundle (default: train one as unetpipe demo does)")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the pictures (default: docs/images)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        data = write_synthetic_ctc(Path(temporary) / "data", sequences=TEST_SEQUENCES[-1], frames=4)
        bundle = options.bundle
        if bundle is None:
            split = {"train_sequences": TRAIN_SEQUENCES, "val_sequences": VAL_SEQUENCES}
            bundle = train(data, Path(temporary) / "trained", **split, **NARROW, **LENGTH)
        predictor = Predictor.load(bundle)
        scored = [(name, *_segmented(predictor, data, name)) for name in (f"{number:02d}" for number in TEST_SEQUENCES)]
    # the sequence with the most kinds of mistakes has the most to show
    _, *shown = max(scored, key=lambda item: sum(count > 0 for count in find_mistakes(*item[-2:]).counts.values()))
    draw_overview(*shown).save(options.output / "overview.png", optimize=True)
    print(options.output / "overview.png")


def _segmented(predictor: Predictor, data: Path, name: str) -> tuple[np.ndarray, ...]:
    """Return image (1, H, W), probability, truth and result (H, W) of the first frame of a sequence."""
    image = read_image(data / name / "t000.tif")
    labels, probability = predictor(image[0], return_probabilities=True)
    return image, probability, read_labels(data / f"{name}_GT" / "SEG" / "man_seg000.tif"), labels


def draw_overview(image: np.ndarray, probability: np.ndarray, truth: np.ndarray, result: np.ndarray) -> Image.Image:
    """Return the picture: image, probability of cell, numbered cells, mistakes, side by side."""
    grey = np.repeat((probability * 255).astype(np.uint8)[..., None], 3, axis=2)
    panels = {
        "image": stretched(image),
        "probability of cell": grey,
        "numbered cells": coloured(result),
        "mistakes": draw_outlines(image, result, truth),
    }
    height, width = (SCALE * side for side in result.shape)
    picture = Image.new("RGB", (4 * width + 3 * GAP, height + CAPTION), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (title, pixels) in enumerate(panels.items()):
        left = number * (width + GAP)
        draw.text((left + 4, 6), title, INK, ImageFont.load_default(38))
        picture.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST), (left, CAPTION))
    _mark_mistakes(draw, truth, result, left=3 * (width + GAP))
    return picture.quantize(128, dither=Image.Dither.NONE)


def coloured(labels: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) of an instance map: each cell in its colour, with a dark outline."""
    hues = np.random.default_rng(1).permutation(int(labels.max()) + 1) / (labels.max() + 1)
    table = np.array([(0.0, 0.0, 0.0), *(colorsys.hsv_to_rgb(hue, 0.55, 1.0) for hue in hues[1:])])
    picture = (table[labels] * 255).astype(np.uint8)
    picture[outlines(labels)] = 0
    return picture


def _mark_mistakes(draw: ImageDraw.ImageDraw, truth: np.ndarray, result: np.ndarray, left: int) -> None:
    """Write the name of each mistake where it is."""
    mistakes = find_mistakes(truth, result)
    marks = [("merged", np.isin(truth, merge.cells)) for merge in mistakes.merged]
    marks += [("split", truth == split.cell) for split in mistakes.split]
    marks += [("missed", truth == cell) for cell in mistakes.missed]
    marks += [("invented", result == found) for found in mistakes.invented]
    for word, mask in marks:
        rows, columns = np.nonzero(mask)
        place = (left + SCALE * (columns.min() + columns.max() + 1) // 2, CAPTION + SCALE * int(rows.mean()))
        font = ImageFont.load_default(34)
        box = draw.textbbox(place, word, font=font, anchor="mm")
        draw.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=COLOURS[word])
        draw.text(place, word, (255, 255, 255), font, anchor="mm")


if __name__ == "__main__":
    main()
