"""Segment an image, or each page of a stack, by the served bundle."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list

from unetpipe.bundle.writing import read_config
from unetpipe.datasets.pixels import read_pixels
from unetpipe.datasets.records import Record, of_channel
from unetpipe.errors import InputError
from unetpipe.io.formats import image_suffix
from unetpipe.io.images import count_pages
from unetpipe.label.folder import TEMPORARY, request_folder
from unetpipe.label.masks import check_suffix, page_annotations, write_masks
from unetpipe.label.parameters import choose, find_device, read_flag
from unetpipe.label.publish import locked
from unetpipe.predictor import Predictor

MASKS = ("instances", "semantic")


class CellInferTask(InferTask):
    """Segment by the bundle in ``path``, the newest model that it holds.

    A request may have, besides MONAI Label's own "device" and "result_extension": "masks" ("instances": each
    cell its number, or "semantic": 1 in every cell), "page" (of a stack, from 0; without it all of them) and
    "polygons" (true adds the outlines to the JSON, as does "output": "json").
    """

    def __init__(self, path: str) -> None:
        self.bundle_path = path
        metadata = read_config(Path(path) / "configs" / "metadata.json")
        self.version = metadata.get("version")
        classes = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        labels = {name: int(number) for number, name in classes.items() if name != "background"}
        config = {"device": device_list(), "masks": list(MASKS)}
        super().__init__(InferType.SEGMENTATION, labels, 2, metadata.get("description", ""), config)
        self._loaded: dict[str, tuple[Any, Predictor]] = {}

    def is_valid(self) -> bool:
        """Return True: the bundle was checked when it was copied."""
        return True

    def info(self) -> dict[str, Any]:
        """Return what the server says of the model."""
        return {**super().info(), "version": self.version}

    def get_path(self, validate: bool = True) -> str:
        """Return the file of the weights."""
        return str(Path(self.bundle_path) / "models" / "model.pt")

    def __call__(self, request: dict[str, Any], callbacks: Any = None) -> tuple[str, dict[str, Any]]:
        """Return the mask's file and what goes with it as JSON."""
        begin = time.time()
        image = request["image"]
        kind = choose("masks", request.get("masks", MASKS[0]), MASKS)
        outlines = read_flag("polygons", request.get("polygons", request.get("output") == "json"))
        pages = _pages(image, request.get("page"))
        suffix = "." + str(request.get("result_extension") or image_suffix(image)).lstrip(".")
        check_suffix(suffix, len(pages))
        predictor = self.predictor(find_device(request.get("device")))
        found = [_segment(predictor, image, page) for page in pages]
        cells = [labels for labels, _, _ in found]
        masks = cells if kind == "instances" else [(page > 0).astype(np.uint16) for page in cells]
        file = self._new_file(suffix)
        write_masks(file, masks, image, pages[0])
        result: dict[str, Any] = {
            "label_names": self.labels,
            "cells": [int(page.max(initial=0)) for page in cells],
            "warnings": [
                f"Page {page}: {sentence}" if len(pages) > 1 else sentence
                for page, (_, _, misfits) in zip(pages, found, strict=True)
                for sentence in misfits
            ],
            "latencies": {"total": round(time.time() - begin, 2)},
        }
        if outlines:
            result["annotations"] = page_annotations(cells, next(iter(self.labels)), pages[0])
        return file, result

    def probabilities(self, image: str) -> list[np.ndarray]:
        """Return the probability of "cell" (H, W) of each page of an image."""
        predictor = self.predictor(find_device(None))
        return [_segment(predictor, image, page)[1] for page in _pages(image, None)]

    def predictor(self, device: str) -> Predictor:
        """Return the bundle on a device; it is loaded again if a training has replaced it."""
        with locked(self.bundle_path):
            version = self.version_of_files()
            if device not in self._loaded or self._loaded[device][0] != version:
                predictor = Predictor.load(self.bundle_path, device=torch.device(device)).prepare()
                self._loaded[device] = (version, predictor)
        return self._loaded[device][1]

    def version_of_files(self) -> tuple[int, ...]:
        """Return a value that changes with the model; raise InputError if there is none any more."""
        files = (self.get_path(), Path(self.bundle_path) / "configs" / "inference.json")
        try:
            return tuple(Path(file).stat().st_mtime_ns for file in files)
        except FileNotFoundError as error:
            raise InputError(f"The served model is gone: there is no {error.filename}.") from None

    def _new_file(self, suffix: str) -> str:
        """Return a new file in the request's folder; MONAI Label's own processes have no request, and remove it."""
        folder = request_folder.get(Path(self.bundle_path).parent.parent / TEMPORARY)
        handle, name = tempfile.mkstemp(suffix=suffix, dir=folder)
        os.close(handle)
        return name


def _segment(predictor: Predictor, image: str, page: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return labels and probability of "cell" (H, W) of a page, and what does not fit the model."""
    return predictor.segment(read_pixels(of_channel(Record(image=image, page=page), predictor.channel)), "cyx")


def _pages(image: str, page: Any) -> list[int]:
    count = count_pages(image)
    if page is None:
        return list(range(count))
    if str(page) not in map(str, range(count)):
        raise InputError(f"There is no page {page!r}: the image has {count}, counted from 0.")
    return [int(page)]
