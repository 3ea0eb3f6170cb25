"""The ablation from end to end at a tiny budget: rows, resumption, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.ablation import job
from experiments.ablation.__main__ import main
from experiments.ablation.datasets import Dataset
from experiments.ablation.job import Job
from experiments.ablation.variants import ROWS, find_budget
from unetpipe.datasets import write_synthetic_ctc

TINY = {
    **{"channels": [4, 8], "tile": 66, "padded_tile": 66, "padded_small_tile": 20, "amp": False},
    **{"max_epochs": 2, "steps_per_epoch": 2, "val_interval": 2, "thresholds": [0.5], "marker_thresholds": [0.8]},
}
NAMES = ["padded", "padded_small", "zero_border", "rotations_7"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic_ctc(tmp_path_factory.mktemp("ablation") / "cells", sequences=1, frames=5, shape=(96, 128))


@pytest.fixture(scope="module")
def arguments(data: Path) -> list[str]:
    """The command but for its output."""
    budget = data.parent / "tiny.json"
    budget.write_text(json.dumps(TINY))
    return ["--dataset", str(data), "--budget", str(budget), "--seeds", "1", "--rows", *NAMES]


@pytest.fixture(scope="module")
def output(arguments: list[str]) -> Path:
    """What the command wrote, after it was cut off in its second row and started again."""
    folder = Path(arguments[1]).parent / "out"
    original, calls = job.score_bundle, []

    def cut_off(*call: Any) -> Any:
        calls.append(call)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "score_bundle", cut_off)
        with pytest.raises(KeyboardInterrupt):
            main([*arguments, "--output", str(folder)])
        trained = (folder / "padded" / "seed0" / "checkpoints" / "last.pt").stat().st_mtime_ns
        assert main([*arguments, "--output", str(folder)]) == 0
    assert len(calls) == 2 + len(NAMES)  # full and the one cut off; full was not scored again
    assert (folder / "padded" / "seed0" / "checkpoints" / "last.pt").stat().st_mtime_ns == trained
    return folder


def test_every_row_is_scored_and_none_twice(output: Path) -> None:
    results = {path.parent.parent.name: json.loads(path.read_text()) for path in output.glob("*/seed0/result.json")}
    assert results.keys() == {"full", *NAMES}
    for scores in results.values():
        assert scores.keys() == {"chosen", "plain"}
        assert scores["plain"]["threshold"] == 0.5
        assert scores["chosen"]["cells"] == scores["plain"]["cells"] > 0
    assert not (output / "rotations_7" / "seed0" / "checkpoints").exists()  # it scores the training of full


def test_rows_change_what_they_say(output: Path) -> None:
    padded = json.loads((output / "padded" / "seed0" / "configs" / "train.json").read_text())
    full = json.loads((output / "full" / "seed0" / "configs" / "train.json").read_text())
    assert (padded["tile"], full["tile"]) == (66, 66)
    metadata = json.loads((output / "padded" / "seed0" / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["outputs"]["pred"]["spatial_shape"][0].startswith("66")  # as the input


def test_table_and_picture_are_written(output: Path) -> None:
    lines = (output / "ablation.md").read_text().splitlines()
    assert len(lines) == 2 + 1 + len(NAMES)
    assert len((output / "ablation.csv").read_text().splitlines()) == 1 + 2 * (1 + len(NAMES))
    assert "blended sliding window; a loss on the whole tile" in (output / "ablation.svg").read_text()


def test_other_settings_are_not_mixed_in(arguments: list[str], output: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**TINY, "max_epochs": 4}))
    changed = [str(other) if Path(argument).name == "tiny.json" else argument for argument in arguments]
    with pytest.raises(SystemExit) as stopped:
        main([*changed, "--output", str(output)])
    said = str(stopped.value)
    assert "computed with other settings" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--budget": "huge"}, "no budget 'huge'; name one of cpu"),
        ({"--budget": "/"}, "no budget '/'; name one of cpu"),
        ({"--rows": "no_such"}, "no row 'no_such'; there are full"),
        ({"--rows": "gold"}, "needs a data set with gold truth of some frames"),
        ({"--dataset": "nowhere"}, "There is no data folder nowhere"),
    ],
)
def test_mistakes_are_one_sentence(data: Path, tmp_path: Path, change: dict[str, str], sentence: str) -> None:
    given = {"--dataset": str(data), "--output": str(tmp_path / "out"), **change}
    with pytest.raises(SystemExit) as stopped:
        main([*(part for pair in given.items() for part in pair)])
    said = str(stopped.value)
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not a JSON object"),
        ("[4]", "is not a JSON object"),
        ('{"chanels": [4, 8]}', "has keys that train.json does not have: chanels"),
    ],
)
def test_bad_budgets(data: Path, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "budget.json").write_text(text)
    arguments = ["--dataset", str(data), "--output", str(tmp_path / "out"), "--budget", str(tmp_path / "budget.json")]
    with pytest.raises(SystemExit, match=sentence):
        main([*arguments])
    assert not (tmp_path / "out").exists()


def test_results_of_other_data_are_not_taken(data: Path, tmp_path: Path) -> None:
    jobs = [
        Job(ROWS[0], 0, Dataset("cells", folder, {}, {}, False), find_budget("cpu"), tmp_path / "out")
        for folder in (data, tmp_path)
    ]
    assert jobs[0].settings() != jobs[1].settings()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_overlay_sets_keys_that_train_or_evaluate_have(row: Any) -> None:
    from monai.bundle import ConfigParser

    from unetpipe.bundle.writing import find_bundle

    configs = [str(find_bundle() / "configs" / name) for name in ("train.json", "evaluate.json")]
    parser = ConfigParser(ConfigParser.load_config_files(configs))
    added = {"network_def#padding", "train#random_transforms#elastic#flip_prob"}  # arguments that have a default
    for overlay in row.overlays:
        for key in json.loads(overlay.read_text()):
            assert key in parser or key in added, key
