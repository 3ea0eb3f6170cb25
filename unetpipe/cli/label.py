"""``unetpipe label``: annotate, correct and retrain on a folder of images, with a MONAI Label server."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from unetpipe.cli.options import add_bundle_and_model, add_safe
from unetpipe.errors import InputError
from unetpipe.files import first_line
from unetpipe.label.access import FEATURES, Access, bytes_of, is_local, names_of

TOKEN = "UNETPIPE_LABEL_TOKEN"
GREETING = """
MONAI Label serves {studies} at {address}

Connect 3D Slicer to that address{login}, or from Python:
    from monailabel.client import MONAILabelClient
    client = MONAILabelClient("{address}"){authentication}
    image = client.next_sample("uncertain", {{}})["id"]
    mask, _ = client.infer("{model}", image, {{}})             # correct it in a viewer, then
    client.save_label(image, mask, tag="final")
    client.train_start("{model}", {{"max_epochs": 20}})        # a better model takes over by itself
The model is kept in {folder}. Ctrl+C stops the server."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "studies", metavar="DIR", type=Path, help="folder of TIFF, PNG or NIfTI images; labels are stored in it"
    )
    add_bundle_and_model(parser)
    add_safe(parser)
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to serve at (default: 127.0.0.1, only this machine); any other needs --token",
    )
    parser.add_argument("--port", metavar="NUMBER", type=int, default=8000, help="port to serve at (default: 8000)")
    parser.add_argument(
        "--token",
        metavar="TEXT",
        default=os.environ.get(TOKEN),
        help=f"password that each request must have, 16 characters or more (default: the variable {TOKEN}, or none)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name of this machine, such as label.lab.org; may be repeated",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web pages of this origin may use the server, such as http://localhost:3000; may be repeated",
    )
    parser.add_argument(
        "--max-upload", default="2G", metavar="SIZE", help="largest upload, such as 300M (default: 2G, in bytes 2·10⁹)"
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=list(FEATURES),
        help="switch on a feature that is off; may be repeated. "
        + "; ".join(f"{key}: {value}" for key, value in FEATURES.items()),
    )


def run(options: argparse.Namespace) -> None:
    """Prepare the app and run the server until it is stopped."""
    from unetpipe.bundle.writing import find_bundle
    from unetpipe.label.folder import MODEL, check_studies, prepare

    access = read_access(options)
    studies = check_studies(options.studies)
    check_port(options.host, options.port)
    check_package()
    folder = prepare(
        studies, options.bundle if options.bundle is not None else find_bundle(), options.model, options.safe
    )
    host = socket.gethostname() if options.host == "0.0.0.0" else options.host
    address = f"http://{host}:{options.port}"
    greeting = GREETING.format(
        studies=studies,
        address=address,
        model=MODEL,
        folder=folder / "model" / MODEL,
        login=", with any user name and the token as password" if access.token else "",
        authentication='\n    client.update_auth(client.auth_token("me", TOKEN))' if access.token else "",
    )
    settings = {"models": MODEL, "zoo_source": "local", "sam2": "false", "greeting": greeting}
    arguments = ["start_server", "--app", str(folder), "--studies", str(studies)]
    for key, value in settings.items():
        arguments += ["--conf", key, value]
    arguments += ["--host", options.host, "--port", str(options.port), "--uvicorn_app", "unetpipe.label.server:app"]

    from filelock import FileLock, Timeout
    from monailabel.main import Main

    from unetpipe.label.server import set_up

    try:
        lock = FileLock(folder / ".server.lock").acquire(timeout=0)
    except Timeout:
        raise InputError(f"Another unetpipe label serves {studies}; stop it first.") from None
    with lock:
        os.chdir(folder)  # the server's processes import from where they start: never from the studies
        set_up(access, folder)
        sys.argv = ["monailabel", *arguments]
        Main().run()


def read_access(options: argparse.Namespace) -> Access:
    """Return who may ask the server; raise InputError if other machines could without a token."""
    if not is_local(options.host) and not options.token:
        raise InputError(
            f"At --host {options.host} other machines reach the server: give a --token of 16 characters or more, which "
            f"each request must bring, or set the variable {TOKEN}."
        )
    return Access(
        hosts=[*names_of(options.host), *options.allow_host],
        origins=options.allow_origin,
        token=options.token or None,
        max_upload=bytes_of(options.max_upload),
        features=options.allow,
    )


def check_port(host: str, port: int) -> None:
    """Raise InputError unless a server can be bound to the port."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        raise InputError(f"Port {port} of {host} cannot be used ({first_line(error)}); choose another.") from None


def check_package() -> None:
    """Raise InputError, with the line that installs it, unless MONAI Label can be imported."""
    import unetpipe

    try:
        import monailabel.main  # noqa: F401
    except Exception as error:  # what its dependencies raise in sets that do not fit is of any kind
        constraints = Path(unetpipe.__file__).parent / "label" / "constraints.txt"
        raise InputError(
            f"MONAI Label cannot be imported ({first_line(error)}); install it in a separate environment: "
            f'SAM2_BUILD_CUDA=0 PIP_CONSTRAINT="{constraints}" python -m pip install "unetpipe[label]"'
        ) from error
