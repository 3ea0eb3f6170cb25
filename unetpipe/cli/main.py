"""The program ``unetpipe``. Each verb is a file of this folder and is imported only when it is called."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Collection, Sequence
from importlib import import_module

from unetpipe import __version__
from unetpipe.cli.answers import Parser, unknown_arguments, unknown_verb, wish
from unetpipe.errors import DEBUG, input_error_behind

STOPPED = 130  # the status that a shell gives to a program ended by Ctrl-C
CLOSED = 141  # the status that a shell gives to a program whose output pipe was closed
EMPTY = re.compile(r"(--[\w-]+=)?")  # an empty argument; as a path it would mean the current folder

# A verb is a module of this folder with add_arguments(parser) and run(options).
VERBS = {
    "train": "train a network on images and masks",
    "check": "examine a folder of data: what it holds, what is wrong, how to train on it",
    "models": "list the models that come with unetpipe: what each is for, and how it scored",
    "segment": "segment an image, a stack, a volume, a folder of them, or a data set",
    "evaluate": "score a result as the Cell Tracking Challenge or ISBI 2012 do",
    "link": "link the cells of a segmented sequence from frame to frame, and measure their tracks",
    "measure": "measure masks: density and shape of cells; areas and volume of a NIfTI mask",
    "label": "annotate, correct and retrain on a folder of images, with MONAI Label",
    "fetch": "download a public data set",
    "encode": "write masks as the run-length file of the Data Science Bowl 2018",
    "export": "write a stand-alone bundle or a bioimage.io package",
    "demo": "train on synthetic touching cells, then segment and score others",
    "doctor": "show what is installed, on which device unetpipe computes, and what to repair",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns
    -------
    int
        The exit status: 0, 1 after one sentence about what the user gave wrong, 130 after Ctrl-C, 141 if the pipe that
        it prints to was closed.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = Parser(prog="unetpipe", description="U-Net for touching cells, as a MONAI pipeline.")
    parser.add_argument("--version", action="version", version=f"unetpipe {__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    empty = next((argument for argument in arguments if EMPTY.fullmatch(argument)), None)
    if empty is not None:
        parser.error(f"{empty or 'An argument'} is empty; perhaps a variable of the shell is not set.")
    if arguments and not arguments[0].startswith("-") and arguments[0] not in VERBS:
        parser.error(unknown_verb(arguments[0], VERBS))
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in arguments[:1]:
            module = import_module(f"unetpipe.cli.{name}")
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
            answer = wish(arguments[1:], verb.option_strings())
            if answer:
                verb.error(answer)
    options, rest = parser.parse_known_args(arguments)
    if rest:
        verb = verbs.choices[arguments[0]]
        verb.error(unknown_arguments(rest, arguments[0], verb.option_strings(), _keys(arguments[0])))
    if isinstance(sys.stdout, io.TextIOWrapper):  # signs and names that a console of Windows lacks are spelt out
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
        sys.stdout.flush()
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        mistake: object = input_error_behind(error)
        if mistake is None and _is_closed_pipe(error):  # such as that of unetpipe … | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest of the output goes there
            return CLOSED
        mistake = mistake or _mistake(error)
        if mistake is None:
            raise
        print(f"Error: {mistake}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    return 0


def _keys(verb: str) -> Collection[str]:
    """Return the keys that ``--set`` of a verb takes."""
    if verb != "train":
        return ()
    from unetpipe.bundle.writing import find_bundle, read_config

    return read_config(find_bundle() / "configs" / "train.json")


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Return whether a closed pipe caused an exception: MONAI wraps what is raised while a config runs."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__cause__
    return error is not None


def _mistake(raised: BaseException) -> object:
    """Say what the operating system refused, which package is missing, or which part of a config cannot be built.

    MONAI wraps what is raised while a config runs. None if the error is a bug.
    """
    error: BaseException | None = raised
    while error is not None and not isinstance(error, (OSError, ModuleNotFoundError)):
        error = error.__cause__
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used ({error.strerror})."
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("unetpipe"):
        return f"The package {error.name} is not installed; pip install it, or unetpipe with the extra that brings it."
    from unetpipe.bundle.failing import unbuilt_part

    return unbuilt_part(raised)


if __name__ == "__main__":
    sys.exit(main())
