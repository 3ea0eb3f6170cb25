"""A large image's result: equal to memory's, valid, resumed after any cut, and one sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import ngff_zarr
import numpy as np
import pytest
import tifffile
import torch
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from large_images import ArrayImage, CutOff, DiesAfter, same_objects, small_bundle, write_ome_zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from scipy import ndimage

from unetpipe import Predictor
from unetpipe.errors import InputError
from unetpipe.instances import InstanceSettings
from unetpipe.large import LargeSegmentation, OmeZarrImage, TiffImage
from unetpipe.large.planning import estimated_seconds, parse_bytes
from unetpipe.large.result import halved


def blobs(*shape: int, seed: int = 0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return (30000 + noise / noise.std() * 5000).astype(np.uint16)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, and thresholds that leave many cells."""
    folder = small_bundle(tmp_path_factory.mktemp("bundle"))
    _, probability = Predictor.load(folder)(blobs(300, 300), return_probabilities=True)
    low, high = np.quantile(probability, [0.8, 0.93]).tolist()
    return small_bundle_like(folder, threshold=low, marker_threshold=high, min_size=12)


def small_bundle_like(folder: Path, **values) -> Path:
    state = torch.load(folder / "models" / "model.pt", weights_only=True)
    small_bundle(folder, **values)
    torch.save(state, folder / "models" / "model.pt")
    return folder


def arrays(result: Path) -> tuple[np.ndarray, np.ndarray]:
    return zarr.open_array(result / "labels/cells/0")[:], zarr.open_array(result / "0")[:]


@pytest.fixture(scope="module")
def large(bundle: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of 1100 × 1300 pixels, and its labels and probabilities computed in memory."""
    array = blobs(1100, 1300)
    return array, *Predictor.load(bundle, roi_size=444)(array, return_probabilities=True)


def check_equal(expected: tuple[np.ndarray, np.ndarray], used: InstanceSettings, result: Path) -> None:
    labels, probability = expected
    computed_labels, computed = arrays(result)
    np.testing.assert_allclose(computed, probability, atol=1e-5)
    near = np.min([abs(probability - level) for level in (used.threshold, *used.marker_levels)], axis=0) < 1e-5
    if not near.any():
        assert same_objects(computed_labels, labels)
    else:  # rounding may turn those pixels: take the objects of the very probabilities that were written
        assert same_objects(computed_labels, used.instances(computed))


@pytest.mark.parametrize("block", [256, 720])
def test_equals_memory(block: int, large, bundle: Path, tmp_path: Path) -> None:
    array, *expected = large
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5", chunks=700))
    result = LargeSegmentation(image, tmp_path / "out", bundle, block=block).run(progress=False)
    check_equal(expected, Predictor.load(bundle).settings, result)


def test_several_marker_thresholds_equal_memory(large, bundle: Path, tmp_path: Path) -> None:
    array, _, probability = large
    overrides = {"marker_threshold": [0.55, 0.7, 0.8]}
    result = LargeSegmentation(ArrayImage(array), tmp_path / "out", bundle, overrides=overrides, block=256)
    used = Predictor.load(bundle, **overrides).settings
    check_equal((used.instances(probability), probability), used, result.run(progress=False))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    rest=st.integers(0, 20),
    block=st.sampled_from([4, 12, 20, 64]),
    rotations=st.sampled_from([0, 8]),
    seed=st.integers(0, 99),
)
def test_equals_memory_at_any_size(sides, rest, block, rotations, seed, bundle: Path, tmp_path_factory) -> None:
    shape = [min(side * block, 150) + rest for side in sides]
    array = np.random.default_rng(seed).integers(0, 60000, shape).astype(np.uint16)
    if array.std() == 0:
        return
    output = tmp_path_factory.mktemp("out")
    overrides = {"rotations": rotations}
    result = LargeSegmentation(ArrayImage(array), output, bundle, overrides=overrides, block=block).run(progress=False)
    _, probability = Predictor.load(bundle, **overrides)(array, return_probabilities=True)
    np.testing.assert_allclose(arrays(result)[1], probability, atol=1e-4 if rotations else 1e-5)


def test_pages_and_channels(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "bundle", channels=(4, 8), in_channels=2)
    array = np.stack([[blobs(90, 110, seed=2 * t + c) for c in range(2)] for t in range(3)])
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "tcyx", "0.4"))
    labels, probability = arrays(LargeSegmentation(image, tmp_path / "out", folder, block=64).run(progress=False))
    assert labels.shape == (3, 90, 110)
    for page in range(3):
        expected = Predictor.load(folder)(np.moveaxis(array[page], 0, -1), axes="yxc", return_probabilities=True)
        np.testing.assert_allclose(probability[page], expected[1], atol=1e-5)
        assert same_objects(labels[page], expected[0])


def test_crop_by_the_statistics_of_the_whole(bundle: Path, tmp_path: Path) -> None:
    """The network's grid lies on multiples of its step: a crop that begins there gives the same, away from its edge."""
    array = blobs(400, 500)
    crop = array[96:340, 160:480]
    statistics = ((array.mean(),), (array.std(),))
    whole = LargeSegmentation(ArrayImage(array), tmp_path / "whole", bundle, block=128).run(progress=False)
    part = LargeSegmentation(ArrayImage(crop), tmp_path / "crop", bundle, block=64, statistics=statistics)
    margin = part.predictor.network.margin
    inner = np.s_[margin:-margin, margin:-margin]
    np.testing.assert_allclose(
        arrays(part.run(progress=False))[1][inner], arrays(whole)[1][96:340, 160:480][inner], atol=1e-5
    )


def test_result_opens_in_other_tools(bundle: Path, tmp_path: Path) -> None:
    array = blobs(1100, 700)
    image = OmeZarrImage(write_ome_zarr(tmp_path / "a.zarr", array, "yx", "0.5"))
    result = LargeSegmentation(image, tmp_path / "out", bundle, block=512).run(progress=False)
    labels, probability = arrays(result)
    for path, finest in ((result, probability), (result / "labels" / "cells", labels)):
        opened = ngff_zarr.from_ngff_zarr(path, validate=True)  # against the published schema
        assert [level.data.shape for level in opened.images] == [(1100, 700), (550, 350), (275, 175)]
        assert np.array_equal(opened.images[0].data.compute(), finest)
        assert opened.images[1].scale == {"y": 1.0, "x": 1.0}  # the image's 0.5, twice
    nodes = [node for node in Reader(parse_url(result))() if node.data]  # the group of labels has none
    assert [node.data[0].shape for node in nodes] == [(1100, 700), (1100, 700)]
    assert nodes[1].data[0].dtype == np.int32
    level = zarr.open_array(result / "1")[:]
    np.testing.assert_allclose(level, probability.reshape(550, 2, 350, 2).mean(axis=(1, 3)), atol=1e-6)
    assert np.array_equal(zarr.open_array(result / "labels/cells/2")[:], labels[::4, ::4])


def test_odd_sides_are_halved_upwards() -> None:
    values = np.arange(15, dtype=np.float32).reshape(3, 5)
    assert halved(values).tolist() == [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]


def test_tiff_of_any_size_on_request(bundle: Path, tmp_path: Path) -> None:
    array = blobs(200, 260)
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(64, 64), compression="lzw")
    result = LargeSegmentation(TiffImage(tmp_path / "a.tif"), tmp_path / "out", bundle, block=64).run(progress=False)
    segmenter = Predictor.load(bundle)
    check_equal(segmenter(array, return_probabilities=True), segmenter.settings, result)


@pytest.mark.parametrize("jobs", [0, 5, 17, 28, 43])
def test_resumed_equals_undisturbed(jobs: int, bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(120, 130))
    whole = LargeSegmentation(image, tmp_path / "whole", bundle, block=64).run(progress=False)
    cut = LargeSegmentation(image, tmp_path / "cut", bundle, block=64, processes=DiesAfter(jobs))
    with pytest.raises(CutOff):
        cut.run(progress=False)
    assert not cut.target.exists()
    counter = DiesAfter(10**6)
    again = LargeSegmentation(image, tmp_path / "cut", bundle, resume=True, processes=counter)
    assert again.work.grid.side == 64
    result = again.run(progress=False)
    total = DiesAfter(10**6)
    LargeSegmentation(image, tmp_path / "count", bundle, block=64, processes=total).run(progress=False)
    assert 10**6 - counter.left == (10**6 - total.left) - jobs  # what was complete was not done again
    for one, other in zip(arrays(whole), arrays(result), strict=True):
        assert np.array_equal(one, other)
    left = {path.name for path in (tmp_path / "cut").glob(".*")}
    assert left <= {".array.ome.zarr.lock"}  # the file of a lock stays


def test_what_is_complete_is_not_done_again(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    LargeSegmentation(image, tmp_path, bundle, block=64).run(progress=False)
    LargeSegmentation(image, tmp_path, bundle, resume=True, processes=DiesAfter(0)).run(progress=False)
    with pytest.raises(CutOff):
        LargeSegmentation(image, tmp_path, bundle, processes=DiesAfter(0)).run(progress=False)


def test_damaged_result_is_done_again(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 600))
    result = LargeSegmentation(image, tmp_path, bundle, block=64).run(progress=False)
    whole = arrays(result)
    for damaged in ("0/c/1/4", "1/c/0/2", "labels/cells/0/c/0/0"):
        chunk = result / damaged
        chunk.write_bytes(chunk.read_bytes()[:-3])
        again = LargeSegmentation(image, tmp_path, bundle, resume=True)  # in blocks of another size
        assert not again.is_complete()
        LargeSegmentation(image, tmp_path, bundle, block=64, resume=True).run(progress=False)
        assert again.is_complete()
        for one, other in zip(arrays(result), whole, strict=True):
            assert np.array_equal(one, other)


def test_work_left_by_a_run_killed_at_its_very_end_goes(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    made = LargeSegmentation(image, tmp_path, bundle, block=64)
    made.run(progress=False)
    (made.work.folder / "parts").mkdir(parents=True)
    LargeSegmentation(image, tmp_path, bundle, resume=True).run(progress=False)
    assert {path.name for path in tmp_path.iterdir()} - {".array.ome.zarr.lock"} == {"array.ome.zarr"}


def test_what_is_no_result_is_not_replaced(bundle: Path, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "array.ome.zarr", blobs(20, 30), "yx", "0.5")
    with pytest.raises(InputError, match=r"array\.ome\.zarr exists already and is not a result"):
        LargeSegmentation(ArrayImage(blobs(90, 100)), tmp_path, bundle)
    (tmp_path / "link").symlink_to(tmp_path)
    image = OmeZarrImage(tmp_path / "array.ome.zarr")
    with pytest.raises(InputError, match="would replace the image"):
        LargeSegmentation(image, tmp_path / "link", bundle)


def test_damaged_work_is_done_again(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(120, 130))
    whole = LargeSegmentation(image, tmp_path / "whole", bundle, block=64).run(progress=False)
    cut = LargeSegmentation(image, tmp_path / "cut", bundle, block=64, processes=DiesAfter(30))
    with pytest.raises(CutOff):
        cut.run(progress=False)
    chunk = cut.work.probability.path / "c" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    cut.work.file("background", "0-1-1").write_bytes(b"PK")
    result = LargeSegmentation(image, tmp_path / "cut", bundle, resume=True).run(progress=False)
    for one, other in zip(arrays(whole), arrays(result), strict=True):
        assert np.array_equal(one, other)


def test_work_of_another_segmentation_is_refused(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    with pytest.raises(CutOff):
        LargeSegmentation(image, tmp_path, bundle, block=64, processes=DiesAfter(5)).run(progress=False)
    with pytest.raises(InputError, match="beginning of another segmentation"):
        LargeSegmentation(image, tmp_path, bundle, overrides={"min_size": 3}, resume=True)


def test_memory_decides_the_blocks(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    large, small = (LargeSegmentation(image, tmp_path, bundle, memory=memory).budget for memory in (2**36, 2**36))
    assert large.side == 1024
    needed = large.total
    small = LargeSegmentation(image, tmp_path, bundle, memory=needed - 2**25).budget
    assert small.side < large.side
    assert small.total <= needed - 2**25
    with pytest.raises(InputError, match="grant more by --memory"):
        LargeSegmentation(image, tmp_path, bundle, memory=2**20)


def test_resumed_work_keeps_to_the_memory(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    with pytest.raises(CutOff):
        LargeSegmentation(image, tmp_path, bundle, block=1024, processes=DiesAfter(2)).run(progress=False)
    needed = LargeSegmentation(image, tmp_path, bundle, resume=True, memory=2**36).budget.total
    with pytest.raises(InputError, match=r"in blocks of 1024 pixels.*leave out --resume"):
        LargeSegmentation(image, tmp_path, bundle, resume=True, memory=needed - 2**25)


@pytest.mark.parametrize(("shape", "times"), [((50, 400), 6.25), ((400, 50), 6.25), ((70, 130), 2.22), ((40, 50), 1)])
def test_estimated_time(shape: tuple[int, int], times: float, bundle: Path, tmp_path: Path) -> None:
    work = LargeSegmentation(ArrayImage(blobs(*shape)), tmp_path, bundle, block=64).work
    assert estimated_seconds(work, 1.0, workers=0) == pytest.approx(times, abs=0.01)
    assert estimated_seconds(work, 1.0, workers=2) == pytest.approx(times / 2, abs=0.01)


@pytest.mark.parametrize(("text", "count"), [("3G", 3 * 2**30), ("1.5 GiB", 3 * 2**29), ("800MB", 800 * 2**20)])
def test_amounts_of_memory(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "lots", "-1G", "0"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(InputError, match="not an amount of memory"):
        parse_bytes(text)


def test_component_too_large_for_the_memory(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(300, 300))
    made = LargeSegmentation(image, tmp_path, bundle, block=64, overrides={"threshold": 0.0, "marker_threshold": 0.1})
    object.__setattr__(made.work, "largest_cut", 1000)
    with pytest.raises(InputError, match="300 × 300 pixels, too many"):
        made.run(progress=False)


def test_constant_image(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="constant"):
        LargeSegmentation(ArrayImage(np.full((70, 80), 7)), tmp_path, bundle, block=64).run(progress=False)


class FailsAt(ArrayImage):
    """An image of which no region that contains the last pixel can be read."""

    def __init__(self, array: np.ndarray, error: Exception) -> None:
        super().__init__(array)
        self.error = error

    def _read(self, index):
        if all(part.stop == side for part, side in zip(index, self.array_shape, strict=True)):
            raise self.error
        return super()._read(index)


ABSURD = blobs(150, 150).astype(np.float32)
ABSURD[-1, -1] = np.inf
CONSTANT = np.stack([blobs(90, 90), np.full((90, 90), 7, np.uint16)])
BLURRED = np.arange(150 * 150, dtype=np.uint32).reshape(150, 150) // 256 + 4_000_000_000


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (FailsAt(blobs(150, 150), ValueError("zlib")), r"cannot be read in rows .*\(zlib\)"),
        (FailsAt(blobs(150, 150), OSError("cut off")), r"cannot be read in rows .*\(cut off\)"),
        (FailsAt(blobs(150, 150), InputError("missing strips")), "missing strips"),
        (ArrayImage(ABSURD), "NaN or infinite"),
        (ArrayImage(CONSTANT, "tyx"), "page 1, has a constant channel"),
        (ArrayImage(BLURRED), "differ too little"),
    ],
    ids=["codec", "library", "strips", "infinite", "constant", "rounding"],
)
def test_work_on_an_image_that_must_be_changed_goes_and_resuming_is_not_advised(
    image: ArrayImage, said: str, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for resume in (False, True):
        with pytest.raises(InputError, match=said):
            LargeSegmentation(image, tmp_path / "out", bundle, block=64, resume=resume).run(progress=False)
        assert not (tmp_path / "out").exists()
        assert "--resume" not in caplog.text


def test_work_on_an_image_that_the_system_could_not_read_stays(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a network drive that is gone for a while."""
    image = FailsAt(blobs(150, 150), OSError(5, "Input/output error"))
    made = LargeSegmentation(image, tmp_path, bundle, block=64)
    with pytest.raises(InputError, match="Input/output error"):
        made.run(progress=False)
    assert "--resume continues with them" in caplog.text
    assert made.work.folder.is_dir()


def test_an_image_that_changes_before_it_is_begun_is_planned_as_it_is_then(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    made = LargeSegmentation(image, tmp_path, bundle, block=64)
    image.array[:] += 1  # as of a microscope that is still writing
    made.plan()
    made.run(progress=False)
    assert LargeSegmentation(image, tmp_path, bundle, block=64).is_complete()


def test_what_needs_the_whole_image_in_memory(bundle: Path, tmp_path: Path) -> None:
    image = ArrayImage(blobs(90, 100))
    for overrides, said in (
        ({"rotations": 7}, "rotations=7"),
        (
            {"normalization": "ScaleIntensityd"},
            r"normalises by ScaleIntensityd, but large images can only be normalised by NormalizeIntensityd or "
            r"unetpipe\.transforms\.NormalizeBrightd",
        ),
        ({"pixel_size": 1.0, "image_pixel_size": 0.3, "rescale": True}, "--rescale"),
        (
            {"tiles#inferer#_target_": "SlidingWindowInferer", "roi_size": 48},
            "segments by SlidingWindowInferer, but large images can only be segmented by OverlapTileInferer",
        ),
    ):
        with pytest.raises(InputError, match=said):
            LargeSegmentation(image, tmp_path, bundle, overrides=overrides)


def test_output_that_cannot_be_written(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = LargeSegmentation(ArrayImage(blobs(90, 100)), tmp_path, bundle, block=64)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(InputError, match=r"No space left on device.*--resume continues"):
        made.run(progress=False)
    assert not made.target.exists()


def test_grey_values_that_float32_cannot_tell_apart_are_refused_as_in_memory(bundle: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", blobs(300, 300).astype(np.uint32) // 256 + 4_000_000_000, tile=(64, 64))
    with pytest.raises(InputError, match=r"a\.tif has grey values that differ too little for their size"):
        LargeSegmentation(TiffImage(tmp_path / "a.tif"), tmp_path / "result", bundle).run(progress=False)
