"""Pack the annotated frames that a training needs into one file of about 30 MB.

Usage: ``python -m experiments.pack_data DATA PACK``, with DATA the folder that holds ``ctc``, ``isbi2012``, ``dsb2018``
and ``dsb2018_more``.

Neighbouring frames of a sequence are near-copies, so some are left out. Grey values are rounded to steps of two thirds
of the frame's noise or a twelfth of its deviation (:func:`experiments.packed.rounding_step`): sixteen bits become 8.
``--roles score`` packs the scored frames instead, as they are.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.known import known_pixels
from experiments.packed import Entry, rounding_step, write_frame, write_index
from unetpipe.datasets import Record, find_records, read_truth
from unetpipe.io import read_image, read_labels
from unetpipe.io.images import image_size

# frames that train, that choose, that are scored
SEQUENCES: dict[str, tuple[str, tuple[Iterable[int], Iterable[int], Iterable[int]]]] = {
    "dic": ("ctc/DIC-C2DH-HeLa", (range(28), (31, 33, 34), (39, 54, *range(44, 84, 6)))),
    "u373": (
        "ctc/PhC-C2DH-U373",
        ((*range(0, 60, 2), 1, 5, 7, 21, 49, 59), (61, 67, 72, 74), (75, 92, 96, 100, 102, 112)),
    ),
    "gowt1": (
        "ctc/Fluo-N2DH-GOWT1",
        (
            (2, *range(5, 9), 10, *range(12, 19), 20, 21, 31),
            (27, 28, 29, 32, 33, 34),
            (37, 39, 40, 41, 44, 45, 46, 47),
        ),
    ),
    "sim": ("ctc/Fluo-N2DH-SIM+", (range(0, 39, 3), (39, 42, 45), range(46, 65, 6))),
    "msc": ("ctc/Fluo-C2DL-MSC", ((5, 7, 9, 11, 19), (24, 25, *range(28, 32)), (33, 34, 35, 36, 45, 46, 47))),
    "isbi": ("isbi2012", (range(15), range(15, 18), range(18, 24))),
}
KEPT_CHOOSING = 3  # every third of the images that choose
PARTLY_ANNOTATED = ("gowt1", "msc")
ROLES = ("train", "choose", "score")


def main() -> None:
    """Write the pack and say how large each set is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--sets", nargs="*", help="only these")
    parser.add_argument("--roles", nargs="*", choices=ROLES, default=ROLES[:2])
    arguments = parser.parse_args()
    entries: list[Entry] = []
    sizes: dict[str, int] = defaultdict(int)
    with zipfile.ZipFile(arguments.pack, "w") as file:
        for entry, image, label, known in frames(arguments.data, arguments.sets, arguments.roles):
            write_frame(file, entry, image, label, known)
            entries.append(entry)
            written = [info.file_size for info in file.infolist() if info.filename.startswith(f"{entry.name}.")]
            sizes[f"{entry.data} {entry.role}"] += sum(written)
        write_index(file, entries)
    for what, size in sizes.items():
        print(f"{what:16} {size / 1e6:6.2f} MB")
    print(f"{'together':16} {arguments.pack.stat().st_size / 1e6:6.2f} MB in {len(entries)} frames")


def frames(
    root: Path, wanted: Sequence[str] | None = None, roles: Sequence[str] = ROLES[:2]
) -> Iterator[tuple[Entry, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield entry, image (H, W) or (H, W, 3), instance map and known pixels of each frame."""
    for data, (folder, parts) in SEQUENCES.items():
        if wanted and data not in wanted:
            continue
        records = {record["frame"]: record for record in find_records(str(root / folder))}
        area = median_area(records[number] for number in parts[0]) if data in PARTLY_ANNOTATED else 0.0
        for role, numbers in zip(ROLES, parts, strict=True):
            for number in sorted(numbers) if role in roles else ():
                record = records[number]
                image = read_image(record["image"], record.get("page"))[0]
                label, known = read_truth(record)
                if data in PARTLY_ANNOTATED:
                    known = known_pixels(image, label, read_labels(record["markers"]), area)
                truth = record.get("truth", "gold")
                yield (entry_of(data, f"{number:03d}", data, role, truth, image), image, label, known)
    if not wanted or "dsb" in wanted:
        yield from nuclei(root, roles)


def nuclei(root: Path, wanted: Sequence[str]) -> Iterator[tuple[Entry, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the images of the Data Science Bowl of some roles."""
    for group, records in nuclei_records(root).items():
        roles = [role_of(place, len(records)) for place in range(1, len(records) + 1)]
        parts = {kind: [record for record, own in zip(records, roles, strict=True) if own == kind] for kind in wanted}
        if "choose" in parts:
            parts["choose"] = parts["choose"][::KEPT_CHOOSING]
        for role, record in ((role, record) for role, records in parts.items() for record in records):
            image = read_image(record["image"])
            image = image[0] if (image == image[:1]).all() else image[:3].transpose(1, 2, 0)
            label, known = read_truth(record)
            yield (entry_of("dsb", Path(record["image"]).stem[:8], group, role, "gold", image), image, label, known)


def nuclei_records(root: Path) -> dict[str, list[Record]]:
    """Return the records of the Data Science Bowl by the images' size, in the order of their ids."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for folder in ("dsb2018", "dsb2018_more"):
        for record in find_records(str(root / folder / "stage1_train")):
            groups["{}x{}".format(*image_size(record["image"]))].append(record)
    ordered = {group: groups[group] for group in sorted(groups)}
    for records in ordered.values():
        records.sort(key=lambda record: Path(record["image"]).stem)
    return ordered


def role_of(place: int, count: int) -> str:
    """Return the role of an image by its place, from 1, among those of its size.

    Every fifth is scored, the one before it chooses; of fewer than five the last is scored.
    """
    last = place % 5 if count >= 5 else 5 - (count - place)
    return {0: "score", 4: "choose", 5: "score"}.get(last, "train")


def median_area(records: Iterable[Record]) -> float:
    """Return the median area of the cells in the truth of all records, in pixels."""
    areas = []
    for record in records:
        label = read_labels(record["label"])
        areas.append(np.unique(label[label > 0], return_counts=True)[1])
    return float(np.median(np.concatenate(areas)))


def entry_of(data: str, frame: str, group: str, role: str, truth: str, image: np.ndarray) -> Entry:
    """Return the entry of a frame, with the rounding that its noise allows; scored frames are not rounded."""
    step, offset = (1, 0) if role == "score" else (rounding_step(image), int(image.min()))
    return Entry(data, frame, group, role, truth, step, offset)


if __name__ == "__main__":
    main()
