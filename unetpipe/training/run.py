"""Running an engine so that what a user can mend, such as a full disk, ends in one sentence."""

from __future__ import annotations

import sys
from types import TracebackType

import torch.distributed as dist
from ignite.engine import Engine

from unetpipe.bundle.command_line import runs_under_monai_bundle, trains_for_monai_label
from unetpipe.errors import InputError, input_error_behind


def run_engine(engine: Engine) -> None:
    """Run a trainer or evaluator.

    Raises
    ------
    SystemExit
        Under ``python -m monai.bundle``, with one sentence, if an InputError ended the run.
    InputError
        Otherwise, without what MONAI wrapped round it. Any other exception is a bug and passes.
    """
    try:
        engine.run()
    except Exception as error:
        mistake = input_error_behind(error) or lost_process(error)
        if mistake is None:
            raise
        stop_program(mistake)


def lost_process(error: BaseException | None) -> InputError | None:
    """Return a sentence if an exception came of another process of a distributed run having ended."""
    signs = ("closed by peer", "Connection reset", "Broken pipe", "timed out", "NCCL", "gloo", "Gloo")
    while error is not None and dist.is_initialized():
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs):
            return InputError("Another process of this run has ended; start it again, a training with --resume True.")
        error = error.__cause__
    return None


def stop_program(mistake: InputError) -> None:
    """End ``python -m monai.bundle`` with the sentence and status 1; elsewhere raise the InputError."""
    if runs_under_monai_bundle():
        raise SystemExit(f"Error: {mistake}") from None
    raise mistake


def one_line_mistakes() -> None:
    """Let any InputError that ends the program be one line, not a traceback.

    Only under ``python -m monai.bundle``, and where a MONAI Label server trains: it shows the output to its clients.

    MONAI wraps what a config's parts raise while they are made, such as a network with arguments that do not fit.
    """
    if not (runs_under_monai_bundle() or trains_for_monai_label()):
        return

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        mistake = input_error_behind(error)
        if mistake is None:
            sys.__excepthook__(kind, error, traceback)
        else:
            print(f"Error: {mistake}", file=sys.stderr)

    sys.excepthook = hook
