from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from unetpipe.metrics.isbi2012 import Mismatch, classify, isbi2012_scores, warp, warping_error
from unetpipe.metrics.isbi2012.warping import EIGHT_CONNECTED, RING, SIMPLE, ring_codes

TWO_CELLS = """
    .........
    .###.###.
    .###.###.
    .###.###.
    .###.###.
    ........."""
BOX = """
    .......
    .#####.
    .#####.
    .#####.
    .#####.
    .#####.
    ......."""

binary_images = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7)))


def picture(text: str) -> np.ndarray:
    """Cells are "#", membrane is "."."""
    return np.array([[letter == "#" for letter in line.strip()] for line in text.split()])


def score(truth: np.ndarray, proposal: np.ndarray) -> tuple[int, dict[Mismatch, int]]:
    """Return the pixels of the plain error and those of each class."""
    scores = warping_error(truth[None], proposal[None].astype(np.float32), [0.5])
    classes = {kind: count for kind, count in zip(Mismatch, scores.classes[0, 0].tolist(), strict=True) if count}
    topological = classes.get(Mismatch.SPLIT, 0) + classes.get(Mismatch.MERGER, 0)
    assert scores.splits_and_mergers.best == topological / truth.size
    return round(scores.plain.best * truth.size), classes


def test_shifted_border_costs_nothing() -> None:
    proposal = picture(TWO_CELLS.replace(".###.###.", ".####.##."))
    assert (picture(TWO_CELLS) != proposal).sum() == 8
    assert score(picture(TWO_CELLS), proposal) == (0, {})


def test_gap_in_membrane_is_one_merger() -> None:
    proposal = picture(TWO_CELLS)
    proposal[2, 4] = True
    assert score(picture(TWO_CELLS), proposal) == (1, {Mismatch.MERGER: 1})


def test_missing_membrane_is_a_merger_at_each_of_its_pixels() -> None:
    # none of the four can be given to one cell without touching the other
    proposal = picture(TWO_CELLS.replace(".###.###.", ".#######."))
    assert score(picture(TWO_CELLS), proposal) == (4, {Mismatch.MERGER: 4})


def test_membrane_across_a_cell_is_one_split() -> None:
    proposal = picture(BOX)
    proposal[3] = False
    assert score(picture(BOX), proposal) == (1, {Mismatch.SPLIT: 1})


@pytest.mark.parametrize("size", [1, 3])
def test_hole_costs_all_its_pixels(size: int) -> None:
    proposal = picture(BOX)
    proposal[2 : 2 + size, 2 : 2 + size] = False
    assert score(picture(BOX), proposal) == (size**2, {Mismatch.HOLE_ADDITION: size**2})


def test_filled_hole_is_a_hole_deletion() -> None:
    truth = picture(BOX)
    truth[3, 3] = False
    assert score(truth, picture(BOX)) == (1, {Mismatch.HOLE_DELETION: 1})


def test_spurious_object_costs_all_its_pixels() -> None:
    truth, proposal = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    proposal[3:5, 3:5] = True
    assert score(truth, proposal) == (4, {Mismatch.OBJECT_ADDITION: 4})


def test_missing_object_shrinks_to_one_pixel() -> None:
    assert score(picture(BOX), np.zeros((7, 7), bool)) == (1, {Mismatch.OBJECT_DELETION: 1})


@pytest.mark.parametrize(
    ("probabilities", "left"),
    [((0.1, 0.1, 0.1), 3), ((0.4, 0.2, 0.0), 1), ((0.1, 0.3, 0.2), 2), ((0.0, 0.1, 0.2), 3)],
)
def test_surest_pixel_moves_first(probabilities: tuple[float, ...], left: int) -> None:
    # a membrane creeps in from the sides; the pixel that would meet the other side stays; equals go column by column
    truth = np.zeros((7, 5), bool)
    truth[1:-1, 1:-1] = True
    probability = truth.astype(np.float64)
    probability[3, 1:-1] = probabilities
    assert np.argwhere(warp(truth, probability) & (probability < 0.5)).tolist() == [[3, left]]


def test_perfect_proposal_is_perfect() -> None:
    truth = np.stack([picture(TWO_CELLS), picture(TWO_CELLS)[::-1]])
    scores = isbi2012_scores(truth, truth.astype(np.float32))
    for name, score_ in scores.items():
        assert score_.best == pytest.approx(1.0 if score_.higher_is_better else 0.0, abs=1e-12), name


def test_all_membrane_proposal_has_no_splits_and_mergers() -> None:
    scores = warping_error(picture(TWO_CELLS)[None], np.zeros((1, 6, 9), np.float32))
    assert scores.splits_and_mergers.best == 0
    assert scores.plain.best == 2 / 54


def test_all_256_rings() -> None:
    for code in range(256):
        image = np.zeros((3, 3), bool)
        for bit, (y, x) in enumerate(RING):
            image[1 + y, 1 + x] = code >> bit & 1
        assert ring_codes(image)[1, 1] == code
        assert SIMPLE[code] == _simple_by_definition(image)


def _simple_by_definition(image: np.ndarray) -> bool:
    """A pixel is simple if neither flip changes the number of components of either class, here of a larger image."""
    counts = []
    for centre in (False, True):
        large = np.pad(image, 1)
        large[2, 2] = centre
        counts.append((ndimage.label(large)[1], ndimage.label(~large, EIGHT_CONNECTED)[1]))
    return counts[0] == counts[1]


@given(st.data())
def test_warping_keeps_the_topology_and_only_moves_towards_the_proposal(data: st.DataObject) -> None:
    truth = data.draw(binary_images)
    probability = data.draw(arrays(np.float64, truth.shape, elements=st.sampled_from([0.0, 0.2, 0.6, 1.0])))
    warped = warp(truth, probability)
    proposal = probability > 0.5
    np.testing.assert_array_equal(warped[truth == proposal], truth[truth == proposal])
    assert ndimage.label(warped)[1] == ndimage.label(truth)[1]
    background = [ndimage.label(~np.pad(image, 1), EIGHT_CONNECTED)[1] for image in (warped, truth)]
    assert background[0] == background[1]
    again = warp(warped, probability)
    np.testing.assert_array_equal(again, warped)


@given(st.data())
def test_warping_follows_the_definition(data: st.DataObject) -> None:
    truth = data.draw(binary_images)
    probability = data.draw(arrays(np.float64, truth.shape, elements=st.sampled_from([0.0, 0.2, 0.6, 1.0])))
    np.testing.assert_array_equal(warp(truth, probability, 0.5), _warp_by_definition(truth, probability, 0.5))


def _warp_by_definition(truth: np.ndarray, probability: np.ndarray, threshold: float) -> np.ndarray:
    image, proposal = np.pad(truth, 1), np.pad(probability > threshold, 1)
    sureness = np.abs(np.pad(probability, 1) - threshold).astype(np.float32)
    while True:
        wrong = [(row, column) for column, row in np.argwhere((image != proposal).T)]
        for row, column in sorted(wrong, key=lambda pixel: -sureness[pixel]):
            if _simple_by_definition(image[row - 1 : row + 2, column - 1 : column + 2]):
                image[row, column] ^= True
        if np.count_nonzero(image != proposal) == len(wrong):
            return image[1:-1, 1:-1]


@given(st.data())
def test_classes_follow_the_definition(data: st.DataObject) -> None:
    warped = data.draw(binary_images)
    proposal = data.draw(arrays(bool, warped.shape))
    pixels, classes = classify(warped, proposal)
    np.testing.assert_array_equal(pixels, np.argwhere(warped != proposal))
    assert [Mismatch(kind) for kind in classes] == [_class_by_definition(warped, *pixel) for pixel in pixels]


def _class_by_definition(warped: np.ndarray, row: int, column: int) -> Mismatch:
    white = warped[row, column]
    ids = _ring_ids(warped, row, column)
    if ids <= {0}:
        return Mismatch.OBJECT_DELETION if white else Mismatch.OBJECT_ADDITION
    if len(ids) == 1:
        return Mismatch.HOLE_ADDITION if white else Mismatch.HOLE_DELETION
    if len(ids) > 2:
        return Mismatch.SPLIT if white else Mismatch.MERGER
    if not white:
        return Mismatch.HOLE_ADDITION
    without = warped.copy()
    without[row, column] = False
    return Mismatch.SPLIT if len(_ring_ids(without, row, column)) > 2 else Mismatch.HOLE_DELETION


def _ring_ids(image: np.ndarray, row: int, column: int) -> set[int]:
    labels, _ = ndimage.label(image)
    labels[row, column] = -1
    return set(labels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].ravel().tolist()) - {-1}


@pytest.mark.parametrize(
    ("truth", "probability", "message"),
    [
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 5)), r"\(1, 4, 4\) and probability \(1, 4, 5\)"),
        (np.zeros((4, 4)), np.zeros((4, 4)), "slices, height, width"),
        (np.zeros((0, 4, 4)), np.zeros((0, 4, 4)), "not be empty"),
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4), np.uint8), "got uint8; divide"),
        (np.zeros((1, 4, 4)), np.full((1, 4, 4), 1.5), "got 1.5 to 1.5"),
        (np.zeros((1, 4, 4)), np.full((1, 4, 4), np.nan), "0 and 1"),
    ],
)
def test_wrong_stacks_are_refused(truth: np.ndarray, probability: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warping_error(truth, probability)
    with pytest.raises(ValueError, match="at least one threshold"):
        warping_error(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), [])
