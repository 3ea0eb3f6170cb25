"""Training and validation parts, split by time or sequence, never at random: neighbouring frames are near-copies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from unetpipe.datasets.records import Record
from unetpipe.errors import InputError

Frames = int | str | Sequence[int | str] | None
VALIDATION_SHARE = 0.2


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
            chosen.update(range(int(first), int(last if dash else first) + 1, int(step or 1)))
        except ValueError:
            raise InputError(
                f'frames={frames!r} cannot be read; write it as "0-27", "0-27:3" (every third) or "0-27,35".'
            ) from None
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

    What is named is taken. If neither validation sequences nor frames are named, the last fifth of
    each sequence in time is kept for validation. Frames of the validation part never train, unless
    ``hold_out`` is False: then all that is named trains, and the validation part only shows that it does.

    Raises
    ------
    InputError
        If a part is empty.
    """
    if val_sequences is None and val_frames is None:
        candidates = select(records, train_sequences, train_frames)
        val = [record for name in _names(candidates) for record in _last_fifth(select(candidates, name))]
    else:
        val = select(records, val_sequences, val_frames)
    held_out = {(record["sequence"], record["frame"]) for record in val if hold_out}
    train = [
        record
        for record in select(records, train_sequences, train_frames)
        if (record["sequence"], record["frame"]) not in held_out
    ]
    for part, chosen in (("training", train), ("validation", val)):
        if not chosen:
            raise InputError(
                f"No frame is left for {part}: {len(records)} frames have truth, in sequences "
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


def _last_fifth(records: list[Record]) -> list[Record]:
    return records[len(records) - math.ceil(VALIDATION_SHARE * len(records)) :] if len(records) > 1 else []
