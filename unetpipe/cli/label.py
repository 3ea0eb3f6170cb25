"""``unetpipe label``: annotate, correct and retrain on a folder of images, with a MONAI Label server."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

import unetpipe
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.options import add_bundle_and_model
from unetpipe.errors import InputError
from unetpipe.files import first_line

GREETING = """
MONAI Label serves {studies} at {address}

Connect 3D Slicer to that address, or from Python:
    from monailabel.client import MONAILabelClient
    client = MONAILabelClient("{address}")
    image = client.next_sample("uncertain", {{}})["id"]
    mask, _ = client.infer("{model}", image, {{}})             # correct it in a viewer, then
    client.save_label(image, mask, tag="final")
    client.train_start("{model}", {{"max_epochs": 20}})        # the server then uses the better model
The model is kept in {folder}. Ctrl+C stops the server."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "studies", metavar="DIR", type=Path, help="folder of TIFF, PNG or NIfTI images; labels are stored in it"
    )
    add_bundle_and_model(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve at (default: 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", metavar="NUMBER", type=int, default=8000, help="port to serve at (default: 8000)")


def run(options: argparse.Namespace) -> None:
    """Prepare the app and run the server until it is stopped."""
    from unetpipe.label.folder import MODEL, SESSIONS, check_studies, prepare

    studies = check_studies(options.studies)
    check_port(options.host, options.port)
    check_package()
    folder = prepare(studies, options.bundle if options.bundle is not None else find_bundle(), options.model)
    address = f"http://{options.host}:{options.port}"
    greeting = GREETING.format(studies=studies, address=address, model=MODEL, folder=folder / "model" / MODEL)
    settings = {"models": MODEL, "zoo_source": "local", "sam2": "false", "greeting": greeting}
    arguments = ["start_server", "--app", str(folder), "--studies", str(studies)]
    for key, value in settings.items():
        arguments += ["--conf", key, value]
    arguments += ["--host", options.host, "--port", str(options.port), "--uvicorn_app", "unetpipe.label.server:app"]

    from monailabel.config import settings as server_settings
    from monailabel.main import Main

    server_settings.MONAI_LABEL_SESSION_PATH = str(folder / SESSIONS)  # by default it is below the home folder
    sys.argv = ["monailabel", *arguments]
    Main().run()


def check_port(host: str, port: int) -> None:
    """Raise InputError unless a server can be bound to the port."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        raise InputError(f"Port {port} of {host} cannot be used ({first_line(error)}); choose another.") from None


def check_package() -> None:
    """Raise InputError, with the line that installs it, unless MONAI Label can be imported."""
    try:
        import monailabel.main  # noqa: F401
    except Exception as error:  # what its dependencies raise in sets that do not fit is of any kind
        constraints = Path(unetpipe.__file__).parent / "label" / "constraints.txt"
        raise InputError(
            f"MONAI Label cannot be imported ({first_line(error)}); install it, in an environment of its own, by: "
            f'SAM2_BUILD_CUDA=0 PIP_CONSTRAINT="{constraints}" python -m pip install "unetpipe[label]"'
        ) from error
