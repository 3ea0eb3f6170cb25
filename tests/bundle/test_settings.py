"""Values for a config: paths stay text whatever they are called, recipes are overlays on ``train.json``."""

from __future__ import annotations

import pytest
from monai.bundle import ConfigParser

from unetpipe.bundle.settings import as_text, recipe_configs, recipe_names
from unetpipe.bundle.writing import find_bundle


@pytest.mark.parametrize(
    "name", ["a b/c.tif", "$1 + 1", "@b", "%b", "@::b", "a#b", "a::b", "x%::b", "$'\"\\@#", "ä\udc80/\\n", "$import os"]
)
def test_a_path_stays_text(name: str) -> None:
    parser = ConfigParser({"a": as_text(name), "b": "no", "c": "$@a + '/x'", "d": {"e": "@a"}})
    assert parser.get_parsed_content("a") == name
    assert parser.get_parsed_content("c") == f"{name}/x"
    assert parser.get_parsed_content("d") == {"e": name}


def test_recipes() -> None:
    bundle = find_bundle()
    names = recipe_names(bundle)
    assert {"dic_hela", "isbi2012", "paper", "n4"} <= set(names)
    assert not {"train", "inference", "evaluate", "metadata", "lungs_ct"} & set(names)
    for name in names:
        configs = recipe_configs(bundle, [name])
        assert "train" in ConfigParser.load_config_files(configs)
