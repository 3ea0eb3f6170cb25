"""Worker processes that share no memory with their parent, as on Windows and macOS (spawn) and from Python 3.14 on."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from workflows import SHORT, SMALL, run, workflow

from unetpipe.bundle.settings import recipe_names
from unetpipe.bundle.writing import find_bundle

BELOW = {"n4_fovea": ["n4.json"]}  # a recipe that goes on top of another one
SHORTEST = {**SMALL, **SHORT, "max_epochs": 1, "steps_per_epoch": 2, "num_workers": 1}


def weights(data: Path, output: Path, method: str) -> dict[str, torch.Tensor]:
    """Train with worker processes that are started so; the process that loads is a new interpreter under "spawn"."""
    start = {"train#dataloader#multiprocessing_context": method}
    made = run(["train.json"], dataset_dir=str(data), output_dir=str(output), **SHORTEST, **start)
    return made.parser.get_parsed_content("network").state_dict()


def test_they_draw_what_forked_workers_draw(synthetic: Path, tmp_path: Path) -> None:
    forked, spawned = (weights(synthetic, tmp_path / method, method) for method in ("fork", "spawn"))
    assert all(torch.equal(spawned[name], value) for name, value in forked.items())


@pytest.mark.parametrize("recipe", [None, *recipe_names(find_bundle())])
def test_the_transforms_of_every_recipe_can_be_sent_to_them(recipe: str | None) -> None:
    overlays = [*BELOW.get(recipe, []), f"{recipe}.json"] if recipe else []
    parser = workflow(["train.json", *overlays], dataset_dir="data").parser
    chain: Any = parser.get_parsed_content("train#preprocessing")
    copy = pickle.loads(pickle.dumps(chain))
    assert [type(part) for part in copy.transforms] == [type(part) for part in chain.transforms]
