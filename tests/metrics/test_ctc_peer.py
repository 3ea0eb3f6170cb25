"""SEG, DET, TRA and the divisions found against py-ctcmetrics, the community's form of the challenge's measures."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from ctc_metrics.metrics.biological.bc import raw_division_metrics
from ctc_metrics.scripts.evaluate import calculate_metrics, load_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unetpipe.io.images import read_labels, write_labels
from unetpipe.io.track_tables import Track, write_tracks
from unetpipe.metrics import score_divisions
from unetpipe.metrics.ctc import score_result
from unetpipe.metrics.matching import match_frame
from unetpipe.tracking import write_result

SHAPE = (24, 40)
DAMAGES = ("drop", "merge", "split", "shift", "swap", *["keep"] * 7)


def peer(result: Path, truth: Path) -> tuple[float, float, float]:
    tracks, reference_tracks, trajectories, segmentations, _, valid = load_data(
        str(result), str(truth), True, True, threads=1
    )
    assert valid == 1
    names = ["SEG", "DET", "TRA"]
    scores = calculate_metrics(tracks, reference_tracks, trajectories, segmentations, names, valid)
    return scores["SEG"], scores["DET"], scores["TRA"]


def ours(result: Path, truth: Path) -> tuple[float | None, ...]:
    score = score_result(result, truth)
    return score.seg, score.det, score.tra


def reference(rng: np.random.Generator, frames: int) -> tuple[list[np.ndarray], list[Track]]:
    """Rectangles that drift; some divide in the middle of the sequence."""
    maps = [np.zeros(SHAPE, np.int32) for _ in range(frames)]
    tracks: list[Track] = []
    for cell in range(5):
        y, x, height, width = *rng.integers(1, 14, 2), *rng.integers(3, 8, 2)
        x += 5 * cell
        half = int(rng.integers(1, frames)) if rng.random() < 0.5 else frames
        label = len(tracks) + 1
        tracks.append(Track(label, 0, half - 1))
        if half < frames:
            tracks += [Track(label + daughter, half, frames - 1, label) for daughter in (1, 2)]
        for frame, each in enumerate(maps):
            y, x = np.clip(np.add([y, x], rng.integers(-1, 2, 2)), 1, 30)
            box = each[y : y + height, x : x + width]
            box[:] = label if frame < half else label + 1
            if frame >= half:
                box[:, (width + 1) // 2 :] = label + 2
    return maps, _present(tracks, maps)


def _present(tracks: list[Track], maps: list[np.ndarray]) -> list[Track]:
    """Cut the tracks to the frames in which other cells left something of them."""
    kept = {}
    for track in tracks:
        seen = [frame for frame, each in enumerate(maps) if (each == track.label).any()]
        runs = [frame for place, frame in enumerate(seen) if frame - seen[0] == place]
        for frame in set(seen) - set(runs):
            maps[frame][maps[frame] == track.label] = 0
        if runs:
            kept[track.label] = Track(track.label, runs[0], runs[-1], track.parent)
    return [track if track.parent in kept else track._replace(parent=0) for track in kept.values()]


def damaged(maps: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    result = [each.copy() for each in maps]
    for frame, each in enumerate(result):
        for cell in np.unique(maps[frame])[1:].tolist():
            where = each == cell
            others = np.unique(each[each > 0])
            damage = rng.choice(DAMAGES)
            if not where.any() or damage == "keep":
                continue
            if damage == "shift":
                each[where] = 0
                moved = np.roll(where, rng.integers(-3, 4, 2), (0, 1))
                each[moved & _inside()] = cell
            elif damage == "split":
                each[where & (np.arange(SHAPE[1]) > np.median(np.nonzero(where)[1]))] = rng.integers(40, 60)
            else:
                other = rng.choice(others)
                if damage == "swap":
                    each[each == other] = cell
                each[where] = 0 if damage == "drop" else other
    return result


def _inside() -> np.ndarray:
    """All but the border: py-ctcmetrics takes the smallest value of a map for its background."""
    inside = np.zeros(SHAPE, bool)
    inside[1:-1, 1:-1] = True
    return inside


def tracked(maps: list[np.ndarray], rng: np.random.Generator) -> tuple[list[np.ndarray], list[Track]]:
    """Give the runs of an id labels of their own, some cut in two; the parent is the run before or any ended track."""
    result, tracks, running, before = [], [], {}, {}
    for frame, each in enumerate(maps):
        cells = np.unique(each[each > 0]).tolist()
        running = {cell: label for cell, label in running.items() if cell in cells and rng.random() < 0.9}
        ended = [track.label for track in tracks if track.end < frame and track.label not in running.values()]
        for cell in cells:
            if cell in running:
                tracks[running[cell] - 1] = tracks[running[cell] - 1]._replace(end=frame)
            else:
                running[cell] = len(tracks) + 1
                parents = [0, before.get(cell, 0), rng.choice(ended) if ended else 0]
                tracks.append(Track(running[cell], frame, frame, int(rng.choice(parents))))
        labels = np.zeros(61, np.int32)
        labels[list(running)] = list(running.values())
        result.append(labels[each])
        before |= running
    return result, tracks


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.integers(0, 2))
def test_divisions_are_those_of_py_ctcmetrics(seed: int, tolerance: int) -> None:
    rng = np.random.default_rng(seed)
    maps, tracks = reference(rng, 6)
    found, found_tracks = late(maps, tracks, rng)
    matches = {frame: match_frame(*pair) for frame, pair in enumerate(zip(maps, found, strict=True))}
    pairs = [[p for p in zip(m.reference, m.matched, strict=True) if p[1]] for m in matches.values()]
    expected = raw_division_metrics(
        np.array(found_tracks),
        np.array(tracks),
        [[cell for cell, _ in each] for each in pairs],
        [[other for _, other in each] for each in pairs],
        tolerance,
    )
    assert tuple(score_divisions(matches, tracks, found_tracks, tolerance)) == expected


def late(maps: list[np.ndarray], tracks: list[Track], rng: np.random.Generator) -> tuple[list[np.ndarray], list[Track]]:
    """Return the maps with some divisions a frame or two late, with some children lost or given to another parent."""
    result, found = [each.copy() for each in maps], {track.label: track for track in tracks}
    for track in tracks:
        children = [other for other in found.values() if other.parent == track.label]
        delay = int(rng.integers(0, 3))
        if len(children) == 2 and delay and all(child.end - child.begin >= delay for child in children):
            for frame in range(track.end + 1, track.end + 1 + delay):
                result[frame][np.isin(result[frame], [child.label for child in children])] = track.label
            found[track.label] = track._replace(end=track.end + delay)
            found |= {child.label: child._replace(begin=child.begin + delay) for child in children}
    for track in list(found.values()):
        if track.parent and rng.random() < 0.2:
            ended = [other.label for other in found.values() if other.end < track.begin]
            found[track.label] = track._replace(parent=int(rng.choice([0, *ended])))
    return result, list(found.values())


def write(folder: Path, stem: str, maps: list[np.ndarray]) -> None:
    for frame, each in enumerate(maps):
        write_labels(folder / f"{stem}{frame:03d}.tif", each)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(2, 5))
def test_damaged_results_score_as_py_ctcmetrics_scores_them(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    maps, tracks = reference(rng, frames)
    found, found_tracks = tracked(damaged(maps, rng), rng)
    with tempfile.TemporaryDirectory() as folder:
        result, truth = Path(folder) / "01_RES", Path(folder) / "01_GT"
        write(result, "mask", found)
        write(truth / "TRA", "man_track", maps)
        write(truth / "SEG", "man_seg", maps[:-1])
        write_tracks(result / "res_track.txt", found_tracks)
        write_tracks(truth / "TRA" / "man_track.txt", tracks)
        assert ours(result, truth) == pytest.approx(peer(result, truth), abs=1e-9)


def test_real_results_score_as_py_ctcmetrics_scores_them(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "ctc" / "DIC-C2DH-HeLa"
    masks = (read_labels(path) for path in sorted((folder / "01_ERR_SEG").glob("mask*.tif")))
    write_result(tmp_path, masks)
    expected = peer(tmp_path, folder / "01_GT")
    assert ours(tmp_path, folder / "01_GT") == pytest.approx(expected, abs=1e-9)
    assert expected[0] == pytest.approx(0.96475, abs=5e-6)
