"""How much memory is free, what the work takes, and keeping what was allocated once."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import psutil
import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of the GNU C library's malloc.h
CONTROL_GROUP = Path("/sys/fs/cgroup")
VALUE = 4  # bytes, float32
IMAGE, CHANNEL = 80, 12  # bytes a pixel: logits, probabilities, labels, distances; and a pixel's channels, read twice


def free_memory(device: torch.device) -> int:
    """Return the bytes that can still be allocated on a CPU or GPU, within the limit of a container if there is one."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(min(psutil.virtual_memory().available, _left_in_container()))


def network_bytes(network: Any, pixels: int) -> int:
    """Return the bytes that a network holds at once at inference for so many pixels of its input, in float32.

    Parameters
    ----------
    network : UNet or other
        Has ``values_per_pixel``, as :class:`unetpipe.networks.UNet`.
    pixels : int
        Of the tile.
    """
    return int(VALUE * network.values_per_pixel * pixels)


def image_bytes(size: tuple[int, int], channels: int) -> int:
    """Return the bytes that segmenting an image (height, width) takes in memory, besides the network's tile."""
    return (IMAGE + CHANNEL * channels) * size[0] * size[1]


def keep_freed_memory() -> bool:
    """Let this process keep the main memory that it frees, up to its own peak, instead of giving it back at once.

    A feature map of a large tile takes more than what the C library keeps by itself. The operating system then
    has to clear new pages for every layer, which costs up to a third of the time of the network.

    Returns
    -------
    bool
        Whether the C library knows of it (glibc on Linux does); elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def return_freed_memory() -> bool:
    """Return to the operating system what this process has freed and kept (:func:`keep_freed_memory`).

    Returns
    -------
    bool
        Whether the C library knows of it (glibc on Linux does).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


def _left_in_container() -> float:
    """Return what a Linux control group leaves, in bytes; infinity without a limit."""
    try:
        limit, used = ((CONTROL_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return float("inf")
    return float("inf") if limit == "max" else max(int(limit) - int(used), 0)
