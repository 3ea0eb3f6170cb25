"""The public data sets that can be fetched, and where their owners keep them. Each is under its owner's terms."""

from __future__ import annotations

import difflib

from unetpipe.errors import InputError

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
