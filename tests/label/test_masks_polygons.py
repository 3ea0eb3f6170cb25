"""Polygons of instance maps."""

from __future__ import annotations

import numpy as np

from unetpipe.label.masks import page_annotations


def test_pages_have_the_images_numbers():
    pages = [np.zeros((4, 4), int)] * 2
    assert [page["annotation"]["name"] for page in page_annotations(pages, "cell", first=3)] == ["page 3", "page 4"]
