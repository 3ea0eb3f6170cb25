"""The result of an evaluation, said in one line."""

from __future__ import annotations

from ignite.engine import Engine, Events

from unetpipe.metrics import SEGMetric


class PrintSEG:
    """Print SEG and the number of cells when an evaluation is complete.

    Parameters
    ----------
    metric : SEGMetric
        The metric that the evaluator computed.
    """

    def __init__(self, metric: SEGMetric) -> None:
        self.metric = metric

    def attach(self, engine: Engine) -> None:
        """Print at the end of the evaluator's run."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Print one line."""
        frames = len(self.metric.get_buffer())  # type: ignore[arg-type]
        print(f"SEG {self.metric.aggregate():.5f} over {self.metric.objects} cells in {frames} frames", flush=True)
