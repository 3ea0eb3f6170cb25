"""Training and validation parts, split by time or sequence, never at random: neighbouring frames are near-copies.

Where nothing is named, the default split is this. A sequence is cut into four equal spans of time (fewer if it has
fewer than 16 frames). Each span gives one block of consecutive frames to validation; the blocks together are a fifth
of the frames. All blocks lie at the same place in their spans, by preference in the middle. Another place is taken if
the blocks then hold a better share of the cells: at least a fifth, and as little more as possible. If the blocks of
all sequences hold fewer than 30 cells, a quarter or a third of the frames is tried. The frames next to a block are
near-copies of it, so some of them neither train nor validate: one on each side for each 80 frames of the sequence.
The split depends only on the truth; it is the same in every run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from unetpipe.datasets.layouts import read_truth
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.io.formats import images_in
from unetpipe.io.images import read_labels

Frames = int | str | Sequence[int | str] | None
FEWEST_CELLS = 30  # fewer validation cells cannot tell a good epoch from a bad one
SHARES = (1 / 5, 1 / 4, 1 / 3)  # of the frames that validate
BLOCKS = 4  # spans of a sequence, each with a block that validates
COUNTED = 100  # cells are counted in shorter sequences; in longer ones every place has enough frames
GAP = 80  # for every so many frames of a sequence, one more frame on each side of a block is left out of training


def parse_frames(frames: Frames) -> set[int] | None:
    """Read a choice of frames: 7, "0-27", "0-27:3" (every third), "0-27,35" or a list of such; None means all.

    Examples
    --------
    >>> sorted(parse_frames("0-2,7"))
    [0, 1, 2, 7]
    >>> sorted(parse_frames("1-9:3"))
    [1, 4, 7]
    """
    if frames is None:
        return None
    parts = frames.split(",") if isinstance(frames, str) else frames if isinstance(frames, Iterable) else [frames]
    chosen: set[int] = set()
    for part in parts:
        span, _, step = str(part).strip().partition(":")
        first, dash, last = span.partition("-")
        try:
            numbers = range(int(first), int(last if dash else first) + 1, int(step or 1))
            if not numbers or int(step or 1) < 1:
                raise ValueError
        except ValueError:
            raise InputError(
                f'frames={frames!r} cannot be read; write it as "0-27", "0-27:3" (every third) or "0-27,35", the '
                "lower number first."
            ) from None
        chosen.update(numbers)
    return chosen


def select(
    records: Sequence[Record], sequences: Sequence[str | int] | str | int | None = None, frames: Frames = None
) -> list[Record]:
    """Return the records of the named sequences (1 and "01" are alike, "plate1" is itself) and frames; None: all."""
    wanted = parse_frames(frames)
    names = None
    if sequences is not None:
        names = {_as_number(name) for name in ([sequences] if isinstance(sequences, str | int) else sequences)}
    return [
        record
        for record in records
        if (names is None or _as_number(record["sequence"]) in names) and (wanted is None or record["frame"] in wanted)
    ]


def split_records(
    records: Sequence[Record],
    train_sequences: Sequence[str | int] | str | int | None = None,
    train_frames: Frames = None,
    val_sequences: Sequence[str | int] | str | int | None = None,
    val_frames: Frames = None,
    hold_out: bool = True,
) -> dict[str, list[Record]]:
    """Split frames into "train" and "val".

    Named sequences and frames are taken. If neither validation sequences nor frames are named, the default split is
    taken: blocks that are spread over time and over the cells (see the top of this module). Frames of the validation
    part never train, unless ``hold_out`` is False: then everything that is named trains, and the validation part only
    shows that the training works.

    Raises
    ------
    InputError
        If a part is empty.
    """
    candidates = select(records, train_sequences, train_frames)
    beside: set[tuple[str, int]] = set()
    if val_sequences is None and val_frames is None:
        val = _spread(candidates)
        beside = _beside(val, candidates)
    else:
        val = select(records, val_sequences, val_frames)
    held_out = {(record["sequence"], record["frame"]) for record in val} | beside if hold_out else set()
    train = [record for record in candidates if (record["sequence"], record["frame"]) not in held_out]
    for part, chosen in (("training", train), ("validation", val)):
        if not chosen:
            count = "1 frame has" if len(records) == 1 else f"{len(records)} frames have"
            raise InputError(
                f"No frame is left for {part}: {count} truth, in sequences "
                f"{', '.join(_names(records))}; choose others by train_/val_sequences and train_/val_frames."
            )
    return {"train": train, "val": val}


def evaluation_records(
    records: Sequence[Record],
    validation: Sequence[Record],
    sequences: Sequence[str | int] | str | int | None = None,
    frames: Frames = None,
) -> list[Record]:
    """Return the records to evaluate: the named sequences and frames, or else the frames of the validation part.

    Raises
    ------
    InputError
        If there are none.
    """
    if sequences is None and frames is None:
        held_out = {(record["sequence"], record["frame"]) for record in validation}
        chosen = [record for record in records if (record["sequence"], record["frame"]) in held_out]
    else:
        chosen = select(records, sequences, frames)
    if not chosen:
        raise InputError(
            f"No frame is left to evaluate: {len(records)} frames have the truth asked for, in sequences "
            f"{', '.join(_names(records))}; choose others by eval_sequences, eval_frames and eval_truth."
        )
    return chosen


def _as_number(name: str | int) -> str | int:
    return int(name) if str(name).isdecimal() else str(name)


def _names(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record["sequence"] for record in records))


def _spread(records: Sequence[Record]) -> list[Record]:
    """Return the validation part of the default split."""
    sequences = [[record for record in records if record["sequence"] == name] for name in _names(records)]
    counts = [_count_cells(sequence) for sequence in sequences]
    splits = []
    for share in SHARES:
        chosen = [_blocks(count, share) for count in counts]
        splits.append(
            [sequence[index] for sequence, indices in zip(sequences, chosen, strict=True) for index in indices]
        )
        cells = sum(float(count[indices].sum()) for count, indices in zip(counts, chosen, strict=True))
        if cells >= FEWEST_CELLS:
            return splits[-1]
    return splits[0]


def _blocks(cells: np.ndarray, share: float) -> list[int]:
    """Return which frames of a sequence, with so many cells each, validate."""
    frames = len(cells)
    if frames < 2:
        return []
    wanted = math.ceil(share * frames - 1e-9)
    blocks = min(BLOCKS, wanted)
    spans = [frames * block // blocks for block in range(blocks + 1)]
    lengths = [wanted * (block + 1) // blocks - wanted * block // blocks for block in range(blocks)]
    free = [end - start - length for start, end, length in zip(spans, spans[1:], lengths, strict=False)]
    places = [place / max(free) for place in range(max(free) + 1)] if max(free) else [0.0]
    best: tuple[tuple[bool, bool, float, float, float], list[int]] | None = None
    for place in places:
        starts = [start + math.floor(place * room + 0.5) for start, room in zip(spans, free, strict=False)]
        chosen = [start + step for start, length in zip(starts, lengths, strict=True) for step in range(length)]
        held = float(cells[chosen].sum()) / max(float(cells.sum()), 1)
        less = held < share
        key = (held == 1, less, round(abs(held - share), 2), abs(place - 0.5), -place)  # training needs cells too
        if best is None or key < best[0]:
            best = key, chosen
    return best[1] if best else []


def _beside(val: Sequence[Record], records: Sequence[Record]) -> set[tuple[str, int]]:
    """Return the sequence and frame of the records that are too near to a validation frame to train."""
    frames: dict[str, set[int]] = {}
    for record in val:
        frames.setdefault(record["sequence"], set()).add(record["frame"])
    near = set()
    for name, chosen in frames.items():
        reach = sum(record["sequence"] == name for record in records) // GAP
        near |= {(name, frame + step) for frame in chosen for step in range(-reach, reach + 1)}
    return near


def _count_cells(sequence: Sequence[Record]) -> np.ndarray:
    """Return the number of cells in each frame; where they are not counted, each frame has enough."""
    if len(sequence) >= COUNTED or not all("label" in record for record in sequence):
        return np.full(len(sequence), FEWEST_CELLS)
    return np.array([_cells(record) for record in sequence])


def _cells(record: Record) -> int:
    if record.get("masks") == "files":
        return len(images_in(Path(record["label"])))
    label = read_labels(record["label"]) if "markers" in record else read_truth(record)[0]
    return len(np.unique(label[label > 0]))
