"""``unetpipe segment`` for images larger than memory."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from unetpipe.cli.segment import model_overrides
from unetpipe.large import LargeSegmentation, LazyImage
from unetpipe.large.planning import estimated_seconds, parse_bytes, say_time, seconds_a_block
from unetpipe.large.processes import Processes, ThisProcess, cluster_processes, local_processes
from unetpipe.memory import keep_freed_memory


def run(options: argparse.Namespace, images: list[tuple[LazyImage, Path]]) -> None:
    """Segment images block by block, or say what it would take."""
    keep_freed_memory()
    with _processes(options) as processes:
        for image, folder in images:
            segmentation = LargeSegmentation(
                image,
                options.output / folder,
                options.bundle,
                model=options.model,
                overrides=_overrides(options, image),
                memory=parse_bytes(options.memory) if options.memory else None,
                resume=options.resume,
                processes=processes,
            )
            print(segmentation.describe())
            if options.dry_run:
                seconds = seconds_a_block(segmentation.work)
                total = estimated_seconds(segmentation.work, seconds, processes.workers)
                print(f"Time: {seconds:.2f} s a tile, about {say_time(total)} in all; nothing was written")
            else:
                print(f"Result: {segmentation.run()}")


def _processes(options: argparse.Namespace) -> AbstractContextManager[Processes]:
    if options.scheduler:
        return cluster_processes(options.scheduler)
    return local_processes(options.workers) if options.workers is not None else nullcontext(ThisProcess())


def _overrides(options: argparse.Namespace, image: LazyImage) -> dict[str, Any]:
    """Return values for keys of the bundle's config; an image that knows its pixel size tells it."""
    pixel_size = image.pixel_size if options.pixel_size is None else options.pixel_size
    return {"image_pixel_size": pixel_size, "rescale": options.rescale, **model_overrides(options)}
