"""SEG, DET and TRA by hand, and the errors of a result folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.io.images import write_labels
from unetpipe.io.track_tables import Track, write_tracks
from unetpipe.metrics.ctc import score_result
from unetpipe.metrics.seg_det_tra import det_score, object_jaccards, seg_score, tra_score
from unetpipe.metrics.summary import ReferenceObject

# one row a frame, four pixels a cell: cell 1 divides into 2 and 3, cell 4 stays
FRAMES = [np.repeat([row], 4, axis=1) for row in ([1, 1, 0, 4], [1, 1, 0, 4], [2, 3, 0, 4], [2, 3, 0, 4])]
TRACKS = [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1), Track(4, 0, 3)]
VERTICES, EDGES = 10, 1 + 2 + 2 + 3
WHOLE = 10 * VERTICES + 1.5 * EDGES


def changed(frame: int, old: int, new: int) -> list[np.ndarray]:
    frames = [each.copy() for each in FRAMES]
    frames[frame][frames[frame] == old] = new
    return frames


def test_perfect_result() -> None:
    assert (seg_score(FRAMES, FRAMES), det_score(FRAMES, FRAMES)) == (1, 1)
    assert tra_score(FRAMES, FRAMES, TRACKS, TRACKS) == 1


def test_nothing_found_scores_nothing() -> None:
    empty = [np.zeros_like(frame) for frame in FRAMES]
    assert (seg_score(FRAMES, empty), det_score(FRAMES, empty), tra_score(FRAMES, empty, TRACKS, [])) == (0, 0, 0)
    assert np.isnan([seg_score(empty, FRAMES), det_score(empty, FRAMES), tra_score(empty, FRAMES, [], TRACKS)]).all()


@pytest.mark.parametrize(
    ("result", "tracks", "vertex_cost", "edge_cost"),
    [
        # missed in frame 0: a vertex and its edge to add
        (changed(0, 4, 0), [*TRACKS[:3], Track(4, 1, 3)], 10, 1.5),
        # two cells of frame 3 in one object: to split, and both their edges to add
        (changed(3, 3, 2), [TRACKS[0], TRACKS[1], Track(3, 2, 2, 1), TRACKS[3]], 5, 2 * 1.5),
        # something where nothing is, in one frame
        (changed(1, 0, 9), [*TRACKS, Track(9, 1, 1)], 1, 0),
        # the track of cell 4 cut in two: an edge to add
        (changed(3, 4, 5), [*TRACKS[:3], Track(4, 0, 2), Track(5, 3, 3)], 0, 1.5),
        # cut, but with a parent: an edge to change
        (changed(3, 4, 5), [*TRACKS[:3], Track(4, 0, 2), Track(5, 3, 3, 4)], 0, 1),
        # a daughter goes to the wrong parent: an edge to delete, an edge to add
        (changed(0, 4, 5), [TRACKS[0], TRACKS[1], Track(3, 2, 3, 5), Track(4, 1, 3), Track(5, 0, 0)], 0, 1 + 1.5 + 1.5),
        # no parents at all
        (FRAMES, [track._replace(parent=0) for track in TRACKS], 0, 2 * 1.5),
    ],
)
def test_every_correction_has_its_price(
    result: list[np.ndarray], tracks: list[Track], vertex_cost: float, edge_cost: float
) -> None:
    assert det_score(FRAMES, result) == pytest.approx(1 - vertex_cost / (10 * VERTICES))
    assert tra_score(FRAMES, result, TRACKS, tracks) == pytest.approx(1 - (vertex_cost + edge_cost) / WHOLE)


def test_more_spurious_objects_than_cells_cost_no_more_than_finding_nothing() -> None:
    reference, result = np.zeros((2, 1, 24), int)
    reference[0, 0], result[0] = 1, np.arange(24)
    assert (
        det_score([reference], [result]),
        tra_score([reference], [result], [Track(1, 0, 0)], tracks_of(result)),
    ) == (0, 0)


def tracks_of(one_frame: np.ndarray) -> list[Track]:
    return [Track(label, 0, 0) for label in np.unique(one_frame[one_frame > 0]).tolist()]


def test_seg_is_the_mean_over_objects_not_frames() -> None:
    result = changed(0, 4, 0)
    assert seg_score(FRAMES, result) == 9 / 10


def test_tracks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="the result: cell 5 in the mask of frame 3"):
        tra_score(FRAMES, changed(3, 4, 5), TRACKS, TRACKS)
    with pytest.raises(InputError, match="the reference: track 4 has no cell in the mask of frame 3"):
        tra_score(changed(3, 4, 0), FRAMES, TRACKS, TRACKS)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A perfect result and its truth; frames 1 and 3 have gold segmentations."""
    result, truth = tmp_path / "01_RES", tmp_path / "01_GT"
    for number, frame in enumerate(FRAMES):
        write_labels(result / f"mask{number:03d}.tif", frame)
        write_labels(truth / "TRA" / f"man_track{number:03d}.tif", frame)
    for number in (1, 3):
        write_labels(truth / "SEG" / f"man_seg{number:03d}.tif", FRAMES[number])
    write_tracks(result / "res_track.txt", TRACKS)
    write_tracks(truth / "TRA" / "man_track.txt", TRACKS)
    return result, truth


def test_folders_score_what_they_hold(folders: tuple[Path, Path]) -> None:
    result, truth = folders
    write_labels(result / "mask001.tif", np.where(np.arange(16) < 6, FRAMES[1], 0))
    with pytest.raises(InputError, match=r"res_track\.txt: track 4 has no cell in the mask of frame 1"):
        score_result(result, truth)
    (result / "res_track.txt").unlink()
    score = score_result(result, truth)
    assert (score.seg, score.det, score.tra) == (pytest.approx((6 / 8 + 0 + 3) / 5), 0.9, None)
    assert score.objects[:2] == (ReferenceObject(1, 1, 0.75, 1), ReferenceObject(1, 4, 0.0, 0))
    assert {frame: match.missed for frame, match in score.frames.items()} == {0: (), 1: (4,), 2: (), 3: ()}
    report = json.loads(json.dumps(dataclasses.asdict(score)))
    assert report["objects"][0] == {"frame": 1, "id": 1, "jaccard": 0.75, "result_id": 1}
    assert report["errors"]["fn"] == 1
    shutil.rmtree(truth / "SEG")
    assert (score_result(result, truth).seg, score_result(result, truth).det) == (None, 0.9)


def test_truth_without_markers_scores_seg_alone(folders: tuple[Path, Path]) -> None:
    result, truth = folders
    shutil.rmtree(truth / "TRA")
    (result / "mask000.tif").unlink()
    score = score_result(result, truth)
    assert (score.seg, score.det, score.tra, score.errors) == (1, None, None, None)


def test_perfect_folders(folders: tuple[Path, Path]) -> None:
    score = score_result(*folders)
    assert (score.seg, score.det, score.tra) == (1, 1, 1)


def other_size(result: Path, truth: Path) -> None:
    write_labels(truth / "SEG" / "man_seg003.tif", np.zeros((1, 12), int))


def floats(result: Path, truth: Path) -> None:
    Image.fromarray(FRAMES[2].astype(np.float32)).save(result / "mask002.tif")


def colours(result: Path, truth: Path) -> None:
    Image.fromarray(np.zeros((1, 16, 3), np.uint8)).save(result / "mask002.tif")


def negative(result: Path, truth: Path) -> None:
    Image.fromarray(-FRAMES[2].astype(np.int32)).save(result / "mask002.tif")


def cut_short(result: Path, truth: Path) -> None:
    (result / "mask002.tif").write_bytes(b"II*")


def missing(result: Path, truth: Path) -> None:
    (result / "mask001.tif").unlink()
    (result / "mask003.tif").unlink()


def too_many(result: Path, truth: Path) -> None:
    write_labels(result / "mask004.tif", FRAMES[3])


def empty(result: Path, truth: Path) -> None:
    shutil.rmtree(result)


def no_truth(result: Path, truth: Path) -> None:
    shutil.rmtree(truth)


def broken_line(result: Path, truth: Path) -> None:
    (result / "res_track.txt").write_text("1 0 1 0\n2 2 3\n")


def no_reference_tracks(result: Path, truth: Path) -> None:
    (truth / "TRA" / "man_track.txt").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_size, r"mask003.tif is 1×16 pixels \(height × width\), .*man_seg003.tif is 1×12;"),
        (floats, r"mask002.tif holds float32; a mask holds whole numbers"),
        (colours, r"mask002.tif has 3 channels"),
        (negative, r"mask002.tif holds negative values"),
        (cut_short, r"mask002.tif cannot be read"),
        (missing, r"01_RES lacks mask001.tif, mask003.tif, for which .*01_GT"),
        (too_many, r"TRA lacks man_track004.tif"),
        (empty, r"There is no result folder .*01_RES"),
        (no_truth, r"01_GT is not a truth folder of the Cell Tracking Challenge"),
        (broken_line, r"res_track.txt, line 2: '2 2 3' is not a track"),
        (no_reference_tracks, r"no track table .*man_track.txt"),
    ],
)
def test_what_is_wrong_is_named(folders: tuple[Path, Path], damage: object, message: str) -> None:
    assert callable(damage)
    damage(*folders)
    with pytest.raises(InputError, match=message):
        score_result(*folders)


@pytest.mark.parametrize(("name", "seg", "det"), [("DIC-C2DH-HeLa", 0.96475, 0.98571), ("PhC-C2DH-U373", 0.95113, 1.0)])
def test_real_masks_score_as_the_challenge_scores_them(real_data: Path, name: str, seg: float, det: float) -> None:
    folder = real_data / "ctc" / name
    score = score_result(folder / "01_ERR_SEG", folder / "01_GT")
    assert (round(score.seg or 0, 5), round(score.det or 0, 5), score.tra) == (seg, det, None)


def test_object_details_are_those_of_seg() -> None:
    rng = np.random.default_rng(0)
    truth, result = rng.integers(0, 5, (2, 20, 20))
    assert seg_score([truth], [result]) == object_jaccards(truth, result).mean()
