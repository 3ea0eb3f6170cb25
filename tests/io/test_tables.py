from __future__ import annotations

from pathlib import Path

import pytest

from unetpipe.io.tables import write_csv


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tif", b"image,score\na.tif,0.50000\n"), ("Ü", b"\xef\xbb\xbfimage,score\n\xc3\x9c,0.50000\n")],
)
def test_letters_beyond_ascii_come_after_a_byte_order_mark(name: str, content: bytes, tmp_path: Path) -> None:
    write_csv(tmp_path / "scores.csv", ("image", "score"), [(name, 0.5)])
    assert (tmp_path / "scores.csv").read_bytes() == content
