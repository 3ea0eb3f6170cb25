"""``unetpipe segment``: write 16-bit masks of images, by the ``inference.json`` of a trained bundle."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetpipe.bundle.settings import as_text
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.cells import add_export_argument, check_exports, check_exports_of_parts, remove_old, write_cells
from unetpipe.cli.link import LINKER, add_linker
from unetpipe.cli.options import add_bundle_and_model, add_channel, add_safe
from unetpipe.errors import InputError
from unetpipe.files import check_apart, check_folder, writing
from unetpipe.scope import THREE_DIMENSIONS

if TYPE_CHECKING:
    from unetpipe.datasets.records import Record
    from unetpipe.io.journal import Journal
    from unetpipe.large import LargeSegmentation, LazyImage
    from unetpipe.large.processes import Processes
    from unetpipe.predictor import Predictor


AUTO = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "input",
        metavar="INPUT",
        type=Path,
        help="a TIFF, PNG or NIfTI file, an OME-Zarr, a folder of these, or a data set",
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for the masks")
    add_bundle_and_model(parser, "; auto: the one that fits up to 3 of the images best")
    add_channel(parser)
    add_safe(parser)
    parser.add_argument(
        "--pixel-size",
        metavar="SIZE",
        type=float,
        help="pixel size of the images, in the unit of the bundle (micrometres) (default: unknown)",
    )
    parser.add_argument("--rescale", action="store_true", help="scale the images to the pixel size of the bundle")
    parser.add_argument(
        "--diameter",
        metavar="PIXELS",
        type=_diameter,
        help="diameter of the cells: scale the images so that they have the size that the model was trained on; auto: "
        "estimate it from up to 3 images",
    )
    parser.add_argument(
        "--rotations",
        metavar="NUMBER",
        type=int,
        help="average over 8 symmetries or 7 rotations; 0: one pass (default: as the model says)",
    )
    parser.add_argument(
        "--threshold",
        metavar="PROBABILITY",
        type=float,
        help="probability above which a pixel is cell, 0 to 1 (default: as the model says)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with an error, without that image's mask, if a result is unlike what the model was trained on",
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="link the cells of a sequence tNNN.tif (unetpipe link), and write res_track.txt and tracks.csv",
    )
    add_linker(parser)
    parser.add_argument(
        "--tables",
        action="store_true",
        help="measure each cell, and write cells.csv: size, shape, intensity, confidence, neighbours, track",
    )
    add_export_argument(parser)
    parser.add_argument("--resume", action="store_true", help="continue where an earlier run was interrupted")
    parser.add_argument("--dry-run", action="store_true", help="print tiles, memory and time, and write nothing")
    large = parser.add_argument_group(
        "images larger than memory", "OME-Zarr, and TIFF that does not fit into memory, give NAME.ome.zarr."
    )
    large.add_argument("--large", action="store_true", help="segment TIFF of any size part by part, into OME-Zarr")
    large.add_argument(
        "--memory",
        metavar="SIZE",
        help="limit for all processes together, such as 3G (default: half of the free memory)",
    )
    where = large.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", metavar="NUMBER", type=int, help="processes on this machine, through Dask (default: only this one)"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="the scheduler of a running Dask cluster (default: none)")


def run(options: argparse.Namespace, resumable: bool = True) -> None:
    """Run the bundle's inference.

    Parameters
    ----------
    options : Namespace
        What the command line says.
    resumable : bool
        Whether the user called this verb: then a sentence after Ctrl-C names ``--resume``. Other verbs do not have it.
    """
    bundle = options.bundle if options.bundle is not None else find_bundle()
    if options.rescale and options.pixel_size is None:
        raise InputError("--rescale needs the images' --pixel-size.")
    check_exports(options.export)
    if "geff" in options.export and not options.track:
        raise InputError("--export geff writes tracks, so it needs --track.")
    if options.diameter is not None and options.rescale:
        raise InputError("--diameter and --rescale both scale the images; give one of them.")
    if options.linker is not None and not options.track:
        raise InputError("--linker links cells over time, so it needs --track.")
    images = find_large_images(options)
    if images:
        if options.diameter is not None or options.strict or options.model == AUTO:
            raise InputError("--diameter, --strict and --model auto need images that fit into memory.")
        if options.track:
            raise InputError("--track needs a sequence of images that fit into memory.")
        check_exports_of_parts(options.export)
        segment_large(options, images)
        return
    from unetpipe.cli.link import describe
    from unetpipe.cli.resuming import describe as describe_work
    from unetpipe.cli.resuming import open_journal, remaining
    from unetpipe.datasets.images import find_images, left_out
    from unetpipe.datasets.labelled_pages import check_names, find_mask_files, read_labelled_pages
    from unetpipe.datasets.records import of_channel
    from unetpipe.io.formats import is_volume
    from unetpipe.predictor import Predictor
    from unetpipe.tracking import link_folder, make_linker
    from unetpipe.tracking.link import remove_tracks

    linker = options.linker or LINKER
    make_linker(linker)  # refuses one whose package is missing, before the long work
    records = find_images(options.input, options.channel)
    if options.model == AUTO:
        from unetpipe.cli.fitting import chosen_model

        options.model = chosen_model(bundle, records, options.safe)
    if options.diameter == AUTO:
        from unetpipe.cli.fitting import estimated_diameter

        options.diameter = estimated_diameter(Predictor.load(bundle, options.model, safe=options.safe), records)
    predictor = Predictor.load(
        bundle,
        options.model,
        safe=options.safe,
        dataset_dir=as_text(options.input),
        output_dir=as_text(options.output),
        image_pixel_size=options.pixel_size,
        rescale=options.rescale,
        strict=options.strict,
        diameter=options.diameter,
        **model_overrides(options),
    )
    records = [of_channel(record, predictor.channel) for record in records]
    journal = open_journal(options.output, predictor)
    todo = remaining(records, options.output, journal) if options.resume else records
    if options.dry_run:
        print(describe_work(todo, predictor) if todo else "Every mask is complete.")
        return
    if any("page" in record and is_volume(record["image"]) for record in records):
        print(f"Note: {THREE_DIMENSIONS}")
    folders = check_sequences(options.input, options.output) if options.track else []
    names = list(dict.fromkeys(record["mask_name"] for record in records))
    if options.tables or options.export:
        check_names([options.output / name for name in names], options.output)
    check_folder(options.output)
    _check_owned(records, options.output, journal, folders)
    beside = None if options.input.is_file() else left_out(records)
    if beside:
        print(f"Left out: {beside}")

    def begin() -> None:
        """Remove what will not fit the new masks."""
        remove_old(options.output)
        ours = [(options.output / record["mask_name"]).parent for record in records] if journal.path.is_file() else []
        for folder in dict.fromkeys([*folders, *ours]):
            removed = remove_tracks(folder)
            if removed and not options.track:
                print(f"Removed, because they belong to earlier masks in {folder}: {', '.join(removed)}")
        journal.begin(forget=not options.resume)

    with writing(options.output):
        if len(todo) < len(records):
            print(f"Complete already: {len(records) - len(todo)} of {len(records)} images")
        if todo:
            with _saying_how_to_continue() if resumable else nullcontext():
                segment_images(predictor, todo, journal, begin)
        print(f"Masks: {options.output}")
        _say_what_is_kept(options.output, names)
        for folder in folders:
            tracks = link_folder(folder, linker=make_linker(linker), pixel_size=options.pixel_size)
            print(describe(tracks, folder))
        if options.tables or options.export:
            masks = find_mask_files(options.output, options.input, names, predictor.channel)
            confidences = journal.confidences()
            write_cells(
                options.output,
                lambda: read_labelled_pages(masks, options.pixel_size, confidences),
                options.export,
                options.tables,
            )


def _diameter(text: str) -> float | str:
    """Return a number, or "auto"."""
    if text == AUTO:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of pixels nor auto") from None


def model_overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return the values that the user sets instead of those of the model; the keys are those of ``inference.json``."""
    asked = {"rotations": options.rotations, "threshold": options.threshold, "channel": options.channel}
    return {key: value for key, value in asked.items() if value is not None}


def _check_owned(
    records: Sequence[Record], output: Path, journal: Journal, track_folders: Collection[Path] = ()
) -> None:
    """Check that masks neither replace nor join files other than an earlier result of these images.

    Parameters
    ----------
    records : sequence of Record
        The images, with the names of their masks.
    output : Path
        The output folder.
    journal : Journal
        That of the output folder: where it exists, the images there are masks of earlier runs.
    track_folders : collection of Path
        Where tables of tracks will be written.
    """
    from unetpipe.datasets.layouts import check_outside_data
    from unetpipe.datasets.results import TRACK_TABLE
    from unetpipe.io.derived import check_no_others
    from unetpipe.tracking.link import MEASURED

    mask_folders = dict.fromkeys((output / record["mask_name"]).parent for record in records)
    for folder in mask_folders:
        check_outside_data(folder, "masks")
    if journal.path.is_file():
        noted = journal.images()
        for record in records:
            mask = output / record["mask_name"]
            other = noted.get(mask.absolute())
            if other and other.is_file() and mask.is_file() and not other.samefile(record["image"]):
                raise InputError(
                    f"{mask} is the mask of {other}, not of {record['image']}; name another output folder."
                )
        return
    for folder in mask_folders:
        check_no_others(folder, (), "segment")
    for table in (folder / name for folder in track_folders for name in (TRACK_TABLE, MEASURED)):
        if table.exists():
            raise InputError(
                f"{table} was not written by unetpipe segment; name another output folder, or remove that file if "
                "nobody needs it."
            )


def _say_what_is_kept(output: Path, names: Sequence[str]) -> None:
    """Name the masks of earlier runs that lie among those of these names."""
    from unetpipe.io.derived import CELLS, derived_paths
    from unetpipe.io.formats import images_in
    from unetpipe.io.journal import few

    ours = {output / name for name in names}
    folders = dict.fromkeys(mask.parent for mask in ours)
    drawn = {path for folder in (output, *folders) for path in derived_paths(folder, CELLS)}
    kept = [path for folder in folders for path in images_in(folder) if path not in ours and path not in drawn]
    if kept:
        named = few([path.relative_to(output).as_posix() for path in kept])
        masks, them = ("mask", "it") if len(kept) == 1 else ("masks", "them")
        print(
            f"Kept: {len(kept)} {masks} of an earlier run, of none of these images: {named}. Move {them} away before "
            "you measure, score or link the masks."
        )


def segment_images(predictor: Predictor, records: list[Record], journal: Journal, begin: Callable[[], None]) -> None:
    """Run the inference of the bundle on images; the journal notes each mask that is written.

    ``begin`` is called when the bundle has checked everything, before the first mask is written.
    """
    from ignite.engine import Events

    from unetpipe.bundle.workflow import open_workflow, parsed, quiet

    values = {
        **predictor.values,
        "dataset#data": tuple(records),  # the parser would evaluate the names of the files in a list
        "save#journal": journal.path,
        "save#settings": journal.settings,
        "preflight#channel": predictor.channel,  # bundles of earlier versions do not name it
    }
    workflow = open_workflow(predictor.configs, "infer", values)
    for key in ("preflight", "evaluator"):  # refuses a damaged config in one sentence
        parsed(workflow.parser, key, predictor.configs)
    workflow.evaluator.add_event_handler(Events.STARTED, begin)
    with quiet():
        workflow.run()
        workflow.finalize()


@contextmanager
def _saying_how_to_continue() -> Iterator[None]:
    """Say after Ctrl-C that ``--resume`` continues."""
    try:
        yield
    except KeyboardInterrupt:
        print("The same command with --resume continues where this one stopped.", flush=True)
        raise


def find_large_images(options: argparse.Namespace) -> list:
    """Return the images that are segmented part by part, with the folders of their results; none if all fit in memory.

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


def segment_large(options: argparse.Namespace, images: list[tuple[LazyImage, Path]]) -> None:
    """Segment images block by block, or say how long it would take."""
    from unetpipe.large.planning import estimated_seconds, say_time, seconds_a_block
    from unetpipe.large.segmenting import check_disk
    from unetpipe.memory import keep_freed_memory

    keep_freed_memory()
    results = []
    with _processes(options) as processes:
        # what is wrong with any image is said before the long work on the first one
        segmentations = [_plan(options, image, options.output / folder, processes) for image, folder in images]
        if not options.dry_run:
            # of those with an earlier result, each run checks that both fit: the earlier one then gives its space back
            check_disk([segmentation for segmentation in segmentations if not segmentation.target.exists()])
        for segmentation, (image, folder) in zip(segmentations, images, strict=True):
            segmentation.plan()  # again, because hours may have passed
            print(segmentation.describe())
            if options.dry_run:
                seconds = seconds_a_block(segmentation.work)
                total = estimated_seconds(segmentation.work, seconds, segmentation.processes.workers)
                print(f"Time: {seconds:.2f} s a tile, about {say_time(total)} in all; nothing was written")
            else:
                with _saying_how_to_continue():
                    result = segmentation.run(before_publishing=partial(remove_old, options.output))
                results.append((result, segmentation.image, (folder / image.name).as_posix()))
                print(f"Result: {results[-1][0]}")
    if results and (options.tables or options.export):
        from unetpipe.large.cells import result_pages

        with writing(options.output):
            write_cells(
                options.output,
                lambda: chain.from_iterable(
                    result_pages(result, image, options.pixel_size, name) for result, image, name in results
                ),
                options.export,
                options.tables,
            )


def _plan(
    options: argparse.Namespace, image: LazyImage, target: Path, processes: Processes | None
) -> LargeSegmentation:
    """Check an image and the folder of its result, and choose its blocks."""
    from unetpipe.datasets.layouts import check_outside_data
    from unetpipe.large import LargeSegmentation
    from unetpipe.large.planning import parse_bytes

    if image.path != options.input:
        check_apart(target, {image.path.parent: "images"}, "results")
    if not target.exists() or not target.samefile(image.path.parent):  # one image may have its result beside it
        check_outside_data(target, "results")
    return LargeSegmentation(
        image,
        target,
        options.bundle,
        model=options.model,
        safe=options.safe,
        overrides=_overrides(options, image),
        memory=parse_bytes(options.memory) if options.memory else None,
        resume=options.resume,
        processes=processes,
    )


def _processes(options: argparse.Namespace) -> AbstractContextManager[Processes | None]:
    from unetpipe.large.processes import cluster_processes, local_processes

    if options.scheduler:
        return cluster_processes(options.scheduler)
    return local_processes(options.workers) if options.workers is not None else nullcontext()


def _overrides(options: argparse.Namespace, image: LazyImage) -> dict[str, Any]:
    """Return values for keys of ``inference.json``; the pixel size is that of the image if the user gives none."""
    pixel_size = image.pixel_size if options.pixel_size is None else options.pixel_size
    return {"image_pixel_size": pixel_size, "rescale": options.rescale, **model_overrides(options)}


def check_sequences(images: Path, output: Path) -> list[Path]:
    """Check, before the long work, that images are whole sequences, and return the folders that their masks go to.

    Raises
    ------
    InputError
        If an image is not called tNNN.tif, a frame is missing, or a folder holds masks of something else.
    """
    from unetpipe.datasets.images import find_images
    from unetpipe.tracking.link import check_complete, check_target

    folders: dict[Path, set[str]] = {}
    for record in find_images(images):
        mask = Path(record["mask_name"])
        if "page" in record or not re.fullmatch(r"mask\d{3,}\.tif", mask.name):
            raise InputError(
                f"--track needs a sequence of single images t000.tif, t001.tif …; {record['image']} is not one."
            )
        folders.setdefault(output / mask.parent, set()).add(mask.name)
    for folder, names in folders.items():
        check_complete({int(name[4:-4]) for name in names}, f"The sequence for {folder}", "t")
        check_target(folder, names)
    return list(folders)
