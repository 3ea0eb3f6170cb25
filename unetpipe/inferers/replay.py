"""Replay a network's kernels as a CUDA graph: for one small image, Python takes longer to start them than they run."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from unetpipe.device import is_out_of_memory
from unetpipe.files import first_line
from unetpipe.memory import free_memory, network_bytes

logger = logging.getLogger(__name__)

CALLS_BEFORE = 2  # of one shape that run as usual; a capture takes as long as many calls
MOST_SHAPES = 4
UNUSED = 100  # calls without a shape, until another one may take its place
MOST_PIXELS = 2**22  # of a batch; kernels of more run longer than Python takes to start them
SHARE = 1 / 16  # of the free memory that a graph may keep

_capturing = Lock()  # PyTorch allows one capture at a time


class ReplayedNetwork(nn.Module):
    """A network for results only. On an NVIDIA GPU its kernels are replayed from the third call of a shape on.

    The kernels are the same, and so are the results. Large batches run as usual, and so does everything where a
    gradient is wanted, on another stream than the default one, and after a capture has failed, which the log says once.
    Several threads may call it.

    Parameters
    ----------
    module : Module
        The network, in evaluation mode; its weights must not change. It runs under autocast to bfloat16.
    capture : callable
        ``capture(module, example)`` returns a call that does what the module does, for inputs like the example.
    device_type : str
        Where calls are captured.
    """

    def __init__(
        self,
        module: nn.Module,
        capture: Callable[[nn.Module, Tensor], Callable[[Tensor], Tensor]] | None = None,
        device_type: str = "cuda",
    ) -> None:
        super().__init__()
        self.module = module
        self.eval()
        self._capture = capture_graph if capture is None else capture
        self._device_type = device_type
        self._calls: Counter = Counter()
        self._graphs: OrderedDict[Any, Callable[[Tensor], Tensor]] = OrderedDict()
        self._last_use: dict[Any, int] = {}
        self._fails = False
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it without its graphs."""
        return type(self), (self.module, self._capture, self._device_type)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return what the module returns."""
        try:
            if args or kwargs or not self._replayable(x):
                return self.module(x, *args, **kwargs)
            with self._lock:
                graph = self._graph(x)
                if graph is not None:
                    return graph(x)
            return self.module(x)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self._forget()
            raise

    def _replayable(self, x: Tensor) -> bool:
        if x.device.type != self._device_type or self._fails or torch.is_grad_enabled() or self.module.training:
            return False
        if x.ndim != 4 or len(x) * x.shape[-2] * x.shape[-1] > MOST_PIXELS:
            return False
        return x.device.type != "cuda" or (
            torch.cuda.current_stream(x.device) == torch.cuda.default_stream(x.device)
            and not torch.cuda.is_current_stream_capturing()
        )

    def _graph(self, x: Tensor) -> Callable[[Tensor], Tensor] | None:
        """Return what replays calls for inputs like this one, if there were enough of them."""
        kind = x.shape, x.dtype, x.device
        self._calls[kind] += 1
        self._last_use[kind] = self._calls.total()
        if kind in self._graphs:
            self._graphs.move_to_end(kind)
            return self._graphs[kind]
        if self._calls[kind] <= CALLS_BEFORE or not self._has_place() or not self._fits(x):
            return None
        try:
            with _capturing:
                self._graphs[kind] = self._capture(self.module, x)
        except Exception as error:  # whatever it is, the network runs without a graph
            self._fails = True
            self._graphs.clear()
            logger.info("The network runs without CUDA graphs, because none could be captured: %s", first_line(error))
            return None
        return self._graphs[kind]

    def _has_place(self) -> bool:
        """Return whether there is a place, or one whose shape was not seen for long: shapes in turn must not thrash."""
        if len(self._graphs) < MOST_SHAPES:
            return True
        oldest = next(iter(self._graphs))
        if self._calls.total() - self._last_use[oldest] < UNUSED:
            return False
        del self._graphs[oldest]
        return True

    def _fits(self, x: Tensor) -> bool:
        """Return whether a graph would keep only a small part of the memory."""
        if not hasattr(self.module, "values_per_pixel"):
            return False
        needed = network_bytes(self.module, len(x) * x.shape[-2] * x.shape[-1]) // 2  # in bfloat16
        return needed <= SHARE * free_memory(x.device)

    def _forget(self) -> None:
        """Give the memory of the graphs back; none is captured again."""
        with self._lock:
            self._graphs.clear()
            self._fails = True


def capture_graph(module: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a call that replays what a module does with inputs (B, C, H, W) of the shape and device of an example.

    It is captured under autocast to bfloat16. The call returns a new tensor each time.
    """
    # each replay must convert again what autocast converts; tensors of inference mode could not be written outside it
    autocast = torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)
    with torch.cuda.device(example.device), torch.inference_mode(False), torch.no_grad(), autocast:
        given = torch.empty_like(example)
        given.copy_(example)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # what is searched for or loaded at the first call must not be in the graph
            module(given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        # other threads read results from the GPU meanwhile
        with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
            result = module(given)

    def replay(x: Tensor) -> Tensor:
        given.copy_(x)
        graph.replay()
        return result.clone()

    return replay
