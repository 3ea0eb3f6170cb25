"""One place chooses the device, and what runs on Apple's GPU (MPS) keeps to what PyTorch can do there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from workflows import workflow

from unetpipe.bundle.writing import find_bundle
from unetpipe.device import default_device, gpu_memory, is_out_of_memory, place
from unetpipe.inferers import OverlapTileInferer, rotated
from unetpipe.inferers.autocast import bfloat16_is_fast
from unetpipe.losses import WeightedCrossEntropy
from unetpipe.memory import free_memory
from unetpipe.networks import UNet
from unetpipe.training import distributed, this_machine

META = torch.device("meta")  # has shapes and types, but no values: it stands in for a GPU that is not there


def machine(monkeypatch: pytest.MonkeyPatch, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


class On(TorchDispatchMode):
    """Note the operations on a device that get or give float64 there."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.operations = 0
        self.wide: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [part for part in tree_flatten((args, kwargs, result))[0] if isinstance(part, torch.Tensor)]
        there = [tensor for tensor in tensors if tensor.device.type == self.device.type]
        self.operations += bool(there)
        if any(tensor.dtype == torch.float64 for tensor in there):
            self.wide.append(str(func))
        return result


@contextmanager
def without_float64(device: torch.device) -> Iterator[None]:
    """Fail if an operation on the device computes in float64, which MPS does not have."""
    with On(device) as seen:
        yield
    assert seen.operations > 0
    assert seen.wide == []


@pytest.mark.parametrize(("cuda", "mps", "device"), [(1, 1, "cuda:0"), (0, 1, "mps"), (0, 0, "cpu")])
def test_cuda_before_mps_before_cpu(cuda: int, mps: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, bool(cuda), bool(mps))
    assert default_device() == torch.device(device)


@pytest.mark.parametrize("config", ["train.json", "inference.json"])
def test_the_configs_ask_it(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=True)
    parsed = workflow([config], in_channels=1).parser
    assert parsed.get_parsed_content("device") == torch.device("mps")
    assert "cuda" not in json.dumps(json.loads((find_bundle() / "configs" / config).read_text(encoding="utf-8")))


def test_one_process_uses_mps_and_several_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=True)
    assert distributed.device().type == "mps"
    monkeypatch.setattr(distributed, "processes", lambda: 2)
    assert distributed.device().type == "cpu"


def test_memory_of_mps_is_a_part_of_the_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 3 * 2**30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3 * 2**30 - 2**20)
    assert free_memory(torch.device("mps")) == 2**20
    assert gpu_memory(torch.device("mps")) == 3 * 2**30
    assert this_machine().gpu_memory == 3
    assert gpu_memory(torch.device("cpu")) == 0


def test_convolutions_on_mps_keep_their_memory_format() -> None:
    moved: list[tuple[tuple, dict]] = []

    class Network(UNet):
        def to(self, *args: Any, **kwargs: Any) -> Network:
            moved.append((args, kwargs))
            return self

    place(Network(channels=(2, 4)), torch.device("mps"))
    assert moved == [((torch.device("mps"),), {})]
    weight = place(UNet(channels=(2, 4)), torch.device("cpu")).down[0][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_mps_computes_in_float32() -> None:
    assert not bfloat16_is_fast("mps")
    with torch.autocast("mps", dtype=torch.bfloat16, enabled=False):  # as AutocastInferer calls it there
        assert not torch.is_autocast_enabled("mps")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5.50 GB)"), True),
        (RuntimeError("shapes do not fit"), False),
        (MemoryError("MPS backend out of memory"), False),
    ],
)
def test_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def rotations(inferer: Any) -> Any:
    return rotated(inferer, 8)


@pytest.mark.parametrize("around", [lambda inferer: inferer, rotations])
def test_inference_needs_no_float64(around: Callable[[Any], Any]) -> None:
    network = UNet(channels=(2, 4, 8), norm="batch").eval().to(META)
    inferer = around(OverlapTileInferer(68))
    with torch.no_grad(), without_float64(META):
        result = inferer(torch.zeros(1, 1, 70, 90, device=META), network)
        torch.softmax(result, dim=1)
    assert result.shape == (1, 2, 70, 90)


def test_a_training_step_needs_no_float64() -> None:
    network = UNet(channels=(2, 4, 8), norm="batch").train().to(META)
    optimizer = torch.optim.AdamW(network.parameters())
    side = network.output_size(68)
    truth = {
        "label": torch.zeros(1, 1, side, side, dtype=torch.uint8, device=META),
        "weight": torch.ones(1, 1, side, side, dtype=torch.float16, device=META),
    }
    with without_float64(META):
        loss = WeightedCrossEntropy()(network(torch.zeros(1, 1, 68, 68, device=META)), truth)
        loss.backward()
        optimizer.step()


def test_float64_would_be_seen() -> None:
    with pytest.raises(AssertionError), without_float64(META):
        torch.zeros(2, dtype=torch.float64, device=META) + 1


def test_a_device_may_be_given_by_its_name() -> None:
    assert next(place(UNet(channels=(2, 4)), "cpu").parameters()).device == torch.device("cpu")
