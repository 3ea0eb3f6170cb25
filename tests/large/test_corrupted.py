"""Randomly damaged input files end in a result or in one clear sentence, never in another exception."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from large_images import small_bundle, write_ome_zarr
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io import read_image
from unetpipe.io.images import count_pages
from unetpipe.large import LargeSegmentation, LazyImage
from unetpipe.large.images import find_large

# files of each kind that are damaged; UNETPIPE_CORRUPTIONS sets another number for a longer run
EACH = int(os.environ.get("UNETPIPE_CORRUPTIONS", "12"))
MEMORY = 2**31


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60000, shape).astype(np.uint16)


KINDS = {
    "ome-zarr 0.5": lambda path: write_ome_zarr(path.with_suffix(".zarr"), pixels(40, 50), "yx", "0.5", chunks=30),
    "ome-zarr 0.4": lambda path: write_ome_zarr(path.with_suffix(".zarr"), pixels(2, 40, 50), "tyx", "0.4", chunks=30),
    "tiff": lambda path: tifffile.imwrite(path.with_suffix(".tif"), pixels(40, 50)),
    "tiled tiff": lambda path: tifffile.imwrite(
        path.with_suffix(".tif"), pixels(40, 50), tile=(16, 16), compression="lzw"
    ),
    "tiff of pages": lambda path: tifffile.imwrite(
        path.with_suffix(".tif"), pixels(3, 40, 50), compression="zlib", photometric="minisblack"
    ),
    "png": lambda path: Image.fromarray(pixels(40, 50)).save(path.with_suffix(".png")),
    "nifti": lambda path: nibabel.save(
        nibabel.Nifti1Image(pixels(50, 40, 2).astype(np.int16), np.eye(4)), path.with_suffix(".nii.gz")
    ),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), channels=(2, 4))


def damage(path: Path, rng: np.random.Generator) -> None:
    """Flip up to 4 bytes of a file, or cut it off."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    chosen = files[rng.integers(len(files))]
    content = bytearray(chosen.read_bytes())
    if rng.random() < 0.25:
        content = content[: rng.integers(len(content) + 1)]
    else:
        for _ in range(rng.integers(1, 5)):
            # half of them where the metadata of most formats are
            place = rng.integers(min(len(content), 600)) if rng.random() < 0.5 else rng.integers(len(content))
            content[place] = rng.integers(256)
    chosen.write_bytes(content)


def read_or_segment(folder: Path, output: Path, bundle: Path, force: bool) -> None:
    for image, _ in find_large(folder, force=force):
        segment(image, output, bundle)
        return
    for path in sorted(folder.iterdir()):
        for page in range(min(count_pages(path), 5)):
            read_image(path, page)


def segment(image: LazyImage, output: Path, bundle: Path) -> None:
    made = LargeSegmentation(image, output, bundle, memory=MEMORY)
    if made.work.grid.pages * made.work.grid.height * made.work.grid.width <= 10**5:  # else it is a long job, no hang
        made.run(progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, bundle: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    KINDS[kind](whole / "a")
    (original,) = whole.iterdir()
    sentences = []
    for number in range(EACH):
        rng = np.random.default_rng((number, *kind.encode()))
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = folder / original.name
        if original.is_dir():
            shutil.copytree(original, copy)
        else:
            shutil.copyfile(original, copy)
        damage(copy, rng)
        try:
            read_or_segment(folder, tmp_path / "out", bundle, force="tif" in original.suffix and number % 2 == 0)
        except InputError as error:
            sentences.append(str(error))
        shutil.rmtree(folder)
    print(f"{kind}: {len(sentences)} of {EACH} refused")
    assert all(len(sentence.splitlines()) == 1 for sentence in sentences)
