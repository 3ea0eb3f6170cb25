"""``unetpipe segment``: images in, 16-bit masks out, by a trained bundle's ``inference.json``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.link import describe
from unetpipe.cli.resuming import describe as describe_work
from unetpipe.cli.resuming import open_journal, remaining
from unetpipe.datasets.images import find_images
from unetpipe.datasets.records import Record
from unetpipe.errors import InputError
from unetpipe.files import check_folder
from unetpipe.io.journal import Journal
from unetpipe.predictor import Predictor
from unetpipe.tracking.link import check_complete, check_target, link_folder, remove_tracks


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("segment", help="segment an image, a stack, a volume, a folder of them, or a data set")
    parser.add_argument("input", type=Path, help="TIFF, PNG, NIfTI file or OME-Zarr, folder of such, or data set")
    parser.add_argument("--output", type=Path, required=True, help="folder for the masks")
    parser.add_argument("--bundle", type=Path, help="folder of a trained bundle; by default the one installed")
    parser.add_argument("--model", help="one of the bundle's models by name: dic_hela, phc_u373, isbi2012, nuclei")
    parser.add_argument("--pixel-size", type=float, help="of the images, in the unit of the bundle's (micrometres)")
    parser.add_argument("--rescale", action="store_true", help="scale the images to the bundle's pixel size")
    parser.add_argument(
        "--rotations", type=int, help="average over 8 symmetries or 7 rotations; 0: one pass; by default the model's"
    )
    parser.add_argument(
        "--threshold", type=float, help="probability above which is cell, 0 to 1; by default the model's"
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="link the cells of a sequence tNNN.tif from frame to frame (unetpipe link) and write res_track.txt",
    )
    parser.add_argument("--resume", action="store_true", help="go on where an earlier run was cut off")
    parser.add_argument("--dry-run", action="store_true", help="say tiles, memory and time, and write nothing")
    large = parser.add_argument_group(
        "images larger than memory", "OME-Zarr, and TIFF that does not fit: NAME.ome.zarr"
    )
    large.add_argument("--large", action="store_true", help="segment TIFF of any size part by part, into OME-Zarr")
    large.add_argument("--memory", help="that all processes may take, such as 3G; by default half of what is free")
    where = large.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes on this machine, through Dask; by default this one alone")
    where.add_argument("--scheduler", help="address of the scheduler of a Dask cluster that runs already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the bundle's inference."""
    bundle = options.bundle if options.bundle is not None else find_bundle()
    if options.rescale and options.pixel_size is None:
        raise InputError("--rescale needs the images' --pixel-size.")
    images = find_large_images(options)
    if images:
        from unetpipe.cli import segment_large

        if options.track:
            raise InputError("--track needs a sequence of images that fit into memory.")
        segment_large.run(options, images)
        return
    predictor = Predictor.load(
        bundle,
        options.model,
        dataset_dir=str(options.input),
        output_dir=str(options.output),
        image_pixel_size=options.pixel_size,
        rescale=options.rescale,
        **model_overrides(options),
    )
    records = find_images(options.input)
    journal = open_journal(options.output, predictor)
    todo = remaining(records, options.output, journal) if options.resume else records
    if options.dry_run:
        print(describe_work(todo, predictor) if todo else "Every mask is complete.")
        return
    folders = check_sequences(options.input, options.output) if options.track else []
    check_folder(options.output)
    if len(todo) < len(records):
        print(f"Complete already: {len(records) - len(todo)} of {len(records)} images")
    if todo:
        segment_images(predictor, todo, journal, folders, resume=options.resume)
    print(f"Masks: {options.output}")
    for folder in folders:
        print(describe(link_folder(folder), folder))


def model_overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the user sets instead of the model's own values; keys of ``inference.json``."""
    asked = {"rotations": options.rotations, "threshold": options.threshold}
    return {key: value for key, value in asked.items() if value is not None}


def segment_images(
    predictor: Predictor,
    records: list[Record],
    journal: Journal,
    tracked: Sequence[Path] = (),
    resume: bool = False,
) -> None:
    """Run the bundle's inference on images; the journal notes each mask that is written.

    The old track tables of the folders ``tracked``, and what the journal holds unless ``resume``, go when the bundle
    has checked everything, before the first mask.
    """
    values = {
        **predictor.values,
        "dataset#data": records,
        "save#journal": journal.path,
        "save#settings": journal.settings,
    }
    workflow = ConfigWorkflow(config_file=predictor.configs, logging_file=False, workflow_type="infer", **values)
    workflow.initialize()
    if not resume:
        workflow.evaluator.add_event_handler(Events.STARTED, journal.begin)
    for folder in tracked:
        workflow.evaluator.add_event_handler(Events.STARTED, lambda engine, folder=folder: remove_tracks(folder))
    workflow.run()
    workflow.finalize()


def find_large_images(options: argparse.Namespace) -> list:
    """Return the images that are segmented part by part, with the folders of their results; none if all fit.

    Raises
    ------
    InputError
        If such images or options are given and what they need is not installed.
    """
    try:
        from unetpipe.large.images import find_large
        from unetpipe.large.planning import parse_bytes
    except ImportError as error:
        asked = options.large or options.memory or options.workers is not None or options.scheduler
        if not asked and options.input.suffix != ".zarr":
            return []
        raise InputError(
            f'Images larger than memory need what pip install "unetpipe[large]" installs ({error}).'
        ) from error
    memory = parse_bytes(options.memory) if options.memory else None
    force = options.large or options.workers is not None or options.scheduler is not None
    return find_large(options.input, memory, force)


def check_sequences(images: Path, output: Path) -> list[Path]:
    """Check, before the long work, that images are whole sequences, and return the folders that their masks go to.

    Raises
    ------
    InputError
        If an image is not called tNNN.tif, a frame is missing, or a folder holds masks of something else.
    """
    folders: dict[Path, set[str]] = {}
    for record in find_images(images):
        mask = Path(record["mask_name"])
        if "page" in record or not re.fullmatch(r"mask\d{3,}\.tif", mask.name):
            raise InputError(
                f"--track needs a sequence of single images t000.tif, t001.tif …; {record['image']} is no such image."
            )
        folders.setdefault(output / mask.parent, set()).add(mask.name)
    for folder, names in folders.items():
        check_complete({int(name[4:-4]) for name in names}, f"The sequence for {folder}", "t")
        check_target(folder, names)
    return list(folders)
