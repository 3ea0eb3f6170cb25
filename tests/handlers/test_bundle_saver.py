"""A trained bundle always has configs, and never weights that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from unetpipe.errors import InputError
from unetpipe.handlers import BundleSaver
from unetpipe.networks import UNet, load_weights, save_state


def test_a_folder_that_is_not_a_bundle_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a bundle: configs/metadata\.json is missing"):
        BundleSaver(UNet(channels=(2, 4)), tmp_path, tmp_path / "output", {})


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = UNet(channels=(2, 4))
    state = network.state_dict()
    state["classify.bias"][0] = float("nan")
    save_state(state, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"NaN or infinite, such as classify\.bias"):
        load_weights(network, tmp_path / "model.pt")
