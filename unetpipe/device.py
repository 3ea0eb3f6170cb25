"""Which device computes: an NVIDIA GPU, else Apple's GPU (MPS), else the CPU; and how work on them differs."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def default_device() -> torch.device:
    """Return the device that computes unless the user names one: CUDA, else MPS, else the CPU.

    Examples
    --------
    >>> default_device().type in ("cuda", "mps", "cpu")
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def gpu_memory(device: torch.device) -> int:
    """Return the memory of a GPU in bytes: its own, or what Apple's may take of the main memory; 0 for the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return torch.mps.recommended_max_memory() if device.type == "mps" else 0


def place(network: Network, device: torch.device | str) -> Network:
    """Move a network to a device, with its weights in the memory format that is fast and right there.

    Convolutions on CPUs and NVIDIA's GPUs are faster with the channels last. On MPS, PyTorch has returned wrong values
    for parts of such tensors, so the format stays as it is there.
    """
    if torch.device(device).type == "mps":  # a config or MONAI Label may give its name
        return network.to(device)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a GPU was out of memory; MPS raises a plain RuntimeError then.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 5.5 GB)"))
    True
    """
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "MPS backend out of memory" in str(error)
    )


def empty_cache() -> None:
    """Return the memory that PyTorch keeps on GPUs to the system."""
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def wait_for_gpu() -> None:
    """Wait until the GPU has done what it was given; return at once if there is none or it was not used."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()
