"""Models that merge open borders: a page in one piece, as in memory, or refused before any long work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from large_images import ArrayImage, same_objects, small_bundle

from unetpipe import Predictor
from unetpipe.errors import InputError
from unetpipe.large import LargeSegmentation
from unetpipe.large.planning import plan_blocks


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    rules = {
        "threshold": 0.2,
        "marker_threshold": 0.5,
        "merge_threshold": 0.5,
        "min_size": 4,
        "ridge_refill_radius": 1.0,
    }
    return small_bundle(folder, channels=(4, 8), seed=5, **rules)


def pages(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60000, (count, 90, 70)).astype(np.uint16)


def test_equals_memory(bundle: Path, tmp_path: Path) -> None:
    array = pages(2)
    result = LargeSegmentation(ArrayImage(array, "tyx"), tmp_path, bundle, block=32).run(progress=False)
    labels = zarr.open_array(result / "labels/cells/0")[:]
    for page in range(2):
        expected = Predictor.load(bundle)(array[page])
        assert expected.max() > 1
        assert same_objects(labels[page], expected)
    assert zarr.open_group(result).attrs["unetpipe"]["cells"] == labels.max(axis=(1, 2)).tolist()


def test_page_that_does_not_fit_is_refused(bundle: Path, tmp_path: Path) -> None:
    model = LargeSegmentation(ArrayImage(pages(1)[0]), tmp_path, bundle).predictor
    huge = ArrayImage(np.broadcast_to(np.uint16(0), (100_000, 100_000)))
    with pytest.raises(
        InputError, match="100000 × 100000 pixels, which a model with merge_threshold floods as a whole"
    ):
        plan_blocks(model, huge, granted=2**32)
    separate = Predictor.load(bundle, merge_threshold=None)
    assert plan_blocks(separate, huge, granted=2**32).total < 2**32
