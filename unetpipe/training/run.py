"""Run an engine, and end the program with one sentence if a user's mistake ends it."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from types import TracebackType

import torch.distributed as dist
from ignite.engine import Engine
from monai.bundle import ConfigParser

from unetpipe.bundle.command_line import read_command_line, runs_under_monai_bundle, trains_for_monai_label
from unetpipe.bundle.failing import unbuilt_part
from unetpipe.bundle.options import check_values
from unetpipe.bundle.running import running_parser
from unetpipe.errors import DEBUG, InputError, input_error_behind
from unetpipe.files import first_line, writing
from unetpipe.training.distributed import rank


def run_engine(engine: Engine, output_dir: str | os.PathLike | None = None) -> None:
    """Run a trainer or evaluator.

    Parameters
    ----------
    engine : Engine
        The trainer or evaluator.
    output_dir : path, optional
        The output folder, to which no other process may write meanwhile.

    Raises
    ------
    InputError
        If one ended the run: the InputError itself, not the exception in which MONAI wraps it. Any other exception is
        a bug and passes unchanged.
    """
    held = writing(output_dir) if output_dir is not None and rank() == 0 else nullcontext()
    try:
        with held:
            engine.run()
    except Exception as error:
        mistake = input_error_behind(error) or lost_process(error) or uncompiled(error)
        if mistake is None:
            raise
        raise mistake from None


def lost_process(error: BaseException | None) -> InputError | None:
    """Return an InputError if an exception was raised because another process of a distributed run has ended."""
    signs = ("closed by peer", "Connection reset", "Broken pipe", "timed out", "NCCL", "gloo", "Gloo")
    while error is not None and dist.is_initialized():
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs):
            return InputError("Another process of this run has ended; start it again, a training with --resume True.")
        error = error.__cause__
    return None


def uncompiled(error: BaseException | None) -> InputError | None:
    """Return an InputError if an exception was raised because the network could not be compiled."""
    compiler = sys.modules.get("torch._dynamo.exc")
    while error is not None and compiler is not None:
        if isinstance(error, compiler.BackendCompilerFailed):
            cause = getattr(error, "inner_exception", error)
            return InputError(f"The network cannot be compiled here ({first_line(cause)}); set compile=false.")
        error = error.__cause__
    return None


def one_line_mistakes() -> None:
    """Print a user's mistake that ends the program as one line instead of a traceback, and read the options of the run.

    Mistakes are an InputError, and a part of the config that cannot be built. The configs call this when they are
    initialised. It prints only under ``python -m monai.bundle``, and in the process that a MONAI Label server starts
    for a training, whose output the server shows to its clients.

    Raises
    ------
    InputError
        If an option of the run is wrong (:mod:`unetpipe.bundle.options`).
    """
    if runs_under_monai_bundle() or trains_for_monai_label():
        sys.excepthook = _print_mistake
    parser = running_parser()
    if parser is not None:
        read_command_line(parser)
        check_values(parser.get())
        _check_processes(parser)


def _check_processes(parser: ConfigParser) -> None:
    """Raise InputError if torchrun started several processes, but each would do all the work."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    joins = any("join_processes" in str(step) for step in parser.get("initialize", []))
    if started > 1 and not joins and not dist.is_initialized():
        raise InputError(
            f"torchrun started {started} processes, but the configs are for one; add multi_gpu_train.json (for an "
            "evaluation multi_gpu_evaluate.json too) to --config_file, or start it without torchrun."
        )


def _print_mistake(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    mistake = input_error_behind(error) or unbuilt_part(error)
    if mistake is None or os.environ.get(DEBUG):
        sys.__excepthook__(kind, error, traceback)
    else:
        print(f"Error: {mistake}", file=sys.stderr)
