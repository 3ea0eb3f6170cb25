"""The ablation's parts on arrays small enough to check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.ablation.datasets import find_dataset, split_gold
from experiments.ablation.scoring import score_frames
from experiments.ablation.table import Table, spread, write_table
from experiments.ablation.variants import ROWS, choose_rows
from experiments.ablation.zero_border import RandZeroCropd, ZeroBorderTileInferer
from unetpipe.datasets import find_records, split_records, write_synthetic_ctc
from unetpipe.errors import InputError
from unetpipe.instances import InstanceSettings
from unetpipe.networks import UNet


def test_crop_is_that_of_the_image_among_zeros() -> None:
    image = torch.arange(1.0, 13.0).reshape(1, 3, 4)
    crop = RandZeroCropd(keys=["image", "weight"], roi_size=4)
    crop.set_random_state(0)
    seen = set()
    whole = np.pad(image[0].numpy(), 10)
    for _ in range(40):
        item = crop({"image": image, "weight": image + 100})
        centre = crop.centre[0] - 4, crop.centre[1] - 4  # within the border of zeros that the crop puts round it
        seen.add(centre)
        top, left = centre[0] - 2 + 10, centre[1] - 2 + 10
        np.testing.assert_array_equal(item["image"][0], whole[top : top + 4, left : left + 4])
        assert ((item["weight"] > 0) == (item["image"] > 0)).all()
    assert seen <= {(y, x) for y in range(3) for x in range(4)}
    assert len(seen) > 6


def test_zero_border_inference_equals_the_whole_image_among_zeros() -> None:
    torch.manual_seed(0)
    network = UNet(1, 2, (2, 4, 8), dropout=0.0).eval()
    image = torch.randn(1, 1, 37, 52)
    height, width = (network.input_size(side) - 2 * network.margin for side in image.shape[-2:])
    margin = network.margin
    padded = torch.nn.functional.pad(image, (margin, margin + width - 52, margin, margin + height - 37))
    with torch.no_grad():
        expected = network(padded)[..., :37, :52]
        tiled = ZeroBorderTileInferer(network.input_size(16))(image, network)
    torch.testing.assert_close(tiled, expected, atol=1e-5, rtol=1e-5)


def test_scores_count_merged_cells() -> None:
    truth = np.zeros((20, 30), np.int32)
    truth[2:12, 2:12], truth[2:12, 12:22], truth[14:19, 24:29] = 1, 2, 3
    merged = np.where(truth > 0, 0.9, 0.1)
    known = np.ones(truth.shape, bool)
    scores = score_frames([(truth, known, merged)], InstanceSettings(threshold=0.5, ridge_refill_radius=0.0))
    assert (scores["cells"], scores["merged"], scores["missed"], scores["invented"]) == (3, 2, 0, 0)
    assert scores["SEG"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert scores["IoU"] == 1
    merged[2:12, 11:13] = 0.1  # a line between them, given back by the ridge
    scores = score_frames([(truth, known, merged)], InstanceSettings(threshold=0.5, ridge_refill_radius=2.0))
    assert (scores["merged"], scores["SEG"]) == (0, 1.0)


def scores(seg: float, merged: int) -> dict:
    counts = {"cells": 50, "merged": merged, "split": 0, "missed": 0, "invented": 0}
    one = {"threshold": 0.5, "marker_threshold": None, "SEG": seg, "IoU": 0.9, "F1": 0.9, **counts}
    return {"chosen": one, "plain": one}


def test_table_shows_mean_spread_and_paired_differences(tmp_path: Path) -> None:
    full, other = ROWS[0], ROWS[1]
    table = Table("cells", [full, other])
    for seed, (ours, theirs) in enumerate([(0.8, 0.5), (0.6, 0.5)]):
        table.add(full, seed, scores(ours, 2))
        table.add(other, seed, scores(theirs, 10))
    lines = table.markdown().splitlines()
    assert "| 0.700 (0.600 … 0.800) |" in lines[2]
    assert "| -0.200 (-0.300 … -0.100) |" in lines[3]
    assert "| 20.0 (20.0 … 20.0) |" in lines[3]  # of 100 cells
    write_table(tmp_path, table)
    assert (tmp_path / "ablation.csv").read_text().splitlines()[1].startswith("full,0,chosen,0.50000,,0.80000")


def test_a_single_seed_has_no_spread() -> None:
    assert spread([0.5], "{:.1f}".format) == "0.5"
    assert spread([], "{:.1f}".format) == ""


def test_parts_of_a_split_do_not_share_frames(tmp_path: Path) -> None:
    folder = write_synthetic_ctc(tmp_path / "cells", sequences=1, frames=10, shape=(64, 64))
    dataset = find_dataset(str(folder), tmp_path)
    parts = [dataset.split["train_frames"], dataset.split["val_frames"], dataset.scored["eval_frames"]]
    assert parts == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
    assert not dataset.has_silver


def test_gold_alone_takes_the_frames_that_have_gold(tmp_path: Path) -> None:
    """Of each sequence its own: what is gold in one may be silver in the other."""
    folder = write_synthetic_ctc(tmp_path / "cells", sequences=2, frames=6, shape=(64, 64))
    for sequence, frames in (("01", (1, 2, 4)), ("02", (0, 1))):
        for frame in frames:
            (folder / f"{sequence}_GT" / "SEG" / f"man_seg{frame:03d}.tif").unlink()
    dataset = find_dataset(str(folder), tmp_path)
    assert dataset.has_silver
    split = split_gold(find_records(folder), dataset.split)
    assert [(record["sequence"], record["frame"]) for record in split["train"]] == [
        ("01", 0),
        ("01", 3),
        ("02", 2),
        ("02", 3),
    ]
    assert split["val"] == split_records(find_records(folder), **dataset.split)["val"]
    assert dataset.scored["eval_truth"] == "gold+silver"  # also for the row that trains on silver alone
    with pytest.raises(InputError, match="None of the training frames has gold truth"):
        split_gold(find_records(folder, "silver"), dataset.split)
    names = [row.name for row in choose_rows(None, has_silver=True)]
    assert {"gold", "silver"} <= set(names)


def test_known_data_set_is_split_as_in_the_results(real_data: Path, tmp_path: Path) -> None:
    dataset = find_dataset(str(real_data / "ctc" / "DIC-C2DH-HeLa"), tmp_path)
    assert dataset.split == {"train_frames": "0-27", "val_frames": "28-35"}
    assert min(dataset.scored["eval_frames"]) > 35
    gold = split_gold(find_records(dataset.folder), dataset.split)["train"]
    assert [record["frame"] for record in gold] == [2, 5, 21]
