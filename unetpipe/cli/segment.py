"""``unetpipe segment``: images in, 16-bit masks out, by a trained bundle's ``inference.json``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from unetpipe.bundle import find_bundle
from unetpipe.cli.link import describe
from unetpipe.data.images import find_images
from unetpipe.errors import InputError
from unetpipe.models import inference_configs
from unetpipe.tracking.relink import check_complete, check_target, link_folder, remove_tracks


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the program's parser."""
    parser = verbs.add_parser("segment", help="segment an image, a stack, a volume, a folder of them, or a data set")
    parser.add_argument("input", type=Path, help="TIFF, PNG or NIfTI file, folder of such, or data set")
    parser.add_argument("--output", type=Path, required=True, help="folder for the masks")
    parser.add_argument("--bundle", type=Path, help="folder of a trained bundle; by default the one installed")
    parser.add_argument("--model", help="one of the bundle's models by name: dic_hela, phc_u373, isbi2012")
    parser.add_argument("--pixel-size", type=float, help="of the images, in the unit of the bundle's (micrometres)")
    parser.add_argument("--rescale", action="store_true", help="scale the images to the bundle's pixel size")
    parser.add_argument(
        "--track",
        action="store_true",
        help="link the cells of a sequence tNNN.tif from frame to frame (unetpipe link) and write res_track.txt",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the bundle's inference."""
    bundle = options.bundle if options.bundle is not None else find_bundle()
    configs = inference_configs(bundle, options.model)
    if options.rescale and options.pixel_size is None:
        raise InputError("--rescale needs the images' --pixel-size.")
    folders = check_sequences(options.input, options.output) if options.track else []
    workflow = ConfigWorkflow(
        config_file=configs,
        logging_file=False,
        workflow_type="infer",
        bundle_root=str(bundle),
        dataset_dir=str(options.input),
        output_dir=str(options.output),
        image_pixel_size=options.pixel_size,
        rescale=options.rescale,
    )
    workflow.initialize()
    for folder in folders:  # when the bundle has checked everything, before it writes the first mask
        workflow.evaluator.add_event_handler(Events.STARTED, lambda engine, folder=folder: remove_tracks(folder))
    workflow.run()
    workflow.finalize()
    print(f"Masks: {options.output}")
    for folder in folders:
        print(describe(link_folder(folder), folder))


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
