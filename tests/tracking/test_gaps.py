"""A frame number may be absurd; what is missing is said at once."""

from __future__ import annotations

import pytest

from unetpipe.errors import InputError
from unetpipe.tracking.link import check_complete


def test_an_absurd_frame_number_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"lacks mask001\.tif, mask002\.tif"):
        check_complete({0, 99_999_999_999}, "folder")
