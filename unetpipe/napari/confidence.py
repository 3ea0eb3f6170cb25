"""Hide the cells of a Labels layer that the network was not sure of; the labels themselves stay."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from unetpipe.errors import InputError

KEY = "unetpipe"  # of a layer's metadata: what is hidden, and the colours that were there before


def hidden_below(layer: Labels) -> float:
    """Return the confidence below which cells of a layer are hidden; 0 if none are."""
    return layer.metadata.get(KEY, {}).get("below", 0.0)


def hide_below(layer: Labels, least: float) -> int:
    """Hide the cells of which the confidence is below ``least``, and return their number; 0 shows all.

    Cells without a confidence, such as those drawn by hand, stay visible.

    Raises
    ------
    InputError
        If the layer's features lack the columns ``index`` and ``confidence``.
    """
    known = layer.metadata.get(KEY)
    if least <= 0:
        if known is not None:
            layer.colormap = layer.metadata.pop(KEY)["colormap"]
        return 0
    if not {"index", "confidence"} <= set(layer.features):
        raise InputError(
            f"The confidence of the cells of {layer.name} is not known; segment the image here, or with --tables."
        )
    plain = layer.colormap if known is None else known["colormap"]
    ids = layer.features["index"].to_numpy(np.int64)
    unsure = layer.features["confidence"].to_numpy() < least
    colours = plain.map(ids)
    colours[unsure] = 0
    layer.metadata[KEY] = {"below": least, "colormap": plain}
    drawn = plain.map(int(ids.max(initial=0)) + 1)  # one colour for all labels that are not in the table
    layer.colormap = DirectLabelColormap(color_dict={None: drawn, **dict(zip(ids.tolist(), colours, strict=True))})
    return int(np.count_nonzero(unsure))


def visible_labels(layer: Labels) -> np.ndarray:
    """Return the labels in memory, in full resolution, without the cells that are hidden."""
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if not hidden_below(layer):
        return labels
    unsure = layer.features["index"][layer.features["confidence"] < hidden_below(layer)]
    return np.where(np.isin(labels, unsure), 0, labels)
