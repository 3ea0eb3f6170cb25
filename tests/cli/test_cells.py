"""Tables of cells and exports by the verbs ``measure`` and ``segment``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from label_maps import odd_cells
from large_images import small_bundle, write_ome_zarr
from PIL import Image
from tifffile import TiffFile

from unetpipe.cli.main import main
from unetpipe.export import CELL_EXPORTS
from unetpipe.io import read_image, read_labels, write_labels
from unetpipe.io.track_tables import read_tracks
from unetpipe.morphometry import measure_cells

EXPORTS = [argument for name in CELL_EXPORTS if name != "geff" for argument in ("--export", name)]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_measure_writes_a_table_and_every_export(tmp_path: Path, capsys: pytest.CaptureFixture):
    masks, images, out = tmp_path / "masks", tmp_path / "images", tmp_path / "out"
    write_labels(masks / "Zellen für Übung 1_mask.tif", odd_cells())
    write_labels(masks / "empty.png.tif", np.zeros((8, 9), np.int32))
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, odd_cells().shape, np.uint8)
    Image.fromarray(pixels).save(images / "Zellen für Übung 1.png")
    assert run("measure", masks, "--images", images, "--output", out, "--pixel-size", 0.5, *EXPORTS) == 0
    said = capsys.readouterr().out
    assert f"Cells: 10 in {out / 'cells.csv'}" in said
    assert "In several pieces: 3, such as cell 4 of Zellen für Übung 1.png" in said
    assert "Without image: 1 of 2 masks, such as empty.png.tif" in said
    rows, expected = table(out), measure_cells(odd_cells(), pixels, pixel_size=0.5)
    assert {row["image"] for row in rows} == {"Zellen für Übung 1.png"}
    for name in ("area_um2", "intensity_mean_0", "intensity_max_0", "perimeter_um"):
        assert [float(row[name]) for row in rows] == pytest.approx(expected[name])
    assert {path.name for path in out.iterdir()} >= {
        "mosaics.csv",
        "Zellen für Übung 1_RoiSet.zip",
        "Zellen für Übung 1.geojson",
        "Zellen für Übung 1.json",
        "empty.png_RoiSet.zip",
        "empty.png.geojson",
        "coco.json",
        "outlines",
    }


def test_measure_of_linked_masks_exports_tracks(tmp_path: Path, real_data: Path):
    geff = pytest.importorskip("geff")
    tra = real_data / "ctc" / "DIC-C2DH-HeLa" / "01_GT" / "TRA"
    if not tra.is_dir():
        pytest.skip("this data has no tracks")
    out = tmp_path / "out"
    assert run("measure", tra, "--output", out, "--export", "geff") == 0
    graph, _ = geff.read(out / "TRA.geff")
    rows = table(out)
    assert len(graph) == len(rows)
    tracks = {track.label: track for track in read_tracks(tra / "man_track.txt")}
    assert all(int(row["parent"]) == tracks[int(row["track"])].parent for row in rows)
    parents = {track.parent for track in tracks.values()} - {0}
    assert {graph.nodes[a]["track"] for a, b in graph.edges if graph.nodes[a]["track"] != graph.nodes[b]["track"]} == (
        parents & {int(row["track"]) for row in rows}
    )


def test_measure_refuses_tracks_of_masks_that_are_not_linked(tmp_path: Path, capsys: pytest.CaptureFixture):
    pytest.importorskip("geff")
    masks, out = tmp_path / "masks", tmp_path / "out"
    write_labels(masks / "a.tif", odd_cells())
    assert run("measure", masks, "--output", out, *EXPORTS) == 0
    before = contents(out)
    write_labels(masks / "a.tif", odd_cells()[::-1])
    capsys.readouterr()
    assert run("measure", masks, "--output", out, "--export", "imagej", "--export", "geff") == 1
    printed = capsys.readouterr()
    assert "The cells of a.tif are not linked" in printed.err
    assert "Removed" not in printed.out
    assert contents(out) == before


@pytest.mark.parametrize("mistake", ["image", "track table"])
def test_what_cannot_be_read_is_said_before_earlier_tables_are_removed(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    masks, images, out = tmp_path / "masks", tmp_path / "images", tmp_path / "out"
    for frame in range(2):
        write_labels(masks / f"mask{frame:03d}.tif", odd_cells())
        write_labels(images / f"t{frame:03d}.tif", odd_cells())
    command = ("measure", masks, "--images", images, "--output", out, *EXPORTS)
    assert run(*command) == 0
    before = contents(out)
    if mistake == "image":
        with TiffFile(images / "t001.tif") as tiff:
            (start,), (count,) = tiff.pages.first.dataoffsets, tiff.pages.first.databytecounts
        with (images / "t001.tif").open("r+b") as file:  # its size can still be read
            file.seek(start)
            file.write(bytes(count))
    else:
        (masks / "res_track.txt").write_text("1 0\n")
    capsys.readouterr()
    assert run(*command) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert "Removed" not in printed.out
    assert contents(out) == before


def test_measure_of_ome_zarr(tmp_path: Path):
    cells = np.stack([odd_cells(), odd_cells()[::-1]])
    write_ome_zarr(tmp_path / "masks" / "a.ome.zarr", cells, "tyx", "0.5")
    write_ome_zarr(tmp_path / "images" / "a.ome.zarr", cells.astype(np.uint16), "tyx", "0.4")
    arguments = ("--images", tmp_path / "images", "--export", "imagej")
    assert run("measure", tmp_path / "masks", "--output", tmp_path / "out", *arguments) == 0
    rows = table(tmp_path / "out")
    assert {(row["image"], row["page"]) for row in rows} == {("a", "0"), ("a", "1")}
    assert all(float(row["intensity_mean_0"]) == float(row["id"]) for row in rows)
    assert (tmp_path / "out" / "a_RoiSet.zip").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--truth", "set"), "is an OME-Zarr, which is measured without truth"),
        (("--images", "other"), "has no image a; it has b"),
    ],
)
def test_measure_of_ome_zarr_with_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: tuple[str, str], message: str
):
    write_ome_zarr(tmp_path / "a.ome.zarr", odd_cells(), "yx", "0.5")
    write_ome_zarr(tmp_path / "other" / "b.ome.zarr", odd_cells(), "yx", "0.5")
    option, value = arguments
    assert run("measure", tmp_path / "a.ome.zarr", "--output", tmp_path / "out", option, tmp_path / value) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("export", "message"), [("outlines", "needs images that fit into memory"), ("geff", "whose cells are not linked")]
)
def test_an_export_that_ome_zarr_cannot_have_is_refused_before_anything_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture, export: str, message: str
):
    if export == "geff":
        pytest.importorskip("geff")
    write_ome_zarr(tmp_path / "a.ome.zarr", odd_cells(), "yx", "0.5")
    command = ("measure", tmp_path / "a.ome.zarr", "--output", tmp_path / "out", "--export")
    assert run(*command, "geojson") == 0
    capsys.readouterr()
    assert run(*command, export) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert (tmp_path / "out" / "a.geojson").is_file()


def test_segment_writes_the_table_with_confidence_and_tracks(synthetic: Path, trained: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ("--tables", "--track", "--bundle", trained, "--export", "geff", "--export", "geojson")
    assert run("segment", synthetic / "01", "--output", out, *options) == 0
    rows = table(out)
    for frame in range(3):
        labels = read_labels(out / f"mask{frame:03d}.tif")
        expected = measure_cells(labels, read_image(synthetic / "01" / f"t{frame:03d}.tif"))
        its_rows = [row for row in rows if row["page"] == str(frame)]
        assert {row["image"] for row in its_rows} == {f"t{frame:03d}.tif"}
        assert [int(row["id"]) for row in its_rows] == expected["id"].tolist()
        assert [float(row["intensity_mean_0"]) for row in its_rows] == pytest.approx(expected["intensity_mean_0"])
    assert rows
    assert all(0.5 < float(row["confidence"]) <= 1 for row in rows)
    assert all(row["track"] == row["id"] for row in rows)
    assert (out / "out.geff" / ".zgroup").is_file() or (out / "out.geff" / "zarr.json").is_file()
    content = json.loads((out / "out.geojson").read_text(encoding="utf-8"))
    assert len(content["features"]) == len(rows)


def test_segment_resumed_has_the_same_table(synthetic: Path, trained: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ("--output", out, "--bundle", trained, "--tables")
    assert run("segment", synthetic, *options) == 0
    first = (out / "cells.csv").read_bytes()
    assert {row["image"] for row in table(out)} <= {f"{s}/t{f:03d}.tif" for s in ("01", "02") for f in range(3)}
    (out / "01_RES" / "mask001.tif").unlink()
    assert run("segment", synthetic, *options, "--resume") == 0
    assert (out / "cells.csv").read_bytes() == first


def test_segment_of_large_images_writes_the_table(tmp_path: Path):
    bundle = small_bundle(tmp_path / "bundle", min_size=3, threshold=0.3)
    image = np.random.default_rng(0).integers(0, 255, (150, 130), np.uint16)
    write_ome_zarr(tmp_path / "a.ome.zarr", image, "yx", "0.5")
    arguments = ("--output", tmp_path / "out", "--bundle", bundle, "--tables", "--export", "coco")
    assert run("segment", tmp_path / "a.ome.zarr", *arguments) == 0
    rows = table(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert len(rows) == len(content["annotations"])
    assert rows
    assert all(float(row["confidence"]) > 0.3 and row["intensity_mean_0"] for row in rows)


def test_segment_refuses_tracks_without_linking(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    pytest.importorskip("geff")
    assert run("segment", synthetic / "01", "--output", tmp_path / "out", "--export", "geff") == 1
    assert "--export geff writes tracks, so it needs --track" in capsys.readouterr().err
