from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unetpipe.datasets import evaluation_records, parse_frames, select, split_records
from unetpipe.errors import InputError
from unetpipe.io import write_labels


def records_of(**lengths: int) -> list[dict]:
    """Return records of sequences such as s01=10."""
    return [{"sequence": name[1:], "frame": frame} for name, length in lengths.items() for frame in range(length)]


TWO = records_of(s01=10, s02=6)


def names(records: list[dict]) -> list[tuple[str, int]]:
    return [(record["sequence"], record["frame"]) for record in records]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (None, None),
        (7, {7}),
        ("7", {7}),
        ("0-3", {0, 1, 2, 3}),
        ("0-2,7", {0, 1, 2, 7}),
        (" 0 - 2 , 7 ", {0, 1, 2, 7}),
        ([1, "4-5", "9"], {1, 4, 5, 9}),
        ((1, 3), {1, 3}),
        (range(3), {0, 1, 2}),
    ],
)
def test_frames_are_read(frames, expected) -> None:
    assert parse_frames(frames) == expected


@pytest.mark.parametrize("frames", ["all", "", "0-27-30", "1;2", "-3", [None], 2.5, "3-1", "0,5-2", "1-9:0", "1-9:-1"])
def test_frames_that_cannot_be_read_are_named(frames) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        parse_frames(frames)


@pytest.mark.parametrize("sequences", [2, "02", "2", [2], ["02"]])
def test_sequences_are_named_by_number_or_string(sequences) -> None:
    assert names(select(TWO, sequences, "1-2")) == [("02", 1), ("02", 2)]


def test_nothing_named_selects_all() -> None:
    assert select(TWO) == TWO
    assert select(TWO, [], None) == []


def test_a_fifth_of_each_sequence_validates_spread_over_time() -> None:
    parts = split_records(TWO)
    assert names(parts["val"]) == [("01", 2), ("01", 7), ("02", 1), ("02", 4)]  # 2 of 10; 1.2 of 6, rounded up
    assert names(parts["train"]) == [record for record in names(TWO) if record not in names(parts["val"])]


def test_the_default_split_is_taken_of_the_training_choice() -> None:
    parts = split_records(TWO, train_sequences=1, train_frames="0-4")
    assert names(parts["train"]) == [("01", 0), ("01", 1), ("01", 3), ("01", 4)]
    assert names(parts["val"]) == [("01", 2)]


def test_frames_beside_validation_frames_of_a_long_sequence_do_not_train() -> None:
    parts = split_records(records_of(s01=160))
    val, train = ({frame for _, frame in names(parts[part])} for part in ("val", "train"))
    assert len(val) == 32
    assert [frame for frame in sorted(val) if frame - 1 not in val] == [16, 56, 96, 136]  # four blocks
    assert all(abs(one - other) > 2 for one in val for other in train)
    assert len(train) == 160 - 32 - 4 * 2 * 2
    everything = split_records(records_of(s01=160), hold_out=False)
    assert len(everything["train"]) == 160


def with_cells(folder: Path, counts: Sequence[int]) -> list[dict]:
    """Write a label map for each count of cells; return the records."""
    records = []
    for frame, count in enumerate(counts):
        label = np.zeros((2, 2 * max(counts)), np.uint16)
        label[0, 1 : 2 * count : 2] = np.arange(1, count + 1)
        write_labels(folder / f"{frame}.tif", label)
        record = {"image": "", "label": str(folder / f"{frame}.tif"), "masks": "instances", "layout": "folders"}
        records.append({**record, "sequence": "01", "frame": frame})
    return records


def test_validation_frames_are_spread_over_cells(tmp_path: Path) -> None:
    """Where few frames hold nearly all cells, one of them validates, wherever it stands, and not all of them."""
    counts = [1, 1, 1, 24, 1, 1, 1, 24, 1, 1, 24, 1, 1, 1, 24]
    parts = split_records(with_cells(tmp_path, counts))
    held = sum(counts[frame] for _, frame in names(parts["val"]))
    assert len(parts["val"]) in (3, 4)
    assert 30 <= held <= 50


def test_more_frames_validate_where_a_fifth_holds_too_few_cells(tmp_path: Path) -> None:
    assert len(split_records(with_cells(tmp_path / "many", [8] * 20))["val"]) == 4  # 32 cells
    assert len(split_records(with_cells(tmp_path / "few", [5] * 20))["val"]) == 7  # 35 cells; a quarter has 25
    assert len(split_records(with_cells(tmp_path / "none", [1] * 20))["val"]) == 4  # a third has 7: no better


def test_split_by_sequence() -> None:
    for choice in ({"val_sequences": "02"}, {"train_sequences": ["01"], "val_sequences": [2]}):
        parts = split_records(TWO, **choice)
        assert names(parts["train"]) == names(select(TWO, "01"))
        assert names(parts["val"]) == names(select(TWO, "02"))


def test_split_by_frames() -> None:
    parts = split_records(TWO, train_frames="0-3", val_frames="4-5")
    assert names(parts["train"]) == [(s, f) for s in ("01", "02") for f in range(4)]
    assert names(parts["val"]) == [(s, f) for s in ("01", "02") for f in (4, 5)]


def test_validation_frames_never_train() -> None:
    parts = split_records(TWO, train_frames="0-5", val_frames="3-9")
    assert {frame for _, frame in names(parts["train"])} == {0, 1, 2}


choices = st.one_of(st.none(), st.sampled_from([1, 2, "01", ["01", "02"]]))
frame_choices = st.one_of(st.none(), st.sampled_from(["0-3", "2-9", 5, [0, 9], "7-9"]))


@settings(max_examples=100)
@given(
    lengths=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    train_sequences=choices,
    train_frames=frame_choices,
    val_sequences=choices,
    val_frames=frame_choices,
)
def test_no_frame_is_in_both_parts_and_no_part_is_empty(lengths, **choice) -> None:
    records = records_of(s01=lengths[0], s02=lengths[1])
    try:
        parts = split_records(records, **choice)
    except InputError:
        return
    train, val = set(names(parts["train"])), set(names(parts["val"]))
    assert train
    assert val
    assert not train & val
    assert train <= set(names(select(records, choice["train_sequences"], choice["train_frames"])))
    if choice["val_sequences"] is None and choice["val_frames"] is None:
        for sequence in ("01", "02"):
            inside = [frame for name, frame in sorted(train | val) if name == sequence]
            held_out = [frame for name, frame in sorted(val) if name == sequence]
            assert len(held_out) == (math.ceil(len(inside) / 5) if len(inside) > 1 else 0)
            later = inside[len(inside) // 2 :]
            assert len(held_out) < 2 or 0 < len(set(held_out) & set(later)) < len(held_out)  # spread over time


@pytest.mark.parametrize(
    ("choice", "part"),
    [
        ({"train_sequences": 3, "val_sequences": 1}, "training"),
        ({"train_frames": "50-60", "val_frames": 1}, "training"),
        ({"val_sequences": [1, 2]}, "training"),
        ({"val_sequences": 3}, "validation"),
        ({"val_frames": "50-60"}, "validation"),
    ],
)
def test_empty_part_is_named(choice: dict, part: str) -> None:
    with pytest.raises(InputError, match=f"No frame is left for {part}: 16 frames .* 01, 02"):
        split_records(TWO, **choice)


def test_single_frame_cannot_be_split() -> None:
    with pytest.raises(InputError, match="No frame is left"):
        split_records(records_of(s01=1))


def test_evaluation_takes_the_validation_frames_unless_others_are_named() -> None:
    validation = [{"sequence": "01", "frame": 8, "truth": "silver"}, {"sequence": "02", "frame": 5, "truth": "silver"}]
    gold = [{**record, "truth": "gold"} for record in TWO if record["frame"] % 2]
    assert evaluation_records(gold, validation) == [{"sequence": "02", "frame": 5, "truth": "gold"}]
    assert names(evaluation_records(gold, validation, sequences=1)) == [("01", f) for f in (1, 3, 5, 7, 9)]
    assert names(evaluation_records(gold, validation, frames="0-1")) == [("01", 1), ("02", 1)]
    for nothing in ({"sequences": 3}, {"frames": 0}):
        with pytest.raises(InputError, match="No frame is left to evaluate"):
            evaluation_records(gold, validation, **nothing)


def test_without_hold_out_validation_frames_train_too() -> None:
    parts = split_records(TWO, train_sequences="01", val_frames="0-2", val_sequences="01", hold_out=False)
    assert names(parts["train"]) == [("01", frame) for frame in range(10)]
    assert names(parts["val"]) == [("01", 0), ("01", 1), ("01", 2)]
