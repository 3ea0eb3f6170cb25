"""Pages of arrays, segmented without a window: axes, one page at a time in memory, news and cancellation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from workflows import BUNDLE

import unetpipe
from unetpipe.bundle.writing import read_config, write_bundle
from unetpipe.datasets.synthetic import synthetic_frame
from unetpipe.errors import InputError
from unetpipe.napari import segmenting
from unetpipe.napari.pages import Pages, possible_axes
from unetpipe.napari.segmenting import segment_pages
from unetpipe.networks import save_state
from unetpipe.networks.baselines import SmallUNet

MODEL = "nuclei"
STACK = np.stack([synthetic_frame(np.random.default_rng(seed), (64, 80))[0] for seed in range(2)])


class OnDisk:
    """An array that notes what is read of it, as a lazy array is read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.reads = array, array.shape, []

    def __getitem__(self, index: tuple) -> np.ndarray:
        self.reads.append(index)
        return self.array[index]


@pytest.mark.parametrize(
    ("axes", "shape", "index", "page"),
    [
        ("YX", (5, 6), (), (5, 6)),
        ("YXC", (5, 6, 3), (), (5, 6, 3)),
        ("CYX", (2, 5, 6), (), (5, 6, 2)),
        ("TYX", (4, 5, 6), (3,), (5, 6)),
        ("TZYX", (4, 7, 5, 6), (3, 6), (5, 6)),
        ("CTYX", (2, 4, 5, 6), (3,), (5, 6, 2)),
        ("TCYX", (4, 2, 5, 6), (3,), (5, 6, 2)),
        ("CTZYX", (2, 4, 7, 5, 6), (3, 1), (5, 6, 2)),
        ("TCZYX", (4, 2, 7, 5, 6), (3, 1), (5, 6, 2)),
        ("TZCYX", (4, 7, 2, 5, 6), (3, 1), (5, 6, 2)),
        ("TZYXC", (4, 7, 5, 6, 3), (3, 1), (5, 6, 3)),
    ],
)
def test_a_page_is_what_its_axes_say(axes: str, shape: tuple, index: tuple, page: tuple) -> None:
    assert axes in possible_axes(len(shape), rgb=axes.endswith("C"))
    array = np.arange(np.prod(shape)).reshape(shape)
    pages = Pages(array, axes)
    named = dict(zip([axis for axis in axes if axis in "TZ"], index, strict=True))
    expected = array.transpose([axes.index(axis) for axis in sorted(axes, key="TZYXC".index)])
    np.testing.assert_array_equal(pages.read(index), expected[tuple(named.values())])
    assert pages.read(index).shape == page
    assert pages.shape == tuple(n for n, axis in zip(shape, axes, strict=True) if axis != "C")
    assert index in list(pages.indices())


def test_axes_that_do_not_fit() -> None:
    for axes in ("", "TYX", "TC"):
        with pytest.raises(InputError, match="cannot be its axes"):
            Pages(np.zeros((4, 5)), axes)


@pytest.fixture
def windowed(tmp_path: Path) -> Path:
    """A bundle as a training that validates by MONAI's sliding window writes it, with random weights."""
    values = {"network_class": "unetpipe.networks.baselines.SmallUNet", "channels": [4, 8], "norm": None, "amp": False}
    training = {**read_config(BUNDLE / "configs" / "train.json"), **values}
    training["validate"]["inferer"]["inferer"] = {"_target_": "SlidingWindowInferer", "roi_size": 48}
    write_bundle(BUNDLE, tmp_path, values, training=training)
    save_state(SmallUNet(1, 2, (4, 8), norm=None).state_dict(), tmp_path / "models" / "model.pt")
    return tmp_path


def test_another_inferer_reports_each_page(windowed: Path, capsys: pytest.CaptureFixture) -> None:
    shares: list[float] = []
    segment_pages(Pages(STACK, "TYX"), report=shares.append, bundle=windowed)
    assert shares == [0.5, 1.0]
    assert "it/s" not in capsys.readouterr().err  # MONAI draws a bar if its inferer is to report


def test_pages_are_those_of_segment_and_read_one_by_one() -> None:
    lazy, shares = OnDisk(STACK), []
    found = segment_pages(Pages(lazy, "TYX"), report=shares.append, model=MODEL)
    expected = unetpipe.segment(STACK, model=MODEL, axes="nyx", return_result=True)
    assert len(lazy.reads) == 2
    first = expected.labels[0].max()
    assert first >= 2
    np.testing.assert_array_equal(found.labels[0], expected.labels[0])
    np.testing.assert_array_equal(found.labels[1], np.where(expected.labels[1] > 0, expected.labels[1] + first, 0))
    for name, column in expected.table.items():
        np.testing.assert_array_equal(found.table[name], column)
    assert found.table["index"].tolist() == list(range(1, len(found.table["id"]) + 1))
    assert list(found.table)[:3] == ["index", "confidence", "page"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_channels_by_explicit_axes() -> None:
    image = np.stack([STACK[0], STACK[0] // 2, STACK[1]])
    found = segment_pages(Pages(image, "CYX"), model=MODEL)
    np.testing.assert_array_equal(found.labels, unetpipe.segment(np.moveaxis(image, 0, -1), model=MODEL, axes="yxc"))
    assert segment_pages(Pages(image, "TYX"), chosen=(1,), model=MODEL).labels.shape == (1, 64, 80)


def test_options_are_those_of_the_predictor() -> None:
    found = segment_pages(Pages(STACK[0], "YX"), model=MODEL, diameter=40, threshold=0.7)
    predictor = unetpipe.Predictor.load(model=MODEL, diameter=40, threshold=0.7)
    np.testing.assert_array_equal(found.labels, predictor.segment(STACK[0])[0])


def test_a_cancellation_is_heard_within_a_page() -> None:
    class Enough(Exception):
        pass

    heard, shares = 0, []

    def check() -> None:
        nonlocal heard
        heard += 1
        if heard == 10:
            raise Enough

    with pytest.raises(Enough):
        segment_pages(Pages(STACK, "TYX"), report=shares.append, check=check, model=MODEL)
    assert heard == 10
    assert shares == [0.0]  # no tile was complete


def test_mistakes_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="NaN"):
        segment_pages(Pages(np.full((40, 40), np.nan), "YX"))
    with pytest.raises(InputError, match="has no model 'cats'"):
        segment_pages(Pages(STACK, "TYX"), model="cats")
    monkeypatch.setattr(segmenting, "free_memory", lambda device: 10**5)
    with pytest.raises(InputError, match=r"unetpipe segment --large"):
        segment_pages(Pages(STACK, "TYX", "slide"))
