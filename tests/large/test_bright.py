"""Large images normalised by NormalizeBrightd: as in memory, however they are cut, whatever their objects look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from large_images import ArrayImage, CutOff, DiesAfter, same_objects, small_bundle, write_ome_zarr
from scipy import ndimage

from unetpipe import Predictor
from unetpipe.errors import InputError
from unetpipe.large import LargeSegmentation, OmeZarrImage, TiffImage
from unetpipe.large.processes import ThisProcess
from unetpipe.large.result import published
from unetpipe.predictor import BRIGHT_NORMALIZATION


def cells(height: int, width: int, dark: bool = False, seed: int = 0) -> np.ndarray:
    """Return blurred discs in a corner, on a flat ground with noise, (height, width), uint16."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width))
    rows, columns = generator.integers(0, height, 25), generator.integers(0, width // 2, 25)
    image[rows, columns] = generator.uniform(1e5, 1e6, 25)
    image = ndimage.gaussian_filter(image, 4) + generator.normal(size=image.shape) * 100
    return (30000 - image if dark else 2000 + image).clip(0, 65535).astype(np.uint16)


def bright_bundle(folder: Path, image: np.ndarray, **values) -> Path:
    """Write a bundle with random weights, and thresholds that leave many cells of an image (C, H, W)."""
    common = {"channels": (4, 8), "normalization": BRIGHT_NORMALIZATION, "in_channels": len(image), **values}
    small_bundle(folder, **common)
    _, probability = Predictor.load(folder)(image, axes="cyx", return_probabilities=True)
    low, high = np.quantile(probability, [0.8, 0.95]).tolist()
    return small_bundle(folder, **common, threshold=low, marker_threshold=high, min_size=4)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bright_bundle(tmp_path_factory.mktemp("bundle"), cells(150, 190)[None])


def arrays(result: Path) -> tuple[np.ndarray, np.ndarray]:
    return zarr.open_array(result / "labels/cells/0")[:], zarr.open_array(result / "0")[:]


def check_equal(expected: tuple[np.ndarray, np.ndarray], found: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    assert expected[0].max() > 3  # there is something to compare
    assert same_objects(found[0], expected[0])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("block", "rotations"), [(32, 0), (64, 8), (256, 0)])
def test_equals_memory(dark: bool, block: int, rotations: int, bundle: Path, tmp_path: Path) -> None:
    array = cells(150, 190, dark)
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5"))
    made = LargeSegmentation(image, tmp_path / "out", bundle, block=block, overrides={"rotations": rotations})
    expected = Predictor.load(bundle, rotations=rotations)(array, return_probabilities=True)
    check_equal(expected, arrays(made.run(progress=False)))
    assert published(made.target)["sign"] == [-1 if dark else 1]


def test_tiff_by_threads_equals_memory(bundle: Path, tmp_path: Path) -> None:
    array = cells(150, 190, dark=True)
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(64, 64), compression="lzw")
    image, threads = TiffImage(tmp_path / "a.tif"), ThisProcess(3)
    result = LargeSegmentation(image, tmp_path / "out", bundle, block=32, processes=threads).run(progress=False)
    check_equal(Predictor.load(bundle)(array, return_probabilities=True), arrays(result))


def test_channels_and_pages_of_both_kinds(tmp_path: Path) -> None:
    """The channels of a page differ in their grey values and in which objects they show."""
    pages = [[cells(90, 110, dark, seed=3 * page + c) // (c + 1) for c in range(3)] for page, dark in enumerate((0, 1))]
    array = np.array([*pages, [pages[0][0], pages[1][1] // 9, pages[1][2]]])  # the last: one channel against two
    folder = bright_bundle(tmp_path / "bundle", array[0])
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "tcyx", "0.4"))
    result = LargeSegmentation(image, tmp_path / "out", folder, block=32).run(progress=False)
    labels, probability = arrays(result)
    for page in range(3):
        expected = Predictor.load(folder)(array[page], axes="cyx", return_probabilities=True)
        check_equal(expected, (labels[page], probability[page]))
    assert published(result)["sign"] == [1, -1, -1]


@pytest.mark.parametrize("dark", [False, True])
def test_grey_image_by_a_network_of_three_channels(dark: bool, tmp_path: Path) -> None:
    array = cells(90, 110, dark)
    folder = bright_bundle(tmp_path / "bundle", np.stack([array] * 3))
    made = LargeSegmentation(ArrayImage(array), tmp_path / "out", folder, block=32)
    expected = Predictor.load(folder)(array, axes="yx", return_probabilities=True)
    check_equal(expected, arrays(made.run(progress=False)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(9, 90), st.integers(9, 90)),
    block=st.sampled_from([20, 32, 64]),
    dark=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_memory_at_any_size(shape, block, dark, seed, bundle: Path, tmp_path_factory) -> None:
    array = np.random.default_rng(seed).gamma(1, 2000, shape).astype(np.uint16)
    array = 30000 - array.clip(0, 30000) if dark else array
    output = tmp_path_factory.mktemp("out")
    result = LargeSegmentation(ArrayImage(array), output, bundle, block=block).run(progress=False)
    _, probability = Predictor.load(bundle)(array, return_probabilities=True)
    np.testing.assert_allclose(arrays(result)[1], probability, atol=5e-5)  # float32's mean of few, large grey values


def test_crop_by_the_statistics_of_the_whole(bundle: Path, tmp_path: Path) -> None:
    """The crop shows mainly objects: its own third moment has the other sign."""
    array = np.full((120, 200), 100, np.uint16) + cells(120, 200) // 100
    array[40:100, 40:100] += 1000
    array[60:70, 60:70] -= 900
    crop = array[32:112, 32:104]
    whole = LargeSegmentation(ArrayImage(array), tmp_path / "whole", bundle, block=64).run(progress=False)
    own = LargeSegmentation(ArrayImage(crop), tmp_path / "own", bundle, block=32).run(progress=False)
    kept = published(whole)
    assert (kept["sign"], published(own)["sign"]) == ([1], [-1])
    statistics = tuple(kept[name][0] for name in ("mean", "deviation", "sign"))
    part = LargeSegmentation(ArrayImage(crop), tmp_path / "crop", bundle, block=32, statistics=statistics)
    margin = part.predictor.network.margin
    inner = np.s_[margin:-margin, margin:-margin]
    cropped = arrays(part.run(progress=False))[1]
    np.testing.assert_allclose(cropped[inner], arrays(whole)[1][32:112, 32:104][inner], atol=1e-5)
    with pytest.raises(InputError, match=r"needs \(mean, deviation, sign\)"):
        LargeSegmentation(ArrayImage(crop), tmp_path / "crop", bundle, statistics=statistics[:2])


@pytest.mark.parametrize("jobs", [3, 9, 12])
def test_resumed_equals_undisturbed(jobs: int, bundle: Path, tmp_path: Path) -> None:
    """Cut within the moments, between them and the network, and within the network."""
    image = ArrayImage(cells(120, 130, dark=True))
    whole = LargeSegmentation(image, tmp_path / "whole", bundle, block=64).run(progress=False)
    with pytest.raises(CutOff):
        LargeSegmentation(image, tmp_path / "cut", bundle, block=64, processes=DiesAfter(jobs)).run(progress=False)
    result = LargeSegmentation(image, tmp_path / "cut", bundle, resume=True).run(progress=False)
    for one, other in zip(arrays(whole), arrays(result), strict=True):
        assert np.array_equal(one, other)


def test_work_normalised_otherwise_is_refused(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(cells(90, 100))
    with pytest.raises(CutOff):
        LargeSegmentation(image, tmp_path, bundle, block=64, processes=DiesAfter(5)).run(progress=False)
    for change in (
        {"overrides": {"normalization": "NormalizeIntensityd"}},
        {"statistics": ([1], [1], 1)},
    ):
        with pytest.raises(InputError, match="beginning of another segmentation"):
            LargeSegmentation(image, tmp_path, bundle, resume=True, **change)
    signs = [LargeSegmentation(image, tmp_path, bundle, statistics=([1], [1], sign)).identity for sign in (1, -1)]
    assert signs[0] != signs[1]


def test_constant_image(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="constant"):
        LargeSegmentation(ArrayImage(np.full((70, 80), 7)), tmp_path, bundle, block=64).run(progress=False)
