from __future__ import annotations

import pytest
from lower_bounds import not_lowest, requirements

PROJECT = {
    "name": "mine",
    "dependencies": ["torch>=2", "Plain_Name>=1.5", "reader>=2026.1.14"],
    "optional-dependencies": {
        "test": ["mine[draw,read]", "never>=9; python_version < '3'", "reader>=2026.3.6"],
        "draw": ["mine[colours]", "pens>=8,<10"],
        "colours": ["inks>=2.5"],
        "read": [],
        "other": ["unused>=1"],
    },
}
LOWEST = {"torch": "2.13.0", "plain-name": "1.5.0", "reader": "2026.3.6", "pens": "8.0", "inks": "2.5"}


def test_the_lower_bounds_of_an_extra_and_of_those_that_it_names() -> None:
    assert not_lowest(requirements(PROJECT, "test"), LOWEST.__getitem__) == []


@pytest.mark.parametrize(
    ("name", "version", "bound"),
    [("pens", "8.0.1", "8"), ("reader", "2026.1.14", "2026.3.6"), ("inks", "2.5.post1", "2.5")],
)
def test_what_is_not_lowest_is_said(name: str, version: str, bound: str) -> None:
    installed = {**LOWEST, name: version}
    expected = [f"{name} {version} is installed, its lower bound is {bound}"]
    assert not_lowest(requirements(PROJECT, "test"), installed.__getitem__) == expected
