"""How much memory is free, how much the work takes, and keeping freed memory for later use."""

from __future__ import annotations

import ctypes
import os
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
    left = int(min(psutil.virtual_memory().available, _left_in_container()))
    if device.type == "mps":  # it shares the main memory
        return max(min(left, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()), 0)
    return left


def default_memory() -> int:
    """Return half of the main memory that is free now, in bytes."""
    return free_memory(torch.device("cpu")) // 2


def network_bytes(network: Any, pixels: int) -> int:
    """Return the peak of bytes that a network holds at inference in float32, for a number of input pixels.

    Parameters
    ----------
    network : UNet or other
        It has ``values_per_pixel``, like :class:`unetpipe.networks.UNet`.
    pixels : int
        Number of pixels of the tile.
    """
    return int(VALUE * network.values_per_pixel * pixels)


def image_bytes(size: tuple[int, int], channels: int) -> int:
    """Return the bytes that it takes to segment an image (height, width), without those of the network's tile."""
    return (IMAGE + CHANNEL * channels) * size[0] * size[1]


def keep_freed_memory() -> bool:
    """Let this process keep the main memory that it frees, up to its own peak, instead of returning it at once.

    By default the C library returns blocks as large as a feature map at once. The operating system then has to clear
    new pages for every layer, which costs up to a third of the network's time.

    Returns
    -------
    bool
        Whether the C library can do so (glibc on Linux can); elsewhere nothing changes.
    """
    mallopt = getattr(_c_library(), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def return_freed_memory() -> bool:
    """Return the memory that this process freed but kept (:func:`keep_freed_memory`) to the operating system.

    Returns
    -------
    bool
        Whether the C library can do so (glibc on Linux can).
    """
    trim = getattr(_c_library(), "malloc_trim", None)
    return trim is not None and bool(trim(0))


def _c_library() -> ctypes.CDLL | None:
    """Return the C library that this process uses; None on Windows, which cannot say so."""
    return None if os.name == "nt" else ctypes.CDLL(None)


def _left_in_container() -> float:
    """Return the bytes that the Linux control group of this process still allows; infinity without a limit."""
    try:
        limit, used = (
            (CONTROL_GROUP / name).read_text(encoding="utf-8").strip() for name in ("memory.max", "memory.current")
        )
    except OSError:
        return float("inf")
    return float("inf") if limit == "max" else max(int(limit) - int(used), 0)
