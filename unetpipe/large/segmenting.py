"""A large image segmented block by block: planned, computed, resumed, published."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError
from unetpipe.files import check_folder, first_line, only_writer, write_text
from unetpipe.large.blocks import Grid
from unetpipe.large.images import ImageError, LazyImage
from unetpipe.large.network import compute, load_predictor
from unetpipe.large.numbering import NUMBERS
from unetpipe.large.planning import Budget, gib, plan_blocks
from unetpipe.large.processes import DaskProcesses, Processes, ThisProcess, quiet, threads_beside
from unetpipe.large.result import create, disk_bytes, is_whole, publish, published
from unetpipe.large.stages import stages
from unetpipe.large.statistics import PAGE as NORMALISATION
from unetpipe.large.statistics import as_statistics
from unetpipe.large.work import Statistics, Work
from unetpipe.memory import default_memory
from unetpipe.predictor import BRIGHT_NORMALIZATION, NORMALIZATION, Predictor

logger = logging.getLogger(__name__)

FORMAT = 1  # of the work folder
COMPRESSION = 20  # probabilities are never compressed to less than a twentieth


class LargeSegmentation:
    """The segmentation of one large image.

    Parameters
    ----------
    image : LazyImage
        The image. Each page is normalised by its own mean and standard deviation, and for NormalizeBrightd by the sign
        of its third moment.
    output : path
        Folder for the result ``NAME.ome.zarr``.
    bundle : path, optional
        A trained bundle's folder; by default the bundle that comes with the package.
    model : str, optional
        One of the bundle's models by name.
    safe : bool
        Use only weights and plain values of the bundle (:meth:`unetpipe.Predictor.load`).
    overrides : mapping, optional
        Values for keys of its ``inference.json``, such as ``threshold``.
    memory : int, optional
        Bytes that all processes together may take; by default half of the free memory.
    block : int, optional
        Side of the blocks in pixels; by default it follows from the memory.
    resume : bool
        Continue an earlier run of the same segmentation that was interrupted.
    statistics : (sequence of float, sequence of float) or (sequence of float, sequence of float, int), optional
        Mean and standard deviation of each channel to normalise by, instead of each page's own. A model that is
        normalised by :class:`unetpipe.transforms.NormalizeBrightd` needs the sign as well: 1, or -1 for an image of
        dark objects. The attribute ``unetpipe`` of a result holds what its pages were normalised by, as ``mean``,
        ``deviation`` and ``sign``.
    processes : Processes, optional
        Where blocks are computed; by default in this process. Where it has a GPU, workers on the same machine leave the
        network to this process, and several threads of it read and write blocks for it.

    Attributes
    ----------
    target : Path
        Where the result goes.
    budget : Budget
        Blocks, tile and memory.

    Raises
    ------
    InputError
        If the image, the bundle, the output folder, the statistics or the memory do not fit, or ``resume`` finds the
        work of another segmentation.
    """

    def __init__(
        self,
        image: LazyImage,
        output: str | os.PathLike,
        bundle: str | os.PathLike | None = None,
        *,
        model: str | None = None,
        safe: bool = False,
        overrides: Mapping[str, Any] | None = None,
        memory: int | None = None,
        block: int | None = None,
        resume: bool = False,
        statistics: Sequence[Any] | None = None,
        processes: Processes | None = None,
    ) -> None:
        quiet()
        self.target = Path(output).absolute() / f"{image.name}.ome.zarr"
        self.resume, self.memory, self.block = resume, memory, block
        root = str(Path(bundle or find_bundle()).absolute())
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in (overrides or {}).items()}
        self._model = (root, model, safe, tuple(sorted(values.items())))
        predictor = self.predictor
        self.image = image.of_channel(predictor.channel)
        self.image.check(predictor.channels)
        bright = predictor.normalization == BRIGHT_NORMALIZATION
        self.statistics = None if statistics is None else as_statistics(statistics, self.image.channels, bright)
        threads = threads_beside(predictor.device)
        self.processes: Processes = ThisProcess(threads) if processes is None else processes
        shared = threads > 1 and isinstance(self.processes, DaskProcesses) and self.processes.local
        self.network: Processes = ThisProcess(threads) if shared else self.processes
        self._most_threads = self.network.threads
        self.plan()

    @property
    def predictor(self) -> Predictor:
        """The model. Only one is kept in memory, so this may load it again."""
        return load_predictor(*self._model)

    def plan(self) -> None:
        """Look at image and output folder, and choose blocks by the memory that is free now; raises as the class does.

        A new segmentation is planned already. Plan it again if you run it much later.
        """
        self._check_target()
        image, predictor, memory = self.image, self.predictor, self.memory
        self.identity = _identity(image, predictor, self.statistics)
        self.granted = default_memory() if memory is None else memory
        folder = self.target.parent / f".{image.name}.work"
        begun = self._begun(folder)
        side = begun["side"] if begun else self.block
        self.budget: Budget = plan_blocks(
            predictor, image, self.granted, self.processes.workers, side, self._most_threads
        )
        self.network.threads = self.budget.threads
        if begun and memory is not None and self.budget.total > memory:
            raise InputError(
                f"{folder} holds work in blocks of {side} pixels, which take about {gib(self.budget.total)}, more than "
                f"the {gib(memory)} granted; grant more by --memory, or leave out --resume to start again."
            )
        bundle, model, safe, overrides = self._model
        self.work = Work(
            image=image,
            folder=folder,
            grid=Grid(image.pages, *image.size, side=self.budget.side),
            settings=predictor.settings,
            bundle=bundle,
            model=model,
            safe=safe,
            overrides=overrides,
            statistics=self.statistics,
            bright=predictor.normalization == BRIGHT_NORMALIZATION,
            largest_cut=self.budget.largest_cut,
        )

    def describe(self) -> str:
        """Say in a few lines what will be done, and how much memory and disk space it takes."""
        image, grid, need = self.work.image, self.work.grid, disk_bytes(self.work.grid)
        channels = f", {image.channels} channels" if image.channels > 1 else ""
        pages = f", {image.pages} pages" if image.pages > 1 else ""
        count = grid.pages * grid.rows * grid.columns
        where = f"{self.processes.workers} worker(s)" if self.processes.workers else "this process"
        if self.network.threads > 1:
            where += f", {self.network.threads} tiles at a time"
        return (
            f"Image: {image.path}, {grid.height} × {grid.width} pixels{channels}{pages}, {image.dtype}\n"
            f"Tiles: {count} of {self.budget.tile} × {self.budget.tile} pixels, each giving {grid.side} × {grid.side}\n"
            f"Memory: about {gib(self.budget.total)} in {where}, of {gib(self.granted)} granted\n"
            f"Disk: up to {gib(1.2 * need)} in {self.target.parent}, {gib(free_space(self.target.parent))} free"
        )

    def is_complete(self) -> bool:
        """Return whether the result of exactly this segmentation exists and is undamaged."""
        try:
            return published(self.target)["identity"] == self.identity and is_whole(self.work, self.target)
        except (OSError, ValueError, KeyError, TypeError):  # it does not exist, is not ours, or lacks an array
            return False

    def run(self, progress: bool = True, before_publishing: Callable[[], object] = lambda: None) -> Path:
        """Compute what is not complete yet, and return the path of the result.

        Parameters
        ----------
        progress : bool
            Show progress bars.
        before_publishing : callable
            Called when all is computed, before the result gets its name.

        Raises
        ------
        InputError
            If a part of the image cannot be read, the result cannot be written, another process writes it, or workers
            are lost repeatedly. What is complete is kept for a run with ``resume``, unless the image itself is wrong
            (:class:`unetpipe.large.images.ImageError`): a changed image is segmented from the beginning.
        """
        with only_writer(self.target.parent / f".{self.target.name}.lock", self.target):
            return self._run(progress, before_publishing)

    def _run(self, progress: bool, before_publishing: Callable[[], object]) -> Path:
        work = self.work
        if self.resume and self.is_complete():
            shutil.rmtree(work.folder, ignore_errors=True)  # left by a run that was killed after it had published
            return self.target
        check_disk([self])
        complete = 0
        try:
            if self._begun(work.folder) is None:
                self._begin()
            for stage in stages(work):
                jobs = stage.jobs(work)
                todo = [job for job in jobs if not stage.is_done(work, job)]
                processes = self.network if stage.function is compute else self.processes
                complete += len(jobs) - len(todo)
                with closing(processes.each(stage.function, work, todo)) as done:  # no job runs on after Ctrl-C
                    bar = tqdm(
                        done,
                        desc=stage.name,
                        total=len(jobs),
                        initial=len(jobs) - len(todo),
                        disable=not progress or not jobs,
                    )
                    for _ in bar:
                        complete += 1
            before_publishing()
            publish(work, self.target, {"identity": self.identity, "image": str(self.image.path), **self._facts()})
        except InputError as error:
            if complete and not isinstance(error, ImageError):
                logger.warning("The complete parts are kept in %s; --resume continues with them.", work.folder)
            else:
                shutil.rmtree(work.folder, ignore_errors=True)
            raise
        except OSError as error:
            raise InputError(
                f"{self.target} cannot be written ({first_line(error)}); --resume continues with the complete parts."
            ) from error
        return self.target

    def work_bytes(self) -> int:
        """Return the bytes on disk of an earlier run's work, which this run continues, or removes before it begins."""
        continued = self._begun(self.work.folder) is not None
        total = 0
        for file in (self.work.result if continued else self.work.folder).rglob("*"):
            with suppress(OSError):  # of a file that another process has just removed
                total += file.stat().st_size if file.is_file() else 0
        return total

    def _check_target(self) -> None:
        """Raise InputError if the folder cannot be written, or the path of the result is taken by something else."""
        check_folder(self.target.parent)
        if not self.target.exists():
            return
        if self.image.path.exists() and self.target.samefile(self.image.path):
            raise InputError(f"The result {self.target} would replace the image; name another output folder.")
        try:
            other = published(self.target).get("image")
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"{self.target} exists already and is not a result of unetpipe; move it, or name another output folder."
            ) from None
        source = self.image.path
        if isinstance(other, str) and Path(other).exists() and source.exists() and not source.samefile(other):
            raise InputError(f"{self.target} is the result of {other}, not of {source}; name another output folder.")

    def _begun(self, folder: Path) -> dict[str, Any] | None:
        """Return the plan of the unfinished work that ``resume`` continues, if there is any."""
        try:
            plan = json.loads((folder / "plan.json").read_text(encoding="utf-8")) if self.resume else None
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(plan, dict) or not isinstance(plan.get("side"), int):  # damaged: begin again
            return None
        if plan.get("identity") != self.identity:
            raise InputError(
                f"{folder} holds the beginning of another segmentation (of a changed image, or by another model or "
                "settings); leave out --resume to start again."
            )
        return plan

    def _begin(self) -> None:
        folder = self.work.folder
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        create(self.work)
        write_text(folder / "plan.json", json.dumps({"identity": self.identity, "side": self.work.grid.side}))

    def _facts(self) -> dict[str, Any]:
        """Return for each page its number of cells and what it was normalised by, if that is its own."""
        work, pages = self.work, range(self.work.grid.pages)
        facts: dict[str, Any] = {"cells": [int(work.load(NUMBERS, page)["count"]) for page in pages]}
        if work.statistics is None:
            for name in ("mean", "deviation", *(["sign"] if work.bright else [])):
                facts[name] = [work.load(NORMALISATION, page)[name].tolist() for page in pages]
        return facts


def check_disk(segmentations: Sequence[LargeSegmentation]) -> None:
    """Raise InputError if the disk cannot hold all the results, however well they compress.

    What the work of earlier runs takes counts as free. An earlier result does not: it stays until the new one is whole.

    Parameters
    ----------
    segmentations : sequence of LargeSegmentation
        Planned, not yet run, with results on one disk.
    """
    if not segmentations:
        return
    folder = segmentations[0].target.parent
    need = sum(disk_bytes(segmentation.work.grid) for segmentation in segmentations)
    free = free_space(folder) + sum(segmentation.work_bytes() for segmentation in segmentations)
    if need / COMPRESSION > free:
        results = f"The results of {len(segmentations)} images take"
        if len(segmentations) == 1:
            results = f"The result of {segmentations[0].image.path} takes"
        raise InputError(
            f"{results} up to {gib(need)}, and {folder} has {gib(free)} free; name a folder on a larger disk."
        )


def free_space(folder: Path) -> int:
    """Return the bytes free on the disk of a folder that may not exist yet."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def _identity(image: LazyImage, predictor: Predictor, statistics: Statistics | None) -> str:
    """Return a hash of all that the result depends on."""
    weights = hashlib.sha256(predictor.weights.read_bytes()).hexdigest()
    parts: list[Any] = [
        FORMAT,
        image.fingerprint(),
        weights,
        predictor.amp,
        predictor.rotations,
        asdict(predictor.settings),
        None if statistics is None else [statistics.mean, statistics.deviation],
    ]
    if predictor.normalization != NORMALIZATION:  # earlier versions knew no other, and their work goes on
        parts += [predictor.normalization, None if statistics is None else statistics.sign]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
