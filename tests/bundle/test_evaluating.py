"""The bundle's ``evaluating`` scores as ``unetpipe evaluate`` does; membranes by the measures of ISBI 2012."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflows import BUNDLE, SHORT, SMALL, run

from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels

FILES = ("scores.json", "objects.csv", "frames.csv")


def test_same_table_and_files_as_the_program(
    trained: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    scored = tmp_path / "scored"
    run(
        ["train.json", "evaluate.json"],
        trained,
        output_dir=str(scored),
        eval_truth="gold",
        eval_sequences=[1],
        progress=False,
    )
    printed = capsys.readouterr().out.splitlines()
    table = printed[printed.index(next(line for line in printed if line.startswith("SEG "))) :][:9]
    arguments = ["evaluate", str(scored / "01_RES"), str(synthetic / "01_GT"), "--output", str(tmp_path / "program")]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[:9] == table
    for name in FILES:
        assert (scored / name).read_text() == (tmp_path / "program" / name).read_text()
    with (scored / "frames.csv").open() as file:
        assert [row["sequence"] + row["frame"] for row in csv.DictReader(file)] == ["010", "011", "012"]


def test_a_bundle_that_another_inferer_validated_is_scored_by_it(synthetic: Path, tmp_path: Path):
    """It has neither AutocastInferer nor a progress bar over tiles."""
    changes = {"tile": 48, "validate#inferer": {"_target_": "SimpleInferer"}, "dataset_dir": str(synthetic)}
    own, scored = tmp_path / "own", tmp_path / "scored"
    run(["train.json", "small_padded.json"], **{**SMALL, **SHORT, **changes}, output_dir=str(own))
    run(["train.json", "evaluate.json"], own, output_dir=str(scored), eval_sequences=[1], progress=False)
    assert "SEG" in json.loads((scored / "scores.json").read_text())


@pytest.fixture(scope="module")
def membranes(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic cells as an ISBI 2012 set of three slices."""
    folder = tmp_path_factory.mktemp("isbi")
    images = [read_image(synthetic / "01" / f"t{number:03d}.tif")[0] for number in range(3)]
    labels = [read_labels(synthetic / "01_GT" / "SEG" / f"man_seg{number:03d}.tif") for number in range(3)]
    for name, pages in (("volume", images), ("labels", [((label > 0) * 255).astype(np.uint8) for label in labels])):
        first, *others = map(Image.fromarray, pages)
        first.save(folder / f"train-{name}.tif", save_all=True, append_images=others)
    return folder


@pytest.mark.parametrize("rotations", [0, 8])
def test_stacks_get_the_measures_of_isbi_2012(
    rotations: int, trained: Path, membranes: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    run(
        ["train.json", "evaluate.json"],
        trained,
        dataset_dir=str(membranes),
        output_dir=str(tmp_path),
        eval_frames="0-2",
        rotations=rotations,
        progress=False,
    )
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["DET"] is None
    assert 0 < scores["v_rand_mean"]["value"] <= 1
    assert f"{scores['rand_error']['value']:.5f}" in capsys.readouterr().out
    with (tmp_path / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert np.mean([float(row["v_rand_mean"]) for row in rows]) == pytest.approx(
        scores["v_rand_mean"]["value"], abs=1e-5
    )
    assert all(0 <= float(row["IoU"]) <= 1 for row in rows)


def test_inference_takes_rotations(trained: Path, synthetic: Path, tmp_path: Path):
    for rotations in (0, 7):
        output = str(tmp_path / str(rotations))
        run(
            ["inference.json"],
            trained,
            dataset_dir=str(synthetic / "01"),
            output_dir=output,
            rotations=rotations,
            progress=False,
        )
    one, other = (read_labels(tmp_path / name / "mask000.tif") for name in ("0", "7"))
    assert one.shape == other.shape
    assert (one != other).any()
    with pytest.raises(Exception, match="instantiat") as caught:
        run(["inference.json"], trained, dataset_dir=str(synthetic / "01"), output_dir=str(tmp_path), rotations=4)
    assert isinstance(caught.value.__cause__, InputError)


NUCLEI = ("07761f", "15039b", "1a75de", "2e172a", "57d88f", "79fe41")  # small images of four kinds
CHOSEN = ("threshold", "marker_threshold", "merge_threshold", "rotations", "min_size")


def test_masks_of_nuclei_score_as_the_bundle_scores_them(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Every figure of every file, by ``segment`` and ``evaluate``, and by ``evaluating``, with the shipped model."""
    folder = real_data / "dsb2018" / "stage1_train"
    if not folder.is_dir():
        pytest.skip(f"no images of nuclei in {folder}")
    for name in NUCLEI:
        shutil.copytree(next(folder.glob(f"{name}*")), tmp_path / "set" / name)
        next((tmp_path / "set" / name / "images").iterdir()).rename(tmp_path / "set" / name / "images" / f"{name}.png")
    data, masks, program, scored = (str(tmp_path / name) for name in ("set", "masks", "program", "scored"))
    assert main(["segment", data, "--model", "nuclei", "--output", masks]) == 0
    assert main(["evaluate", masks, data, "--output", program]) == 0
    model = json.loads((BUNDLE / "models" / "nuclei" / "inference.json").read_text())
    run(
        ["train.json", "nuclei.json", "evaluate.json"],
        dataset_dir=data,
        output_dir=scored,
        weights=str(BUNDLE / "models" / "nuclei" / "model.pt"),
        eval_frames="0-5",
        num_workers=0,
        progress=False,
        **{key: model[key] for key in (*CHOSEN, "channels")},
    )
    capsys.readouterr()
    for name in FILES:
        ours, theirs = (figures(Path(folder, name)) for folder in (program, scored))
        assert len(ours) > 10
        assert ours.keys() == theirs.keys()
        different = {key: (value, theirs[key]) for key, value in ours.items() if not alike(value, theirs[key])}
        assert different == {}


def alike(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9
    return one == other


def figures(path: Path) -> dict[str, float | str | None]:
    """Return every figure of a file of scores by its place."""
    found: dict[str, float | str | None] = {}

    def add(place: str, value: object) -> None:
        if isinstance(value, (dict, list)):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                add(f"{place}/{key}", part)
        else:
            try:
                found[place] = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                found[place] = value  # type: ignore[assignment]

    with path.open() as file:
        add("", json.load(file) if path.suffix == ".json" else list(csv.DictReader(file)))
    return found
