"""Give MONAI's config parser values that it must not evaluate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def as_data(path: str | os.PathLike) -> dict[str, Any]:
    """Return a config that gives a path as a string, whatever signs it has.

    MONAI's parser evaluates strings with "$", "@" and "%", and writes "::" for "#"; it leaves a Path as it is.

    Parameters
    ----------
    path : path
        The file or folder.

    Examples
    --------
    >>> from monai.bundle import ConfigParser
    >>> ConfigParser({"plain": "a#1", "data": as_data("a#1")}).get_parsed_content("plain")
    'a::1'
    >>> ConfigParser({"plain": "a#1", "data": as_data("a#1")}).get_parsed_content("data")
    'a#1'
    """
    return {"_target_": "builtins.str", "object": Path(path)}
