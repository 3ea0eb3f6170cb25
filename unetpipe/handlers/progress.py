"""How far a run is: a bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from statistics import median

from ignite.engine import Engine, Events
from tqdm import tqdm

from unetpipe.device import wait_for_gpu

FORETELLING = 6  # steps after which the time of an epoch is foretold: the first is slow, and one of the others may be


def show_bars(progress: bool) -> bool:
    """Return whether progress bars are shown: if they are wanted and standard error is a terminal."""
    return progress and sys.stderr.isatty()


class Progress:
    """Handler that shows how far a trainer or evaluator is and how much time is left.

    On a terminal it shows a progress bar. If standard output or standard error is redirected, for example to a file,
    it prints one line an epoch to standard output, without carriage returns. A line after the sixth step says how long
    the first epoch takes, because that can be minutes.

    Attach it after the handlers whose results it names: the loss of the epoch and the validation.

    Parameters
    ----------
    evaluator : Engine, optional
        The engine that validates a trainer; its metrics are named too, with the epoch that they belong to if that is
        not the last one.
    unit : str
        What is counted, in the singular: "step" counts iterations, "image" the images of their batches.
    """

    def __init__(self, evaluator: Engine | None = None, unit: str = "step") -> None:
        self.evaluator = evaluator
        self.unit = unit
        self.validated: int | None = None  # the epoch

    def attach(self, engine: Engine) -> None:
        """Show the progress of an engine."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.end_epoch)
        engine.add_event_handler(Events.COMPLETED, self.end)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self.note)

    def start(self) -> None:
        """Begin a run."""
        self.bar: tqdm | None = None

    def start_epoch(self, engine: Engine) -> None:
        """Open the bar at the first epoch; of a resumed run it starts with the epochs that are done."""
        if self.bar is None:
            self.length = int(engine.state.epoch_length or 0)
            self.total = int(engine.state.max_epochs or 1) * self.length
            self.first = (engine.state.epoch - 1) * self.length
            self.done = self.first
            self.since = time.monotonic()
            self.ends = [self.since]
            self.bar = tqdm(
                total=self.total,
                initial=self.first,
                unit=self.unit,
                smoothing=0,  # the mean speed, so that validation between epochs counts
                disable=not show_bars(True),
                file=sys.stderr,
            )
        self.bar.set_description(_epoch(engine), refresh=False)

    def note(self, evaluator: Engine) -> None:
        """Note the epoch that was validated."""
        self.validated = evaluator.state.epoch

    def step(self, engine: Engine) -> None:
        """Move the bar by one step, or by the images of a batch."""
        count = len(engine.state.output) if self.unit == "image" and isinstance(engine.state.output, list) else 1
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        looked_at = min(FORETELLING, self.length - 1)
        if self.unit == "step" and self.done - self.first <= looked_at and looked_at > 1 and not _on_terminal():
            self._foretell(looked_at)

    def _foretell(self, looked_at: int) -> None:
        """Note when a step ended; after the last that is looked at, say how long the epoch takes."""
        wait_for_gpu()
        self.ends.append(time.monotonic())
        if len(self.ends) <= looked_at:
            return
        first, *others = (end - begin for begin, end in pairwise(self.ends))
        whole = tqdm.format_interval(first + (self.length - 1) * median(others))
        print(
            f"first step after {tqdm.format_interval(first)}; an epoch of {self.length} steps takes about {whole}",
            flush=True,
        )

    def end_epoch(self, engine: Engine) -> None:
        """Name the metrics of the epoch, on the bar or in a line."""
        states = [engine.state] if self.evaluator is None else [engine.state, self.evaluator.state]
        shown = {}
        earlier = self.validated not in (None, engine.state.epoch)
        for state in states:
            of = f" (epoch {self.validated})" if earlier and state is not engine.state else ""
            for name in ("train_loss", getattr(state, "key_metric_name", None)):  # MONAI's evaluators name theirs
                if name in state.metrics:
                    shown[name] = f"{state.metrics[name]:.4f}{of}"
        if self.bar is not None:
            self.bar.set_postfix(shown)
        if _on_terminal():
            return
        done, seconds = self.done, time.monotonic() - self.since
        if engine.state.epoch < (engine.state.max_epochs or 1):
            left = seconds / (done - self.first) * (self.total - done)
            time_said = f"{tqdm.format_interval(left)} left"
        else:
            time_said = f"{tqdm.format_interval(seconds)} in all"
        values = ", ".join(f"{name} {value}" for name, value in shown.items())
        count = f"{done} {self.unit}{'s' if done != 1 else ''}"
        print("; ".join(part for part in (_epoch(engine), count, values, time_said) if part), flush=True)

    def end(self) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


def _on_terminal() -> bool:
    """Return whether both outputs are a terminal, so that the bar is all that is shown."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def _epoch(engine: Engine) -> str:
    """Return "epoch 3 of 60"; nothing if there is only one epoch."""
    many = (engine.state.max_epochs or 1) > 1
    return f"epoch {engine.state.epoch} of {engine.state.max_epochs}" if many else ""
