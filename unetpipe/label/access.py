"""Who may ask the label server, and for what: hosts, origins, token, size of uploads, features that are off."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from unetpipe.errors import InputError

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
FEATURES = {  # what MONAI Label offers beyond images, labels, inference and training; all off unless asked for
    "delete-images": "delete images of the studies, with their labels",
    "change-models": "replace or delete the served model",
    "logs": "read the server's log and the state of its GPUs (the log's page loads scripts from other sites)",
    "api-page": "the page that lists all calls (it loads scripts from another site)",
}
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Access:
    """What the server lets through.

    Attributes
    ----------
    hosts : sequence of str
        Names and addresses under which the server may be asked; a web page that resolves its own name to this machine
        (DNS rebinding) asks under another.
    origins : sequence of str
        Web pages of these origins may send requests, in addition to those that the server itself sends.
    token : str, optional
        Must come with each request.
    max_upload : int
        Bytes of a request.
    features : sequence of str
        The keys of FEATURES that are on.
    """

    hosts: Sequence[str] = LOCAL_NAMES
    origins: Sequence[str] = ()
    token: str | None = None
    max_upload: int = 2 * 10**9
    features: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise InputError for an origin or a token that no request could have."""
        for origin in self.origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or "@" in origin:
                raise InputError(f"--allow-origin {origin} must be an origin, such as http://localhost:3000.")
        if self.token is not None and not re.fullmatch(rf"[!-~]{{{SHORTEST_TOKEN},}}", self.token):
            raise InputError(
                f"The token must have at least {SHORTEST_TOKEN} letters, digits and signs, without spaces; a good one: "
                f"{secrets.token_urlsafe()}"
            )
        if self.max_upload < 1:
            raise InputError(f"--max-upload {self.max_upload} must be at least 1 byte.")


def is_local(host: str) -> bool:
    """Return whether only programs of this machine reach a server at that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> list[str]:
    """Return the names and addresses by which a server at an address is reached.

    A server at all addresses (0.0.0.0) is reached by each of this machine's.
    """
    if host != "0.0.0.0":
        return [host, *LOCAL_NAMES] if is_local(host) else [host]
    import psutil

    addresses = [address.address for card in psutil.net_if_addrs().values() for address in card]
    return [*LOCAL_NAMES, socket.gethostname(), socket.getfqdn(), *addresses]


def bytes_of(text: str) -> int:
    """Return a size in bytes: 500000, 300M, 2G, 1.5GB (1 MB is 1,000,000 bytes).

    Raises
    ------
    InputError
        If it is not a size.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kKMGT]?)B?", text.strip())
    if not match:
        raise InputError(f"{text!r} is not a size; write it as 500000, 300M or 2G.")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))
