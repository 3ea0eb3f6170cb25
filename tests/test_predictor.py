"""``unetpipe.segment`` and ``unetpipe segment`` give the masks of the bundle's inference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from large_images import small_bundle
from PIL import Image
from workflows import run

import unetpipe
from unetpipe.bundle.models import add_model
from unetpipe.cli.main import main
from unetpipe.errors import FitWarning, InputError
from unetpipe.instances import InstanceSettings
from unetpipe.io import read_image, read_labels
from unetpipe.morphometry import measure_cells
from unetpipe.predictor import Predictor


@pytest.fixture
def image(synthetic: Path) -> np.ndarray:
    return read_image(synthetic / "01" / "t000.tif")[0]


def test_three_ways_give_the_same_masks(trained: Path, synthetic: Path, tmp_path: Path):
    run(["inference.json"], trained, dataset_dir=str(synthetic / "01"), output_dir=str(tmp_path / "monai"))
    assert main(["segment", str(synthetic / "01"), "--output", str(tmp_path / "verb"), "--bundle", str(trained)]) == 0
    for frame in range(3):
        by_monai = read_labels(tmp_path / "monai" / f"mask{frame:03d}.tif")
        by_verb = read_labels(tmp_path / "verb" / f"mask{frame:03d}.tif")
        by_call = unetpipe.segment(read_image(synthetic / "01" / f"t{frame:03d}.tif")[0], bundle=trained)
        assert by_monai.max() > 0
        assert np.array_equal(by_monai, by_verb)
        assert np.array_equal(by_monai, by_call)


def test_a_stack_is_its_images(trained: Path, image: np.ndarray):
    segmenter = unetpipe.Predictor.load(trained)
    stack = np.stack([image, image[::-1]])
    labels, probabilities = segmenter(stack, return_probabilities=True)
    assert labels.shape == probabilities.shape == stack.shape
    assert labels.dtype == np.int32
    assert probabilities.dtype == np.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    assert np.array_equal(labels[1], segmenter(image[::-1]))


def test_axes_can_be_stated(trained: Path, image: np.ndarray):
    segmenter = unetpipe.Predictor.load(trained)
    assert np.array_equal(segmenter(image[..., None], axes="yxc"), segmenter(image))
    assert segmenter(image[None]).shape == (1, *image.shape)


def test_a_constant_added_or_a_wider_dtype_changes_nothing(trained: Path, image: np.ndarray):
    segmenter = unetpipe.Predictor.load(trained)
    assert np.array_equal(segmenter(image.astype(np.uint16)), segmenter(image))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "cannot be segmented"),
        (np.zeros((4, 5, 6, 7)), "cannot be segmented"),
        (np.array([["a"]]), "cannot be segmented"),
        (np.full((20, 30), np.nan), "NaN"),
        (np.zeros((0, 5)), "empty"),
        (np.where(np.eye(20, 30), 1e30, 1), "no data"),
        (np.ma.masked_less(np.arange(600.0).reshape(20, 30), 9), "masked elements"),
        (np.arange(200, dtype=np.uint32).reshape(10, 20) + 4_000_000_000, "differ too little"),
    ],
)
def test_arrays_that_do_not_fit(trained: Path, array: np.ndarray, message: str):
    with pytest.raises(InputError, match=message):
        unetpipe.segment(array, bundle=trained)


@pytest.mark.parametrize("axes", ["yxc", None])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_channels_that_do_not_fit(trained: Path, channels: int, axes: str | None):
    array = np.random.default_rng(0).random((20, 30, channels))
    with pytest.raises(InputError, match=rf"has {channels} channel\(s\), the network takes 1\. Choose .* axes"):
        unetpipe.segment(array, bundle=trained, axes=axes)


@pytest.mark.parametrize(
    "shape",
    [(3, 40, 3), (1, 40, 1), (2, 40, 4), (40, 50, 8), (40, 50, 16), (2, 3, 40, 4), (5, 40, 50, 60), (1, 2, 3, 4, 5)],
)
def test_a_shape_that_can_be_read_in_two_ways_names_axes(trained: Path, shape: tuple[int, ...]):
    with pytest.raises(
        InputError, match=r"cannot be segmented: it is not clear which axes these are; give axes, one of"
    ):
        unetpipe.segment(np.ones(shape), bundle=trained)


@pytest.mark.parametrize("axes", ["xy", "zyx", "nxy", "YX", ""])
def test_other_axes_are_refused(trained: Path, image: np.ndarray, axes: str):
    with pytest.raises(InputError, match="cannot be segmented; give numbers, and axes, one of yx, yxc"):
        unetpipe.segment(image, bundle=trained, axes=axes)


@pytest.mark.parametrize("path", ["a.tif", Path("images") / "a.tif"])
def test_a_path_is_no_array(trained: Path, path: str | Path):
    with pytest.raises(InputError, match=r"a\.tif is a path, and segment takes an array of pixels"):
        unetpipe.segment(path, bundle=trained)


def test_an_array_with_a_last_axis_of_channels_is_one_image(trained: Path, image: np.ndarray):
    """An image of three equal channels is grey; so are those of a stack."""
    segmenter = unetpipe.Predictor.load(trained)
    expected = segmenter(image)
    assert expected.max() > 0
    assert np.array_equal(segmenter(image[..., None]), expected)
    assert np.array_equal(segmenter(np.dstack([image] * 3)), expected)
    assert np.array_equal(segmenter(np.stack([np.dstack([image] * 3)] * 2)), [expected] * 2)
    assert np.array_equal(segmenter(np.stack([image] * 3)), [expected] * 3)  # three images
    assert np.array_equal(segmenter(np.stack([image] * 3), axes="cyx"), expected)


def test_a_network_of_colours_takes_grey_as_three_equal_channels(trained: Path, image: np.ndarray):
    segmenter = unetpipe.Predictor.load(trained, in_channels=3, trained_network="$@network.eval()")  # of random weights
    grey, colour, first, stack = (
        segmenter(array, return_probabilities=True)[1]
        for array in (image, np.dstack([image] * 3), np.stack([image] * 3), image[None])
    )
    assert grey.std() > 0
    assert np.array_equal(grey, colour)
    assert np.array_equal(grey, first)
    assert np.array_equal(stack, grey[None])
    with pytest.raises(InputError, match=r"2 channel\(s\), the network takes 3"):
        segmenter(np.dstack([image] * 2), axes="yxc")


def test_a_folder_that_is_no_bundle(tmp_path: Path, image: np.ndarray):
    with pytest.raises(InputError, match=r"is not a bundle: configs/inference\.json is missing"):
        unetpipe.segment(image, bundle=tmp_path)


def test_the_verb_says_mistakes_in_one_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    status = main(["segment", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out"), "--bundle", str(trained)])
    assert status == 1
    assert (
        capsys.readouterr().err.splitlines()[-1] == f"Error: There is no image file or folder {tmp_path / 'nowhere'}."
    )
    assert not (tmp_path / "out").exists()


def test_rescaled_images_give_labels_of_their_own_size(trained: Path, image: np.ndarray):
    """The bundle was trained at 0.5: an image of half-size pixels, rescaled, shows the network the same cells."""
    plain = unetpipe.segment(image, bundle=trained)
    large = np.kron(image, np.ones((2, 2), image.dtype))
    labels = unetpipe.segment(large, bundle=trained, pixel_size=0.25, rescale=True)
    assert labels.shape == large.shape
    assert ((labels[::2, ::2] > 0) == (plain > 0)).mean() > 0.97


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_bundle(
        tmp_path / "bundle", channels=(4, 8), threshold=0.4, marker_threshold=0.95, min_size=3, pixel_size=0.5
    )


def test_the_parts_of_a_model(small: Path):
    predictor = unetpipe.Predictor.load(small, device="$torch.device('cpu')", roi_size=140, rotations=8)
    assert predictor.settings == InstanceSettings(0.4, 0.95, None, 3, 2.0)
    assert predictor.weights == small / "models" / "model.pt"
    assert (predictor.device.type, predictor.amp, predictor.channels) == ("cpu", False, 1)
    assert (predictor.rotations, predictor.scale, predictor.pixel_size) == (8, 1.0, 0.5)
    assert predictor.normalization == "NormalizeIntensityd"
    assert predictor.tiles.roi_size == (140, 140)
    assert not predictor.network.training
    assert predictor.network is predictor.network


def test_rescaled_images_keep_the_smallest_size_in_their_own_pixels(small: Path):
    predictor = unetpipe.Predictor.load(small, image_pixel_size=0.25, rescale=True)
    assert predictor.scale == 0.5
    assert predictor.settings.min_size == 12


def test_settings_are_read_without_weights(small: Path):
    predictor = unetpipe.Predictor.load(small, threshold=0.7)
    predictor.weights.unlink()
    assert predictor.settings.threshold == 0.7
    with pytest.raises(InputError, match="There are no weights"):
        predictor.prepare()


def test_a_prepared_predictor_does_not_read_its_files_again(small: Path):
    array = np.random.default_rng(0).integers(0, 255, (40, 50))
    expected = unetpipe.segment(array, small)
    predictor = unetpipe.Predictor.load(small).prepare()
    shutil.rmtree(small)
    assert np.array_equal(predictor(array), expected)


def test_bundles_that_lack_newer_keys_get_their_defaults(small: Path):
    array = np.random.default_rng(0).integers(0, 255, (40, 50))
    expected = unetpipe.segment(array, small)
    config = small / "configs" / "inference.json"
    values = json.loads(config.read_text())
    for key in ("rotations", "scale", "normalization", "pixel_size"):
        del values[key]
    config.write_text(json.dumps(values))
    predictor = unetpipe.Predictor.load(small)
    assert (predictor.rotations, predictor.scale, predictor.pixel_size) == (0, 1.0, None)
    assert predictor.normalization == "NormalizeIntensityd"
    assert np.array_equal(predictor(array), expected)


def test_a_config_without_weights_is_one_sentence(small: Path):
    config = small / "configs" / "inference.json"
    values = json.loads(config.read_text())
    del values["weights"]
    config.write_text(json.dumps(values))
    with pytest.raises(InputError, match="does not say where the weights are; set the key weights"):
        _ = unetpipe.Predictor.load(small).weights


@pytest.mark.parametrize("threshold", [1.5, "high"])
def test_a_threshold_that_is_not_a_probability(small: Path, threshold: object):
    with pytest.raises(InputError, match="is not a probability"):
        unetpipe.Predictor.load(small, threshold=threshold)(np.eye(40))


def test_a_result_holds_labels_probabilities_table_and_warnings(trained: Path, image: np.ndarray):
    """The bundle was trained at 0.5."""
    labels, probabilities = unetpipe.segment(image, trained, return_probabilities=True, pixel_size=0.2)
    result = unetpipe.segment(image, trained, return_result=True, pixel_size=0.2)
    assert np.array_equal(result.labels, labels)
    assert np.array_equal(result.probabilities, probabilities)
    expected = measure_cells(labels, image, probabilities, 0.2)
    assert result.table.keys() == expected.keys()
    assert all(np.array_equal(result.table[name], values) for name, values in expected.items())
    assert result.table["confidence"].min() > 0.5
    warning, *misfits = result.warnings
    assert "The images have a pixel size of 0.2, the network was trained at 0.5" in warning
    assert misfits == Predictor.load(trained).segment(image)[2]


def test_a_result_that_does_not_fit_the_training_is_said_or_refused(trained: Path, image: np.ndarray):
    predictor = Predictor.load(trained)
    facts = predictor.trained_on
    assert facts is not None
    assert facts.cell_areas[0] <= facts.cell_areas[2] <= facts.cell_areas[4]
    assert facts.doubt is not None
    assert facts.doubt > 0
    sizes = [area / 100 for area in facts.cell_areas]
    values = {**facts.as_values(), "cell_areas": sizes, "doubt": None}
    with pytest.warns(FitWarning, match="as large as any cell this model was trained on"):
        Predictor.load(trained, trained_on=values)(image)
    with pytest.raises(InputError, match="as large as any cell this model was trained on"):
        Predictor.load(trained, trained_on=values, strict=True)(image)


def test_a_bundle_that_does_not_say_what_it_was_trained_on_warns_of_nothing(
    trained: Path, image: np.ndarray, tmp_path: Path
):
    folder = shutil.copytree(trained, tmp_path / "old")
    path = folder / "configs" / "inference.json"
    values = json.loads(path.read_text())
    del values["trained_on"]
    path.write_text(json.dumps(values))
    predictor = Predictor.load(folder)
    assert predictor.trained_on is None
    assert predictor.segment(image)[2] == []
    # its weights as a model of another bundle do not take over what that one was trained on
    add_model(folder, trained_copy := shutil.copytree(trained, tmp_path / "new"), "old")
    assert Predictor.load(trained_copy).trained_on is not None
    assert Predictor.load(trained_copy, "old").trained_on is None
    assert Predictor.load(trained_copy, "old", safe=True).trained_on is None
    assert Predictor.load(folder, safe=True).trained_on is None


def test_what_a_bundle_was_trained_on_is_not_run(trained: Path, tmp_path: Path):
    folder = shutil.copytree(trained, tmp_path / "bundle")
    assert Predictor.load(folder, safe=True).trained_on == Predictor.load(folder).trained_on
    path = folder / "configs" / "inference.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "trained_on": {**values["trained_on"], "doubt": "$1"}}))
    with pytest.raises(InputError, match="not what a training writes"):
        Predictor.load(folder, safe=True)


def test_segment_strict_writes_no_mask_of_an_image_that_does_not_fit(
    trained: Path, image: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
):
    folder = shutil.copytree(trained, tmp_path / "bundle")
    path = folder / "configs" / "inference.json"
    values = json.loads(path.read_text())
    sizes = [area / 100 for area in values["trained_on"]["cell_areas"]]
    path.write_text(json.dumps({**values, "trained_on": {**values["trained_on"], "cell_areas": sizes}}))
    source, output = tmp_path / "image.png", tmp_path / "masks"
    Image.fromarray(image.astype(np.uint8)).save(source)
    arguments = ["segment", str(source), "--bundle", str(folder), "--output", str(output)]
    assert main([*arguments, "--strict"]) == 1
    assert "as large as any cell this model was trained on" in capsys.readouterr().err
    assert not list(output.glob("*.tif"))
    assert main(arguments) == 0
    assert list(output.glob("*.tif"))


def test_a_result_of_a_stack_counts_pages(trained: Path, image: np.ndarray):
    result = unetpipe.segment(np.stack([image, np.zeros_like(image), image]), trained, return_result=True)
    for page, labels in enumerate(result.labels):
        assert np.array_equal(result.table["id"][result.table["page"] == page], np.unique(labels[labels > 0]))


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean threshold"):
        unetpipe.Predictor.load(thresold=0.5)


def test_pixels_too_large_for_float32_are_refused() -> None:
    with pytest.raises(InputError, match=r"holds pixels that are 1e\+300"):
        unetpipe.segment(np.full((40, 50), 1e300))
