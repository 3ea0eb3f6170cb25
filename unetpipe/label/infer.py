"""Inference: masks of an image or of each page of a stack, by the served bundle."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monailabel.tasks.infer.bundle import BundleInferTask
from monailabel.utils.others.generic import device_list

from unetpipe.errors import InputError
from unetpipe.io.formats import image_suffix
from unetpipe.io.images import count_pages, read_image
from unetpipe.label.choices import choose, find_device
from unetpipe.label.masks import check_suffix, page_annotations, write_masks
from unetpipe.label.publish import locked
from unetpipe.predictor import Predictor

MASKS = ("instances", "semantic")
FLAGS = {True: True, False: False, "true": True, "false": False}


class CellInferTask(BundleInferTask):
    """Segment by the bundle in ``path``, the newest model that it holds.

    A request may have, besides MONAI Label's own "device" and "result_extension": "masks" ("instances": each
    cell its number, or "semantic": 1 in every cell), "page" (of a stack, from 0; without it all of them) and
    "polygons" (true adds the outlines to the JSON, as does "output": "json").
    """

    def __init__(self, path: str, conf: dict[str, str]) -> None:
        super().__init__(path, conf)
        self._config = {"device": device_list(), "masks": list(MASKS)}
        self._loaded: dict[str, tuple[Any, Predictor]] = {}

    def __call__(self, request: dict[str, Any], callbacks: Any = None) -> tuple[str, dict[str, Any]]:
        """Return the mask's file and what goes with it as JSON."""
        begin = time.time()
        image = request["image"]
        kind = choose("masks", request.get("masks", MASKS[0]), MASKS)
        outlines = request.get("polygons", request.get("output") == "json")
        if not isinstance(outlines, bool | str) or outlines not in FLAGS:
            raise InputError(f"polygons={outlines!r} is not known; use true or false.")
        pages = _pages(image, request.get("page"))
        suffix = "." + str(request.get("result_extension") or image_suffix(image)).lstrip(".")
        check_suffix(suffix, len(pages))
        segmenter = self.segmenter(find_device(request.get("device")))
        cells = [_segment(segmenter, image, page)[0] for page in pages]
        masks = cells if kind == "instances" else [(page > 0).astype(np.uint16) for page in cells]
        file = self._temporary(suffix)
        try:
            write_masks(file, masks, image, pages[0])
        except InputError:
            Path(file).unlink()
            raise
        result: dict[str, Any] = {
            "label_names": self.labels,
            "cells": [int(page.max(initial=0)) for page in cells],
            "latencies": {"total": round(time.time() - begin, 2)},
        }
        if FLAGS[outlines]:
            result["annotations"] = page_annotations(cells, next(iter(self.labels)), pages[0])
        return file, result

    def probabilities(self, image: str) -> list[np.ndarray]:
        """Return the probability of "cell" (H, W) of each page of an image."""
        segmenter = self.segmenter(find_device(None))
        return [_segment(segmenter, image, page)[1] for page in _pages(image, None)]

    def segmenter(self, device: str) -> Predictor:
        """Return the bundle on a device, loaded anew if a training has replaced it."""
        with locked(self.bundle_path):
            version = self.version_of_files()
            if device not in self._loaded or self._loaded[device][0] != version:
                self._loaded[device] = (version, Predictor(self.bundle_path, device=torch.device(device)))
        return self._loaded[device][1]

    def version_of_files(self) -> tuple[int, ...]:
        """Return a value that changes with the model."""
        return tuple(Path(file).stat().st_mtime_ns for file in (self.path[0], self.bundle_config_path))

    def _temporary(self, suffix: str) -> str:
        """Return a new file, which the server removes once it is sent.

        Not in the system's folder: the Python client saves the mask there under the same name, and would lose it.
        """
        folder = Path(self.bundle_path).parent.parent / "sent"
        folder.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=suffix, dir=folder)
        os.close(handle)
        return name


def _segment(segmenter: Predictor, image: str, page: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probability of "cell" (H, W) of a page."""
    labels, probability = segmenter(np.moveaxis(read_image(image, page), 0, -1), "yxc", return_probabilities=True)
    return labels, probability


def _pages(image: str, page: Any) -> list[int]:
    count = count_pages(image)
    if page is None:
        return list(range(count))
    if str(page) not in map(str, range(count)):
        raise InputError(f"There is no page {page!r}: the image has {count}, counted from 0.")
    return [int(page)]
