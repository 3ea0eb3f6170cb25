"""The training frames as the configs prepare them: computed in parallel, kept in memory, and on disk on request."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from monai.data import CacheDataset, MetaTensor
from monai.transforms import Compose
from monai.utils import convert_to_tensor
from torch import Tensor

import unetpipe
from unetpipe.files import check_folder
from unetpipe.networks import save_state
from unetpipe.networks.weights import UNREADABLE, load_tensors
from unetpipe.transforms.perturbed import PERTURBATIONS

logger = logging.getLogger(__name__)

LARGEST_HALF = 60_000.0  # float16 holds little more


class FrameDataset(CacheDataset):
    """A ``CacheDataset`` that prepares frames on all processor cores, and can keep them on disk between runs.

    What it prepares are the transforms before the first random one: reading, normalisation, ridge, weight map.

    Parameters
    ----------
    data : sequence of dict
        Records.
    transform : Compose
        The whole chain.
    cache_rate : float
        Share of the frames that is kept in memory.
    progress : bool
        Show a bar while frames are prepared.
    copies : sequence of dict
        Records of perturbed frames (:func:`perturbed_copies`), which come after the others.
    cache_dir : path, optional
        Folder in which prepared frames are kept. A frame is prepared again if a file that its record names, a
        transform, or a version has changed. Old files are not removed.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """

    def __init__(
        self,
        data: Sequence,
        transform: Any,
        cache_rate: float = 1.0,
        progress: bool = True,
        cache_dir: str | os.PathLike | None = None,
        copies: Sequence = (),
    ) -> None:
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        if self.cache_dir is not None:
            check_folder(self.cache_dir)
        super().__init__([*data, *copies], transform, cache_rate=cache_rate, num_workers=cores(), progress=progress)

    def frame(self, index: int, stop: int, seed: int) -> dict[str, Tensor]:
        """Return the tensors of a frame before the transform number ``stop``, as a device keeps them.

        Parameters
        ----------
        index : int
            Number of the record.
        stop : int
            Number of the first transform that is left out.
        seed : int
            Seed of the random transforms before it.

        Returns
        -------
        dict
            Tensors (C, H, W): those of floats as float16, where they fit into it.
        """
        first = self.first_random
        kept = self._cache[index] if index < self.cache_num else None
        item = self._load_cache_item(index) if kept is None else kept
        if first is not None and first < stop:
            chain = Compose([copy.deepcopy(part) for part in self.transform.transforms[first:stop]])
            item = chain.set_random_state(seed)(dict(item))
        return {key: _compact(value) for key, value in item.items() if isinstance(value, (Tensor, np.ndarray))}

    @property
    def first_random(self) -> int | None:
        """Number of the first random transform, which is where MONAI's cache stops; None without one."""
        return self.transform.get_index_of_first(
            lambda part: (
                isinstance(part, monai.transforms.RandomizableTrait) or not isinstance(part, monai.transforms.Transform)
            )
        )

    def release(self) -> None:
        """Free the memory of the prepared frames; one that is asked for again is prepared again."""
        self._cache = [None] * self.cache_num

    def _load_cache_item(self, idx: int) -> Any:
        if self.cache_dir is None:
            return super()._load_cache_item(idx)
        path = self.cache_dir / f"{self._key(idx)}.pt"
        if path.is_file():
            try:
                return load_tensors(path)
            except UNREADABLE:
                logger.warning("%s is damaged; the frame is prepared again", path)
        item = super()._load_cache_item(idx)
        plain = {key: value.as_tensor() if isinstance(value, MetaTensor) else value for key, value in item.items()}
        save_state(plain, path)
        return plain

    def _key(self, index: int) -> str:
        """Return a name that changes with everything that a prepared frame depends on."""
        parts = self.transform.transforms[: self.first_random]
        record = self.data[index]
        files = [file for value in record.values() for file in _files(value)]
        versions = (unetpipe.__version__, monai.__version__, torch.__version__, np.__version__)
        text = repr((_described(record), files, [_described(part) for part in parts], versions))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def perturbed_copies(records: Sequence[Any], count: int) -> list[dict[str, Any]]:
    """Return copies of ``count`` records, or of all if there are fewer, spread evenly; each names a perturbation.

    The perturbations are taken one after another. :class:`unetpipe.transforms.Perturbd` reads their names.

    Examples
    --------
    >>> perturbed_copies([{"frame": 0}, {"frame": 1}, {"frame": 2}, {"frame": 3}], 2)
    [{'frame': 1, 'perturbation': 'noise 0.3 sd'}, {'frame': 3, 'perturbation': 'ramp 1 sd'}]
    """
    count = min(count, len(records))
    places = [(2 * number + 1) * len(records) // (2 * count) for number in range(count)]
    return [
        {**records[place], "perturbation": PERTURBATIONS[number % len(PERTURBATIONS)]}
        for number, place in enumerate(places)
    ]


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compact(value: Any) -> Tensor:
    tensor = convert_to_tensor(value, track_meta=False)
    if tensor.dtype in (torch.float32, torch.float64) and tensor.abs().amax() < LARGEST_HALF:
        return tensor.half()
    return tensor.contiguous()


def _files(value: Any) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of the file, or of all files of the folder, that a path names."""
    if not isinstance(value, (str, os.PathLike)) or not os.path.exists(value):
        return []
    path = Path(value)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _described(thing: Any) -> Any:
    """Return what a transform or its arguments are, as plain values."""
    if isinstance(thing, Mapping):
        return [(key, _described(value)) for key, value in thing.items()]
    if isinstance(thing, (list, tuple)):
        return [_described(value) for value in thing]
    if hasattr(thing, "__dict__") and not isinstance(thing, type) and not callable(getattr(thing, "__wrapped__", None)):
        return [type(thing).__qualname__, _described(vars(thing))]
    return repr(thing)
