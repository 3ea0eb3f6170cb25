from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ctc_metrics.scripts.validate import validate_sequence
from hypothesis import given, settings
from hypothesis import strategies as st

from unetpipe.errors import InputError
from unetpipe.io.images import read_labels
from unetpipe.io.track_tables import Track, check_tracks, read_tracks
from unetpipe.metrics.ctc import score_result
from unetpipe.tracking import CellLinker, link_cells, write_result


def lines(*texts: str) -> list[np.ndarray]:
    """One frame a text, one pixel row: digits are ids, "." is background."""
    return [np.array([[int(letter) if letter != "." else 0 for letter in text]]) for text in texts]


def linked(*texts: str, linker: CellLinker | None = None) -> tuple[list[str], list[Track]]:
    maps, tracks = link_cells(lines(*texts), linker)
    return ["".join(str(label or ".") for label in each[0]) for each in maps], tracks


def test_cells_keep_their_labels_whatever_their_ids() -> None:
    maps, tracks = linked("5555..2222", ".777788888", "..1111.333")
    assert maps == ["2222..1111", ".222211111", "..2222.111"]
    assert tracks == [Track(1, 0, 2), Track(2, 0, 2)]


def test_pairs_are_best_together() -> None:
    # the new cell on the left overlaps the old right one most (6/14), but then two cells would be left over
    maps, _ = linked("11111111112222222222......", "......11111111112222222222")
    assert maps[1] == "......11111111112222222222"


@pytest.mark.parametrize(("second", "same"), [(".......11111", False), ("..11111.....", True), ("....11111...", False)])
def test_a_cell_must_overlap_its_old_place(second: str, same: bool) -> None:
    # IoU 0, 3/7 and 1/9
    strict = CellLinker(min_iou=0.2)
    assert linked("11111.......", second, linker=strict)[1] == (
        [Track(1, 0, 1)] if same else [Track(1, 0, 0), Track(2, 1, 1)]
    )


def test_division() -> None:
    maps, tracks = linked("..111111..", "..111111..", ".1111.222.", "1111..222.")
    assert maps == ["..111111..", "..111111..", ".2222.333.", "2222..333."]
    assert tracks == [Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1)]


def test_newcomer_beside_a_cell_is_no_daughter() -> None:
    _, tracks = linked("..11111......", "..11111222...")
    assert tracks == [Track(1, 0, 1), Track(2, 1, 1)]
    _, tracks = linked("..111111......", "..111112222...")  # not even if it took a pixel of the cell's old place
    assert tracks == [Track(1, 0, 1), Track(2, 1, 1)]


def test_splinter_is_no_daughter() -> None:
    assert linked(".11111111.", ".111111.2.")[1] == [Track(1, 0, 1), Track(2, 1, 1)]
    divided = linked(".11111111.", ".111111.2.", linker=CellLinker(daughter_ratio=0))[1]
    assert divided == [Track(1, 0, 0), Track(2, 1, 1, 1), Track(3, 1, 1, 1)]


@pytest.mark.parametrize(("missing", "parent"), [(1, 1), (2, 1), (3, 0)])
def test_gap_up_to_two_frames_is_closed_by_a_parent(missing: int, parent: int) -> None:
    maps, tracks = linked(".111..222", *["......222"] * missing, ".111..222")
    assert tracks == [Track(1, 0, 0), Track(2, 0, missing + 1), Track(3, missing + 1, missing + 1, parent)]
    assert maps[-1] == ".333..222"


def test_lost_track_is_continued_once() -> None:
    # the better overlap of two continues it; the other one is new
    _, tracks = linked(".1111...", "........", ".222333.")
    assert tracks == [Track(1, 0, 0), Track(2, 2, 2, 1), Track(3, 2, 2)]
    patient = CellLinker(max_gap=5)
    _, tracks = linked(".1111...", "........", ".1111...", "........", ".1111...", linker=patient)
    assert tracks == [Track(1, 0, 0), Track(2, 2, 2, 1), Track(3, 4, 4, 2)]


def test_cells_merged_for_a_frame_keep_apart() -> None:
    # no division: the cell that went missing in the merged one is back
    maps, tracks = linked("11112222", "11111111", "11112222")
    assert tracks == [Track(1, 0, 2), Track(2, 0, 0), Track(3, 2, 2, 2)]
    assert maps[2] == "11113333"


def test_empty_frames_and_sequences() -> None:
    assert link_cells([]) == ([], [])
    maps, tracks = linked("....", ".11.", "....")
    assert (maps, tracks) == (["....", ".11.", "...."], [Track(1, 1, 1)])


def test_any_integer_ids_are_taken() -> None:
    first, second = np.zeros((2, 4, 6), np.int64)
    first[1:3, :3], second[1:3, 1:4] = 2**40, 65535
    maps, tracks = link_cells([first, second.astype(np.uint16)])
    assert tracks == [Track(1, 0, 1)]
    assert maps[1].dtype == np.int32
    np.testing.assert_array_equal(maps[1] > 0, second > 0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"Frame 1 is \(1, 3\) pixels, the frames before it are \(1, 4\)"):
        link_cells(lines("....", "..."))
    for wrong in ({"min_iou": 1.0}, {"max_gap": -1}, {"daughter_ratio": 1.5}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
            CellLinker(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not float64"):
        link_cells([np.zeros((2, 2))])


def random_frames(rng: np.random.Generator) -> list[np.ndarray]:
    """Coarse blocks, of which some change from frame to frame: cells come, go, merge and split."""
    blocks = rng.integers(0, 6, (4, 5))
    frames = []
    for _ in range(5):
        blocks = np.where(rng.random(blocks.shape) < 0.3, rng.integers(0, 6, blocks.shape), blocks)
        frames.append(np.kron(blocks, np.ones((3, 3), int)))
    return frames


@given(st.integers(0, 2**32 - 1))
def test_tables_fit_their_masks_and_ids_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = random_frames(rng)
    maps, tracks = link_cells(frames)
    check_tracks(tracks, {frame: set(np.unique(each[each > 0])) for frame, each in enumerate(maps)}, "linked")
    for each, frame in zip(maps, frames, strict=True):
        pairs = np.unique([each.ravel(), frame.ravel()], axis=1)
        assert pairs.shape[1] == len(np.unique(each)) == len(np.unique(frame))  # the same outlines
    assert [track.label for track in tracks] == list(range(1, len(tracks) + 1))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_written_results_are_valid(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("result")
    frames = random_frames(np.random.default_rng(seed))
    tracks = write_result(folder, iter(frames))
    assert read_tracks(folder / "res_track.txt") == tracks
    masks = [f"mask00{number}.tif" for number in range(5)]
    assert sorted(path.name for path in folder.iterdir()) == [*masks, "res_track.txt", "tracks.csv"]
    assert validate_sequence(str(folder), threads=1) == {"Valid": 1}


def test_results_that_cannot_be_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame to write"):
        write_result(tmp_path / "none", [])
    write_result(tmp_path, lines("1.", "1.", "1."))
    write_result(tmp_path, lines("1.", "11", "1."))
    with pytest.raises(InputError, match=r"holds mask002\.tif in addition to the 2 new masks"):
        write_result(tmp_path, lines("1.", "1."))
    write_result(tmp_path / "long", lines("1."), digits=4)
    assert (tmp_path / "long" / "mask0000.tif").is_file()


@pytest.fixture(scope="module", params=[("DIC-C2DH-HeLa", 0.98393), ("PhC-C2DH-U373", 0.99983)], ids=lambda p: p[0])
def real(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A real set, the result of linking its silver masks with shuffled ids, and the TRA reached."""
    name, tra = request.param
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp(name) / "01_RES"
    paths = sorted((real_data / "ctc" / name / "01_ST" / "SEG").glob("man_seg*.tif"))
    write_result(folder, (shuffled(read_labels(path), rng) for path in paths))
    return real_data / "ctc" / name, folder, tra


def shuffled(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The silver ids are those of the tracks: give them away."""
    return np.append(0, rng.permutation(int(labels.max())) + 1)[labels]


def test_silver_masks_of_real_cells(real: tuple[Path, Path, float]) -> None:
    dataset, folder, tra = real
    assert score_result(folder, dataset / "01_GT").tra == pytest.approx(tra, abs=5e-6)


def test_real_results_are_valid(real: tuple[Path, Path, float]) -> None:
    assert validate_sequence(str(real[1]), threads=1) == {"Valid": 1}
