"""RoiSet.zip by roifile's own reader and, where it is installed, by ImageJ."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from label_maps import all_ids, draw, odd_cells, odd_pages, page_labels
from PIL import Image

from unetpipe.export import export_cells
from unetpipe.io import read_labels
from unetpipe.morphometry import LabelledPage, measure_cells

roifile = pytest.importorskip("roifile")

JAR = "/usr/share/java/ij.jar"  # of Debian's package imagej

# opens an image and its ROIs, and writes name, slice, area and centroid of each
MACRO = """
setBatchMode(true);
files = split(getArgument(), "|");
open(files[0]);
run("Set Measurements...", "area centroid stack redirect=None decimal=9");
run("ROI Manager...");
roiManager("reset");
roiManager("open", files[1]);
text = "name,slice,area,x,y\\n";
for (i = 0; i < roiManager("count"); i++) {
    roiManager("select", i);
    List.setMeasurements;
    text += Roi.getName + "," + getSliceNumber() + "," + List.getValue("Area") + "," + List.getValue("X") + ","
        + List.getValue("Y") + "\\n";
}
File.saveString(text, files[2]);
run("Quit");
"""


def rings(roi: roifile.ImagejRoi) -> list[np.ndarray]:
    coordinates = roi.coordinates(multi=True)
    return [np.asarray(ring) for ring in coordinates]


def test_rois_are_the_cells(tmp_path: Path):
    written = export_cells("imagej", tmp_path, odd_pages())
    assert [path.name for path in written] == [
        "empty_RoiSet.zip",
        "one_RoiSet.zip",
        "Zellen für Übung 1_RoiSet.zip",
        "01_RoiSet.zip",
    ]
    for path, page in zip(written, odd_pages()[:3], strict=False):
        labels, whole = page_labels(page), np.zeros_like(page_labels(page))
        for roi in read(path):
            whole[draw([rings(roi)], labels.shape)] = int(roi.name)
            assert roi.position == 0
        assert np.array_equal(whole, labels)
    assert [(roi.name, roi.position) for roi in read(written[-1])] == [("0001-12", 1), ("0002-13", 2), ("0002-14", 2)]


def read(path: Path) -> list[roifile.ImagejRoi]:
    """Read a zip of ROIs, which may be empty."""
    found = roifile.roiread(path)
    return found if isinstance(found, list) else [found]


def test_cells_far_out_in_a_large_image(tmp_path: Path):
    labels = np.zeros((3, 70_000), np.int32)
    labels[1, 40_000:40_005] = 1  # beyond the 15 bits of a coordinate
    labels[1, 69_990:69_999] = 2  # and beyond 16
    (path,) = export_cells("imagej", tmp_path, [LabelledPage.in_memory(labels, "wide.tif")])
    for roi, cell in zip(read(path), (1, 2), strict=True):
        assert np.array_equal(draw([rings(roi)], labels.shape), labels == cell)


def measured_by_imagej(labels: np.ndarray, rois: Path, folder: Path) -> dict[str, tuple[int, float, float, float]]:
    """Return slice, area and centroid (x, y), in pixels, of each ROI, by its name."""
    image, macro, result = folder / "image.tif", folder / "measure.ijm", folder / "result.csv"
    first, *others = [Image.fromarray(page.astype(np.uint16)) for page in labels]
    first.save(image, save_all=True, append_images=others)
    macro.write_text(MACRO)
    command = ["xvfb-run", "-a", "java", "-cp", JAR, "ij.ImageJ", "-batch", macro, f"{image}|{rois}|{result}"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}  # for the umlaut in the file's name
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.is_file(), done.stdout + done.stderr
    with result.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["name"]: (int(row["slice"]), float(row["area"]), float(row["x"]), float(row["y"])) for row in rows}


def check(labels: np.ndarray, folder: Path, stack: bool = False) -> None:
    """Check that ImageJ measures the areas and centroids of the cells of (N, H, W)."""
    pages = [
        LabelledPage.in_memory(page, "image.tif", page=number if stack else None, stack="Übung 1")
        for number, page in enumerate(labels)
    ]
    (rois,) = export_cells("imagej", folder, pages)
    measured = measured_by_imagej(labels, rois, folder)
    expected = {}
    for number, page in enumerate(labels):
        columns = measure_cells(page)
        for row, cell in enumerate(columns["id"].tolist()):
            name = f"{number + 1:04d}-{cell}" if stack else str(cell)
            # a centroid of ImageJ counts from the corner of the first pixel, ours from its centre
            centroid = columns["centroid_x"][row] + 0.5, columns["centroid_y"][row] + 0.5
            expected[name] = (number + 1, columns["area"][row], *centroid)
    assert measured.keys() == expected.keys()
    for name, values in expected.items():
        assert measured[name] == pytest.approx(values, abs=1e-6), name


imagej = pytest.mark.skipif(
    not (Path(JAR).is_file() and shutil.which("xvfb-run")), reason="ImageJ or xvfb is not installed"
)


@imagej
def test_imagej_measures_odd_cells(tmp_path: Path):
    check(odd_cells()[None], tmp_path)


@imagej
def test_imagej_measures_a_stack_of_real_cells(real_data: Path, tmp_path: Path):
    folder = real_data / "ctc" / "DIC-C2DH-HeLa" / "01_ST" / "SEG"
    check(np.stack([read_labels(path) for path in sorted(folder.glob("man_seg*.tif"))[:3]]), tmp_path, stack=True)


@imagej
def test_imagej_opens_no_roi_and_many(tmp_path: Path):
    check(all_ids()[None, :8], tmp_path)
