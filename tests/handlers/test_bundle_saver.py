"""A trained bundle always has configs, and never weights that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from unetpipe.errors import InputError
from unetpipe.handlers import BundleSaver
from unetpipe.networks import UNet


def test_a_folder_that_is_not_a_bundle_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a bundle: configs/metadata\.json is missing"):
        BundleSaver(UNet(channels=(2, 4)), tmp_path, tmp_path / "output", {})
