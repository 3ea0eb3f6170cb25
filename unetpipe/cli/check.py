"""``unetpipe check``: what a folder of data holds, what is wrong with it, and the command that trains on it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unetpipe.cli.options import add_channel, as_command
from unetpipe.errors import InputError

if TYPE_CHECKING:
    from unetpipe.datasets import Frame, Survey
    from unetpipe.datasets.records import Record

PICTURES = 12
MASKS = {
    "instances": "instances: every value is a cell",
    "classes": "classes: the connected components of each value are the cells",
    "borders": "borders between cells: the parts of the annotated field between them are the cells",
    "shares": "shares 0 … 1: the connected components above one half are the cells",
    "files": "one file for each cell",
    "binary": "0 and one other value: its connected components are the cells",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("folder", metavar="DATA", type=Path, help="a data set in one of the layouts of docs/layouts.md")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("check.png"), help="contact sheet (default: check.png)"
    )
    parser.add_argument(
        "--masks",
        choices=["auto", "instances", "classes"],
        default="auto",
        help="what the values of masks in paired folders are (default: auto)",
    )
    add_channel(parser)


def run(options: argparse.Namespace) -> None:
    """Read every file, print what it is like, draw the contact sheet, and propose a training.

    Raises
    ------
    InputError
        If anything is wrong. Before that, each problem is printed on a line of its own.
    """
    from PIL import Image

    if options.output.suffix.lower() not in (".png", ".tif", ".tiff") or options.output.is_dir():
        raise InputError(f"{options.output} cannot be the contact sheet; name a file that ends in .png.")

    from unetpipe.datasets import LAYOUTS, find_records, recognise, survey
    from unetpipe.datasets.records import FILES
    from unetpipe.io import write_picture

    problems: list[str] = []
    _say("Folder", options.folder)
    _say("Layout", LAYOUTS[recognise(options.folder)].DESCRIPTION)
    records = find_records(options.folder, masks=options.masks, complain=problems.append, channel=options.channel)
    of_the_set = {Path(record[key]).resolve() for record in records for key in FILES if key in record}  # type: ignore[literal-required]
    if options.output.resolve() in of_the_set:
        raise InputError(
            f"The contact sheet would replace {options.output}, a file of the data set; name another file."
        )
    found = survey(records, complain=problems.append)
    channels = _describe(found, records, options.folder)
    problems += _problems_of_the_whole(found, channels)
    for warning in found.warnings():
        _say("Note", warning)
    if found.frames:
        write_picture(options.output, Image.fromarray(_draw(found.frames)))
        _say("Picture", f"{options.output} (outlines of the truth; check that they fit)")
    for problem in problems:
        _say("Wrong", problem)
    if len(found.areas):
        _propose(found, options, channels, "Train on it" if not problems else "After you have corrected this, train")
    if problems:
        count = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
        raise InputError(f"{count} wrong with {options.folder}; the lines that begin with Wrong say what.")


def _say(subject: str, what: object) -> None:
    print(f"{subject + ':':<10} {what}", flush=True)


def _describe(found: Survey, records: list[Record], folder: Path) -> int:
    """Print what the frames are like, and return the number of channels of most of them."""
    from unetpipe.datasets.images import left_out

    kinds = {record["masks"] for record in records if "masks" in record}
    for kind in kinds:
        _say("Masks", MASKS[kind])
    sequences = dict.fromkeys(record["sequence"] for record in records)
    _say("Frames", f"{len(records)} with truth, in {len(sequences)} sequence(s): {_some(sequences)}")
    used = {(record["image"], record.get("page")) for record in records}
    images = _images(folder)
    without = [Path(image["image"]).name for image in images if (image["image"], image.get("page")) not in used]
    if without:
        pages = [name if count == 1 else f"{name} ({count} pages)" for name, count in Counter(without).items()]
        _say("Unused", f"without truth, so not trained on: {_some(pages)}")
    beside = left_out(records, images)
    if beside:
        _say("Left out", beside)
    frames = found.frames
    if not frames:
        return 1
    _say("Size", f"{_counted(f'{frame.shape[1]}×{frame.shape[2]}' for frame in frames)} pixels (height × width)")
    low, high = min(frame.lowest for frame in frames), max(frame.highest for frame in frames)
    _say("Pixels", f"{_counted(frame.dtype for frame in frames)}, values {low:g} to {high:g}")
    grey = {frame.channels for frame in frames} == {1}
    channels = Counter(frame.channels if grey else frame.shape[0] for frame in frames)
    equal = [frame for frame in frames if frame.grey_as_colours]
    said = f"; in {len(equal)} frame(s) three channels are equal" if equal else ""
    said += ", so they are grey and one channel is taken" if equal and grey else ""
    _say("Channels", _counted(str(frame.shape[0]) for frame in frames) + said)
    counts = [len(frame.areas) for frame in frames]
    _say("Cells", f"{len(found.areas)}: {np.mean(counts):.1f} a frame ({min(counts)} to {max(counts)})")
    if len(found.areas):
        small, middle, large = np.percentile(found.diameters, (5, 50, 95))
        _say("Diameter", f"{middle:.1f} pixels (median; 5 % are below {small:.1f}, 5 % above {large:.1f})")
        _say("Touching", f"{found.touching:.0%} of the cells touch another")
    partly = sum(frame.unknown > 0 for frame in frames)
    _say("Unknown", f"{found.unknown:.1%} of the pixels; {partly} frame(s) are partly annotated")
    return channels.most_common(1)[0][0]


def _problems_of_the_whole(found: Survey, channels: int) -> list[str]:
    """Say what is wrong with the set although each file is right."""
    from unetpipe.datasets import split_records

    if not found.frames:
        return []
    problems = [
        f"{frame.record['image']} has {frame.shape[0]} channel(s), most others have {channels}; "
        "all must have the same number, or choose one of them by --channel."
        for frame in found.frames
        if frame.shape[0] != channels and not (frame.channels == 1 and channels in (1, 3))
    ]
    cells = {(frame.record["sequence"], frame.record["frame"]): len(frame.areas) for frame in found.frames}
    if not any(cells.values()):
        return [*problems, "There is no cell: all label maps are 0 everywhere."]
    try:
        parts = split_records([frame.record for frame in found.frames])
    except InputError as error:
        return [*problems, str(error)]
    for part, name in (("train", "training"), ("val", "validation")):
        if not any(cells[record["sequence"], record["frame"]] for record in parts[part]):
            problems.append(f"The {name} part of the default split holds no cell; choose it by --set val_frames=….")
    _say_split(found, parts)
    return problems


def _say_split(found: Survey, parts: dict[str, list[Record]]) -> None:
    """Print what validates if nothing is named, and whether it is enough."""
    from unetpipe.datasets import Survey
    from unetpipe.training.checks import frame_list, split_warnings

    places = {(frame.record["sequence"], frame.record["frame"]): frame for frame in found.frames}
    chosen = {part: Survey([places[record["sequence"], record["frame"]] for record in parts[part]]) for part in parts}
    val, train = chosen["val"], chosen["train"]
    _say("Training", f"{len(train.frames)} frames with {len(train.areas)} cells")
    _say("Validation", f"{len(val.frames)} frames with {len(val.areas)} cells ({frame_list(val)})")
    for warning in split_warnings(chosen, [], {}):
        _say("Note", warning)


def _propose(found: Survey, options: argparse.Namespace, channels: int, train: str) -> None:
    """Print the command to train with, after the word ``train``, and the reasons for it."""
    from unetpipe.training.proposal import (
        CPU_MINUTES,
        LARGE_CELL,
        epochs_within,
        propose,
        proposed_network,
        seconds_a_step,
        this_machine,
    )

    machine = this_machine()
    diameter = float(np.median(found.diameters))
    largest_side = max(max(frame.shape[1:]) for frame in found.frames)
    proposal = propose(diameter, largest_side, machine, channels)
    seconds = seconds_a_step(proposed_network(proposal, channels), proposal.tile, proposal.batch_size)
    short = not machine.gpu_memory  # a training of few tiles: dim cells are learned late
    epochs = epochs_within(seconds, 2 * CPU_MINUTES if found.dim else CPU_MINUTES) if short else 60
    _say("Machine", f"{machine}; a step of the network below takes {seconds:.2g} s")
    if diameter > LARGE_CELL:
        factor = LARGE_CELL / 2 / diameter
        _say(
            "Note",
            f"cells are wider than the part of the image that the network sees; first scale images and masks by about "
            f"{factor:.1g}",
        )
    if any(frame.record.get("masks") == "binary" for frame in found.frames):
        _say("Note", "masks of one value cannot tell touching cells apart: such cells count as one")
    if found.dim:
        _say(
            "Note",
            f"{found.dim} of {len(found.areas)} cells are dim: they differ from the background by less than half a "
            "standard deviation of their frame, and other cells by more than three. The normalization below "
            "compresses grey values, so the network finds dim cells too"
            + (
                ". Shading and other fields of view hide dim cells in a short training, so they are off"
                if short
                else ""
            ),
        )
    settings: dict[str, Any] = {
        "channels": str(list(proposal.channels)).replace(" ", ""),
        "tile": proposal.tile,
    }
    if proposal.batch_size > 1:
        settings |= {"batch_size": proposal.batch_size, "learning_rate": proposal.learning_rate}
    if channels != 1:
        settings["in_channels"] = channels
    if found.dim:
        settings["normalization"] = "unetpipe.transforms.NormalizeBrightd"
        settings |= dict.fromkeys(("shading", "field_of_view_prob", "ground_prob"), 0) if short else {}
    if options.masks != "auto":
        settings["masks"] = options.masks
    if epochs != 60:
        settings["max_epochs"] = epochs
    output = Path("trained") / options.folder.resolve().name
    command: list[str | Path] = ["unetpipe", "train", options.folder, "--output", output]
    command += [] if options.channel is None else ["--channel", str(options.channel)]
    command += ["--set"] + [f"{key}={value}" for key, value in settings.items()]
    minutes = seconds * 100 * epochs / 60
    print(
        f"\n{train} with (a tile returns {proposal.output}×{proposal.output} pixels, "
        f"{proposal.output / diameter:.1f} cells wide; {epochs} epochs of 100 steps, roughly {minutes:.0f} min;\n"
        "if frames are large, validation takes about as long as training):\n\n"
        f"  {as_command(command)}\n",
        flush=True,
    )


def _draw(frames: list[Frame]) -> np.ndarray:
    """Draw frames, spread evenly over the set, on a contact sheet."""
    from unetpipe.datasets import read_truth
    from unetpipe.datasets.pixels import read_pixels
    from unetpipe.report import contact_sheet, thumbnail

    chosen = np.unique(np.linspace(0, len(frames) - 1, PICTURES).round().astype(int))
    pictures, captions = [], []
    for frame in (frames[index] for index in chosen):
        pictures.append(thumbnail(read_pixels(frame.record), *read_truth(frame.record)))
        captions.append(f"{_frame_name(frame.record)}: {len(frame.areas)} cells")
    return contact_sheet(pictures, captions)


def _frame_name(record: Record) -> str:
    path = Path(record["image"])
    place = path.name if "page" not in record else f"{path.name}, page {record['page']}"
    return place if "masks" in record else f"{record['sequence']}/{place}"


def _images(folder: Path) -> list[Record]:
    """Return the images of a folder, also those without truth."""
    from unetpipe.datasets import find_images

    try:
        return find_images(folder)
    except InputError:  # it is among the problems already
        return []


def _counted(values: Iterable[str]) -> str:
    """Say which values there are, and how often if there are several: "64×64 (3), 80×64 (1)"."""
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common())


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
