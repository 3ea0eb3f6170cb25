"""The training tile of a network that takes the place of the one that a config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monai.bundle import ConfigParser

from unetpipe.errors import InputError
from unetpipe.networks import UNet

NETWORK = "network_def"


class TileSizes(NamedTuple):
    """Sides of a tile and of what the network returns of it, and the step of valid sides, in pixels."""

    tile: int
    output: int
    step: int


def tile_sizes(training: Mapping[str, Any], values: Mapping[str, Any]) -> TileSizes:
    """Return the sizes of the tile with which a network learns as many pixels as the network of a config does.

    Parameters
    ----------
    training : mapping
        A config of a training, with a network and a tile.
    values : mapping
        Values for keys of the config, which may name another network. A ``tile`` among them is used as it is.

    Raises
    ------
    InputError
        If the tile does not fit the network, or the network does not say its sizes.
    """
    network = _network(training, values)
    tile = values.get("tile", training["tile"])
    try:
        if "tile" not in values and isinstance(network, UNet):
            tile = network.input_size(_network(training, {}).output_size(tile))
        return TileSizes(tile, network.output_size(tile), network.step)
    except ValueError as error:
        raise InputError(f"tile={tile}: {error}") from error


def _network(training: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    parser = ConfigParser(dict(training))
    parser.update({key: value for key, value in values.items() if key.split("#")[0] in training})
    network = parser.get_parsed_content(NETWORK)
    if not hasattr(network, "output_size"):
        raise InputError(
            f"{NETWORK} is of class {type(network).__name__}, which does not say its sizes (output_size); name a "
            "network of unetpipe.networks by network_class."
        )
    return network
