"""Which labelled images validate."""

from __future__ import annotations

from pathlib import Path

from unetpipe.label.hold_out import hold_out


def records(*names: str) -> list[dict[str, str]]:
    return [{"image": f"studies/{name}", "label": f"labels/{name}"} for name in names]


def names(part: list[dict[str, str]]) -> list[str]:
    return [Path(record["image"]).name for record in part]


def test_a_single_image_trains_and_validates(tmp_path: Path):
    train, val = hold_out(records("a"), 0.2, tmp_path / "memory.json")
    assert names(train) == names(val) == ["a"]


def test_the_last_fifth_validates(tmp_path: Path):
    train, val = hold_out(records(*"abcdefghij"), 0.2, tmp_path / "memory.json")
    assert names(train) == list("abcdefgh")
    assert names(val) == ["i", "j"]


def test_parts_stay_while_images_join(tmp_path: Path):
    memory = tmp_path / "memory.json"
    assert names(hold_out(records("c", "d"), 0.2, memory)[1]) == ["d"]
    train, val = hold_out(records("a", "b", "c", "d", "e"), 0.2, memory)
    assert names(val) == ["d"]
    assert names(train) == ["a", "b", "c", "e"]
    train, val = hold_out(records(*"abcdefghij"), 0.2, memory)
    assert names(val) == ["d", "j"]
    assert not set(names(train)) & set(names(val))


def test_pages_of_a_stack_stay_together(tmp_path: Path):
    pages = [{**record, "page": page} for record in records("a", "b") for page in range(3)]
    train, val = hold_out(pages, 0.5, tmp_path / "memory.json")
    assert names(train) == ["a"] * 3
    assert names(val) == ["b"] * 3


def test_the_single_image_trains_from_then_on(tmp_path: Path):
    memory = tmp_path / "memory.json"
    hold_out(records("z"), 0.2, memory)
    train, val = hold_out(records("a", "z"), 0.2, memory)
    assert (names(train), names(val)) == (["z"], ["a"])


def test_what_trained_validates_only_while_nothing_else_can(tmp_path: Path):
    memory = tmp_path / "memory.json"
    hold_out(records("a", "b", "c"), 0.2, memory)
    train, val = hold_out(records("a", "b"), 0.2, memory)  # the validating one lost its label
    assert names(train) == names(val) == ["a", "b"]
    train, val = hold_out(records("_", "a", "b"), 0.2, memory)
    assert (names(train), names(val)) == (["a", "b"], ["_"])


def test_what_trained_is_remembered_without_its_label(tmp_path: Path):
    memory = tmp_path / "memory.json"
    hold_out(records("a", "z", "zz"), 0.2, memory)
    hold_out(records("a", "zz"), 0.2, memory)
    train, val = hold_out(records("a", "z"), 0.2, memory)
    assert names(train) == names(val) == ["a", "z"]
    train, val = hold_out(records("a", "z", "zz"), 0.2, memory)
    assert (names(train), names(val)) == (["a", "z"], ["zz"])


def test_validating_images_alone_train_from_then_on(tmp_path: Path):
    memory = tmp_path / "memory.json"
    hold_out(records("a", "b"), 0.2, memory)
    train, val = hold_out(records("b"), 0.2, memory)
    assert names(train) == names(val) == ["b"]
    train, val = hold_out(records("a", "b", "c"), 0.2, memory)
    assert (names(train), names(val)) == (["a", "b"], ["c"])
