"""Copies of frames that validation sees perturbed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from workflows import SMALL, workflow

from unetpipe.training.frames import perturbed_copies


@pytest.mark.parametrize(
    ("there", "asked", "made"), [(4, 6, 4), (4, 4, 4), (40, 6, 6), (1, 1, 1), (3, 0, 0), (0, 6, 0)]
)
def test_copies_are_of_different_frames_spread_evenly(there: int, asked: int, made: int) -> None:
    copies = perturbed_copies([{"frame": number} for number in range(there)], asked)
    frames = [copy["frame"] for copy in copies]
    assert len(frames) == len(set(frames)) == made
    if made:
        gaps = {later - earlier for earlier, later in pairwise(frames)}
        assert max(gaps, default=0) - min(gaps, default=0) <= 1
        assert frames[0] <= there / made
        assert there - 1 - frames[-1] <= there / made


def test_validation_sees_copies_and_evaluation_does_not(synthetic: Path, tmp_path: Path) -> None:
    places = {"dataset_dir": str(synthetic), "output_dir": str(tmp_path), **SMALL}
    parser = workflow(["train.json"], **places).parser
    plain, dataset = parser.get_parsed_content("validate#dataset#data"), parser.get_parsed_content("validate#dataset")
    assert len(plain) == 2
    assert len(dataset) == 4
    names = [item["label"].meta["perturbation"] for item in dataset]
    assert names == ["", "", "noise 0.3 sd", "ramp 1 sd"]
    scored = workflow(["train.json", "evaluate.json"], **places).parser
    assert len(scored.get_parsed_content("validate#dataset")) == 2
    assert (
        len(workflow(["train.json"], **places, perturbed_frames=0).parser.get_parsed_content("validate#dataset")) == 2
    )
