"""Equal pixels give equal masks, whatever file they come in and whatever file the mask goes out in."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from serving import PATIENCE, Server, infer_json, pixels

import unetpipe
from unetpipe.io import read_image, write_label_pages

pytestmark = pytest.mark.label


@pytest.fixture(scope="module")
def image(cells: Path) -> np.ndarray:
    return read_image(cells / "01" / "t004.tif")[0]


@pytest.fixture(scope="module")
def expected(image: np.ndarray, ours: Server) -> np.ndarray:
    return unetpipe.segment(image, ours.bundle)


def lzw(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path, compression="tiff_lzw")


def nifti(path: Path, image: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(image[..., None], np.eye(4)), path)


FILES = {
    "8-bit.tif": lambda path, image: lzw(path, image),
    "16-bit.tif": lambda path, image: lzw(path, image.astype(np.uint16)),
    "long.tiff": lambda path, image: lzw(path, image),
    "picture.png": lambda path, image: Image.fromarray(image).save(path),
    "picture16.png": lambda path, image: Image.fromarray(image.astype(np.uint16)).save(path),
    "UPPER.PNG": lambda path, image: Image.fromarray(image).save(path),
    "volume.nii.gz": lambda path, image: nifti(path, image),
    "volume.nii": lambda path, image: nifti(path, image),
}


def send(server: Server, path: Path, output: str = "image", **parameters: object) -> bytes:
    """Send an image with a request, and return the mask, or the JSON."""
    import requests

    with path.open("rb") as file:
        answer = requests.post(
            f"{server.address}/infer/cells?output={output}",
            files={"file": (path.name, file)},
            data={"params": json.dumps(parameters)},
            timeout=PATIENCE,
        )
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("name", FILES)
def test_formats_in(ours: Server, image: np.ndarray, expected: np.ndarray, name: str, tmp_path: Path):
    FILES[name](tmp_path / name, image)
    mask = tmp_path / "mask.png"
    if ".nii" in name:
        (tmp_path / "mask.nii").write_bytes(send(ours, tmp_path / name, result_extension=".nii"))
        np.testing.assert_array_equal(nibabel.load(tmp_path / "mask.nii").get_fdata()[..., 0], expected)
    else:
        mask.write_bytes(send(ours, tmp_path / name, result_extension=".png"))
        np.testing.assert_array_equal(pixels(mask), expected)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".nii.gz", ".nii"])
def test_formats_out(ours: Server, image: np.ndarray, expected: np.ndarray, suffix: str, tmp_path: Path):
    lzw(tmp_path / "a.tif", image)
    mask = tmp_path / f"mask{suffix}"
    mask.write_bytes(send(ours, tmp_path / "a.tif", result_extension=suffix))
    got = nibabel.load(mask).get_fdata()[..., 0].T if ".nii" in suffix else pixels(mask)
    np.testing.assert_array_equal(got, expected)


def test_semantic_masks(ours: Server, image: np.ndarray, expected: np.ndarray, tmp_path: Path):
    lzw(tmp_path / "a.tif", image)
    (tmp_path / "mask.tif").write_bytes(send(ours, tmp_path / "a.tif", masks="semantic"))
    np.testing.assert_array_equal(pixels(tmp_path / "mask.tif"), expected > 0)


def test_pages_of_a_stack(ours: Server, image: np.ndarray, expected: np.ndarray, tmp_path: Path):
    write_label_pages(tmp_path / "stack.tif", [image[::-1], image[:, ::-1], image + 1, image])
    (tmp_path / "page.tif").write_bytes(send(ours, tmp_path / "stack.tif", page=3))
    np.testing.assert_array_equal(pixels(tmp_path / "page.tif"), expected)
    (tmp_path / "all.tif").write_bytes(send(ours, tmp_path / "stack.tif"))
    with Image.open(tmp_path / "all.tif") as masks:
        assert masks.n_frames == 4
        masks.seek(3)
        np.testing.assert_array_equal(np.array(masks), expected)
    answer = send(ours, tmp_path / "stack.tif", "json", page=3, polygons=True)
    assert json.loads(answer)["annotations"][0]["annotation"]["name"] == "page 3"


def test_polygons_follow_the_cells(ours: Server, expected: np.ndarray):
    from skimage.draw import polygon2mask

    result = infer_json(ours, "t004", polygons=True)
    elements = result["annotations"][0]["annotation"]["elements"]
    assert len(elements) == expected.max() == result["cells"][0]
    for number, element in enumerate(elements, start=1):
        outline = np.array(element["contours"][0])[:, ::-1]
        drawn, cell = polygon2mask(expected.shape, outline), expected == number
        assert (drawn & cell).sum() > 0.9 * (drawn | cell).sum()
