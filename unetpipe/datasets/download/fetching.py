"""A public data set, from its owner's server to a folder."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from unetpipe.datasets.download.transfer import download
from unetpipe.datasets.download.unpack import unpack
from unetpipe.errors import InputError
from unetpipe.files import check_folder, write_text

CHECKSUMS = "SHA256SUMS"


def fetch(
    name: str,
    output: str | os.PathLike,
    sha256: str | None = None,
    url: str | None = None,
    progress: bool = True,
) -> tuple[Path, str]:
    """Download a public data set and unpack it as ``output/NAME``.

    Parameters
    ----------
    name : str
        One of :data:`unetpipe.datasets.download.SETS`.
    output : path
        Folder that holds data sets.
    sha256 : str, optional
        Check sum that the archive must have, in hexadecimal digits.
    url : str, optional
        Another address of the same archive.
    progress : bool
        Show a progress bar.

    Returns
    -------
    folder : Path
        The data set.
    sha256 : str
        The archive's checksum. At the first download of an address it is recorded in ``output/SHA256SUMS``.

    Raises
    ------
    InputError
        If there is no such set, the folder is there already, or the download or the archive fails a check. An
        interrupted download is kept for the next call; nothing else is left behind.
    """
    owners = address(name)
    source = owners if url is None else url
    folder = Path(output) / name
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(f"{sha256!r} is not a SHA-256: a SHA-256 has 64 hexadecimal digits.")
    if folder.exists():
        raise InputError(f"{folder} is there already; remove it, or name another --output.")
    check_folder(output)
    archive = Path(output) / f".{name}.zip"
    try:
        digest = download(source, archive, progress)
        if sha256 is not None and digest != sha256.lower():
            raise InputError(f"{source} has the SHA-256 {digest}, not {sha256.lower()}; it is removed.")
        unpack(archive, folder)
    finally:
        archive.unlink(missing_ok=True)
    _record(Path(output) / CHECKSUMS, digest, f"{name}.zip")
    return folder, digest


def _record(path: Path, digest: str, name: str) -> None:
    """Add a line as ``sha256sum`` writes it, unless there is one for that name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if not any(line.endswith(f"  {name}") for line in lines):
        write_text(path, "\n".join([*lines, f"{digest}  {name}"]) + "\n")


_CTC = "https://data.celltrackingchallenge.net/training-datasets/{}.zip"
_ISBI = "https://downloads.imagej.net/ISBI-2012-challenge.zip"

# name: (address, what it shows)
SETS = {
    "isbi2012": (_ISBI, "neurites in electron microscopy, stacks of 30 slices"),
    "DIC-C2DH-HeLa": (_CTC.format("DIC-C2DH-HeLa"), "HeLa cells on flat glass, DIC"),
    "PhC-C2DH-U373": (_CTC.format("PhC-C2DH-U373"), "glioblastoma-astrocytoma U373 cells, phase contrast"),
    "PhC-C2DL-PSC": (_CTC.format("PhC-C2DL-PSC"), "pancreatic stem cells, phase contrast"),
    "BF-C2DL-HSC": (_CTC.format("BF-C2DL-HSC"), "mouse hematopoietic stem cells, bright field"),
    "BF-C2DL-MuSC": (_CTC.format("BF-C2DL-MuSC"), "mouse muscle stem cells, bright field"),
    "Fluo-C2DL-Huh7": (_CTC.format("Fluo-C2DL-Huh7"), "human hepatocarcinoma-derived cells, fluorescence"),
    "Fluo-C2DL-MSC": (_CTC.format("Fluo-C2DL-MSC"), "rat mesenchymal stem cells, fluorescence"),
    "Fluo-N2DH-GOWT1": (_CTC.format("Fluo-N2DH-GOWT1"), "nuclei of GOWT1 mouse stem cells, fluorescence"),
    "Fluo-N2DH-SIM+": (_CTC.format("Fluo-N2DH-SIM+"), "simulated nuclei, fluorescence"),
    "Fluo-N2DL-HeLa": (_CTC.format("Fluo-N2DL-HeLa"), "nuclei of HeLa cells, fluorescence"),
}


def address(name: str) -> str:
    """Return where a data set is kept; InputError, naming the nearest name, if there is no such set."""
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETS)}."
        raise InputError(f"There is no public data set {name!r}; {hint}")
    return SETS[name][0]
