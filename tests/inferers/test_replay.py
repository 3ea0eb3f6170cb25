from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unetpipe.inferers import OverlapTileInferer, autocast, replay
from unetpipe.inferers.replay import ReplayedNetwork
from unetpipe.networks import UNet


class Captures:
    """It stands for a capture: it notes the shapes, and what is replayed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.shapes: list[tuple[int, ...]] = []
        self.replayed = 0

    def __call__(self, module: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
        self.shapes.append(tuple(example.shape))
        if self.error is not None:
            raise self.error

        def again(x: Tensor) -> Tensor:
            assert x.shape == example.shape
            self.replayed += 1
            return module(x)

        return again


def network(captures: Captures) -> ReplayedNetwork:
    return ReplayedNetwork(UNet(channels=(2, 4)).eval(), captures, "cpu")


def call(replayed: ReplayedNetwork, *sides: int) -> None:
    for side in sides:
        x = torch.rand(1, 1, side, side)
        with torch.no_grad():
            torch.testing.assert_close(replayed(x), replayed.module(x), atol=0, rtol=0)


def test_the_third_call_of_a_shape_is_captured_and_the_next_ones_are_replayed() -> None:
    captures = Captures()
    replayed = network(captures)
    call(replayed, 20, 20, 24, 24)
    assert captures.shapes == []
    call(replayed, 20, 20, 24, 20)
    assert captures.shapes == [(1, 1, 20, 20), (1, 1, 24, 24)]
    assert captures.replayed == 4


def test_few_shapes_are_kept_those_that_were_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_SHAPES", 2)
    monkeypatch.setattr(replay, "UNUSED", 4)
    captures = Captures()
    replayed = network(captures)
    call(replayed, 20, 20, 20, 24, 24, 24, 20, 28, 28, 28)
    assert [kind[0][-1] for kind in replayed._graphs] == [20, 28]
    assert len(captures.shapes) == 3


def test_shapes_in_turn_are_not_captured_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_SHAPES", 2)
    captures = Captures()
    call(network(captures), *[20, 24, 28] * 6)
    assert captures.shapes == [(1, 1, 20, 20), (1, 1, 24, 24)]


def test_what_must_not_be_captured_runs_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    captures = Captures()
    x = torch.rand(1, 1, 20, 20)
    replayed = network(captures)
    for _ in range(4):
        assert replayed(x).requires_grad  # gradients are on
    with torch.no_grad():
        replayed.module.train()
        for _ in range(4):
            replayed(x)
        replayed.module.eval()
        monkeypatch.setattr(replay, "MOST_PIXELS", 399)
        for _ in range(4):
            replayed(x)
        monkeypatch.undo()
        monkeypatch.setattr(replay, "free_memory", lambda device: 1000)
        for _ in range(4):
            replayed(x)
        elsewhere = ReplayedNetwork(replayed.module, captures)  # as the product makes it, and this is a CPU
        for _ in range(4):
            elsewhere(x)
    assert captures.shapes == []


def test_a_capture_that_fails_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    captures = Captures(RuntimeError("operation not permitted when stream is capturing"))
    replayed = network(captures)
    call(replayed, 20, 20, 20, 20, 24, 24, 24)
    assert len(captures.shapes) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "The network runs without CUDA graphs, because none could be captured: operation not permitted when stream is "
        "capturing"
    ]


def test_graphs_are_given_back_when_memory_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then smaller tiles are tried, without graphs."""
    captures = Captures()
    replayed = network(captures)
    call(replayed, 20, 20, 20)
    assert replayed._graphs
    image, usual = torch.rand(1, 1, 30, 30), replayed.module.forward

    def forward(x: Tensor) -> Tensor:
        if x.shape[-1] > 30:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return usual(x)

    with torch.no_grad():
        expected = OverlapTileInferer(40)(image, replayed.module)
        monkeypatch.setattr(replayed.module, "forward", forward)
        torch.testing.assert_close(OverlapTileInferer(40)(image, replayed), expected)
    assert not replayed._graphs
    assert len(captures.shapes) == 1


def test_it_can_be_copied() -> None:
    replayed = network(Captures())
    call(replayed, 20, 20, 20)
    assert not copy.deepcopy(replayed)._graphs


def test_only_a_bare_network_on_an_nvidia_gpu_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autocast, "bfloat16_is_fast", lambda device_type: True)
    inferer = autocast.AutocastInferer(OverlapTileInferer())
    plain = UNet(channels=(2, 4)).eval()
    assert isinstance(inferer._in_bfloat16(plain), UNet)
    monkeypatch.setattr(Tensor, "is_cuda", True)
    assert isinstance(autocast.AutocastInferer(OverlapTileInferer())._in_bfloat16(plain), ReplayedNetwork)
    wrapped = nn.Sequential()
    wrapped.module = plain
    assert not isinstance(autocast.AutocastInferer(OverlapTileInferer())._in_bfloat16(wrapped), ReplayedNetwork)
