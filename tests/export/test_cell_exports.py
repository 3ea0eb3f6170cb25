"""Every export of cells: each cell comes back from the files exactly as it is in the mask."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from label_maps import all_ids, draw, odd_cells, odd_pages, page_labels, small_maps
from PIL import Image

from unetpipe.errors import InputError
from unetpipe.export import CELL_EXPORTS, export_cells
from unetpipe.io.track_tables import Track
from unetpipe.morphometry import LabelledPage
from unetpipe.morphometry.cells import Cutout
from unetpipe.report.pictures import RESULT_COLOUR

WITH_IDS = [name for name in CELL_EXPORTS if name != "outlines"]  # a picture holds no ids


@pytest.mark.parametrize("name", CELL_EXPORTS)
def test_older_files_are_replaced_whole(name: str, tmp_path: Path):
    pages = odd_pages() if name != "geff" else odd_pages()[3:]
    first = export_cells(name, tmp_path / "out", pages)
    content = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert export_cells(name, tmp_path / "out", pages) == first
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(content)
    if name != "imagej":  # a zip file holds the time
        assert all(path.read_bytes() == before for path, before in content.items())


def test_an_unknown_export_is_refused(tmp_path: Path):
    with pytest.raises(
        InputError, match="There is no export 'svg'; there are imagej, geojson, labelme, coco, geff, outlines"
    ):
        export_cells("svg", tmp_path, [])


def test_geojson_of_odd_cells(tmp_path: Path):
    written = export_cells("geojson", tmp_path, odd_pages())
    assert [path.name for path in written] == [
        "empty.geojson",
        "one.geojson",
        "Zellen für Übung 1.geojson",
        "01.geojson",
    ]
    for path, page in zip(written, odd_pages()[:3], strict=False):
        check_geojson(path, page_labels(page))
    stack = json.loads(written[-1].read_text(encoding="utf-8"))["features"]
    assert [(f["geometry"]["plane"]["t"], f["properties"]["name"]) for f in stack] == [(0, "12"), (1, "13"), (1, "14")]
    assert stack[1]["properties"]["measurements"]["parent"] == 12


@given(small_maps)
@settings(max_examples=50)
def test_geojson_of_any_mask(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray):
    (path,) = export_cells("geojson", tmp_path_factory.mktemp("any"), [LabelledPage.in_memory(labels, "a.png")])
    check_geojson(path, labels)


def check_geojson(path: Path, labels: np.ndarray) -> None:
    """Check against RFC 7946 by its library, and that the polygons, drawn, are the mask."""
    geojson = pytest.importorskip("geojson")
    content = geojson.loads(path.read_text(encoding="utf-8"))
    assert content.is_valid, content.errors()
    whole = np.zeros_like(labels)
    for feature in content["features"]:
        geometry, properties = feature["geometry"], feature["properties"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        mask = draw(polygons, labels.shape)
        assert mask.sum() == properties["measurements"]["area"]
        assert properties["objectType"] == "detection"
        assert not whole[mask].any()
        whole[mask] = int(properties["name"])
    assert np.array_equal(whole, labels)
    assert len({feature["id"] for feature in content["features"]}) == len(content["features"])


def test_outlines_of_odd_cells(tmp_path: Path):
    written = export_cells("outlines", tmp_path, odd_pages())
    names = ["empty", "one", "Zellen für Übung 1", "01/t000", "01/t001"]
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        f"outlines/{name}_outlines.png" for name in names
    ]
    assert not np.array(Image.open(written[0])).any()
    one = np.zeros((20, 30, 3), np.uint8)
    one[3:6, 4:9] = RESULT_COLOUR
    one[4, 5:8] = 0  # the inside of the cell
    assert np.array_equal(np.array(Image.open(written[1])), one)


def test_outlines_show_the_colours_of_the_image(tmp_path: Path):
    pixels = np.zeros((3, 6, 8), np.uint16)
    pixels[0], pixels[1, :, :4] = 900, 900  # red on the right, yellow on the left
    labels = np.zeros((6, 8), np.int32)
    labels[2, 2] = 1
    (path,) = export_cells("outlines", tmp_path, [LabelledPage.in_memory(labels, "a.tif", pixels=pixels, name="a")])
    picture = np.array(Image.open(path))
    assert picture[0, 0].tolist() == [189, 189, 0]  # three quarters of 255, so that outlines are seen
    assert picture[0, 7].tolist() == [189, 0, 0]
    assert picture[2, 2].tolist() == list(RESULT_COLOUR)


def test_outlines_of_an_image_that_is_read_in_parts_are_refused(tmp_path: Path):
    part = np.ones((4, 4), np.int32)
    page = LabelledPage("slide", (8, 8), lambda: [Cutout(part, part)])
    with pytest.raises(InputError, match="slide is read in parts"):
        export_cells("outlines", tmp_path, [page])
    assert not list(tmp_path.iterdir())


def test_labelme_of_odd_cells(tmp_path: Path):
    pages = odd_pages()
    written = export_cells("labelme", tmp_path, pages)
    assert [path.relative_to(tmp_path).as_posix() for path in written[2:4]] == [
        "Zellen für Übung 1.json",
        "01/t000.json",
    ]
    for path, page in zip(written, pages, strict=True):
        content, labels = json.loads(path.read_text(encoding="utf-8")), page_labels(page)
        assert content["imagePath"] == page.image
        assert (content["imageHeight"], content["imageWidth"]) == labels.shape
        whole = np.zeros_like(labels)
        for shape in content["shapes"]:
            if shape["shape_type"] == "polygon":
                mask = draw([[np.array(shape["points"])]], labels.shape)
            else:  # as labelme.utils.shapes_to_label reads it
                mask = np.zeros(labels.shape, bool)
                (left, top), (right, bottom) = shape["points"]
                picture = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
                mask[top : bottom + 1, left : right + 1] = np.array(picture).astype(bool)
            whole[mask] = shape["group_id"]
        assert np.array_equal(whole, labels)


def test_labelme_names_the_image_where_it_is(tmp_path: Path):
    page = LabelledPage.in_memory(odd_cells(), "a.tif", path=tmp_path / "images" / "a.tif", name="a")
    (path,) = export_cells("labelme", tmp_path / "out", [page])
    assert json.loads(path.read_text())["imagePath"] == "../images/a.tif"


@pytest.mark.parametrize("pages", [odd_pages(), [LabelledPage.in_memory(all_ids(), "all.tif")]], ids=["odd", "65535"])
def test_coco_by_its_library(tmp_path: Path, pages: list[LabelledPage]):
    coco = pytest.importorskip("pycocotools.coco").COCO
    (path,) = export_cells("coco", tmp_path, pages)
    data = coco(str(path))
    assert [image["file_name"] for image in data.dataset["images"]] == [page.image for page in pages]
    for image, page in zip(data.dataset["images"], pages, strict=True):
        labels, whole = page_labels(page), np.zeros_like(page_labels(page))
        annotations = data.loadAnns(data.getAnnIds(imgIds=image["id"]))
        assert [annotation["cell_id"] for annotation in annotations] == np.unique(labels[labels > 0]).tolist()
        for annotation in annotations[:: len(annotations) // 300 + 1]:
            mask = data.annToMask(annotation).astype(bool)
            assert mask.sum() == annotation["area"]
            left, top, width, height = annotation["bbox"]
            assert mask[top : top + height, left : left + width].sum() == annotation["area"]
            whole[mask] = annotation["cell_id"]
        assert np.array_equal(whole, np.where(np.isin(labels, whole), labels, 0))
        if len(annotations) < 300:
            assert np.array_equal(whole, labels)


@given(small_maps)
@settings(max_examples=50)
def test_coco_of_any_mask(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray):
    coco = pytest.importorskip("pycocotools.coco").COCO
    (path,) = export_cells("coco", tmp_path_factory.mktemp("any"), [LabelledPage.in_memory(labels, "a.png")])
    data = coco(str(path))
    whole = np.zeros_like(labels)
    for annotation in data.dataset["annotations"]:
        whole[data.annToMask(annotation).astype(bool)] = annotation["cell_id"]
    assert np.array_equal(whole, labels)


def test_geff_by_its_library(tmp_path: Path):
    geff = pytest.importorskip("geff")
    pages = odd_pages()[3:]
    (path,) = export_cells("geff", tmp_path, pages)
    geff.validate_structure(path)
    graph, metadata = geff.read(path)
    assert metadata.directed
    assert [axis.name for axis in metadata.axes] == ["t", "y", "x"]
    nodes = {graph.nodes[node]["track"]: graph.nodes[node] for node in graph}
    assert {track: node["t"] for track, node in nodes.items()} == {12: 0, 13: 1, 14: 1}
    assert (nodes[12]["y"], nodes[12]["x"], nodes[12]["area"]) == (4, 6, 15)
    assert {(graph.nodes[a]["track"], graph.nodes[b]["track"]) for a, b in graph.edges} == {(12, 13), (12, 14)}


def test_geff_of_cells_that_stay_and_of_none(tmp_path: Path):
    geff = pytest.importorskip("geff")
    (page,) = odd_pages()[3:4]
    tracks = {12: page.tracks[12]._replace(end=2)}
    frames = [LabelledPage.in_memory(page_labels(page), page=t, tracks=tracks, pixel_size=0.5) for t in range(3)]
    (path,) = export_cells("geff", tmp_path, frames)
    graph, metadata = geff.read(path)
    assert [(graph.nodes[a]["t"], graph.nodes[b]["t"]) for a, b in graph.edges] == [(0, 1), (1, 2)]
    assert (metadata.axes[1].scale, metadata.axes[1].scaled_unit) == (0.5, "micrometer")
    nothing = LabelledPage.in_memory(np.zeros((5, 5), int), page=0, tracks={})
    (path,) = export_cells("geff", tmp_path, [nothing])
    assert len(geff.read(path)[0]) == 0


def test_geff_of_cells_that_are_not_linked_is_refused(tmp_path: Path):
    pytest.importorskip("geff")
    with pytest.raises(InputError, match=r"The cells of one.tif are not linked, .*unetpipe link"):
        export_cells("geff", tmp_path, odd_pages()[1:])


def ids_of(name: str, path: Path) -> list[int]:
    """Return the ids of the cells in what an export wrote."""
    if name == "imagej":
        return [int(roi.name.rpartition("-")[2]) for roi in pytest.importorskip("roifile").roiread(path)]
    if name == "geff":
        graph, _ = pytest.importorskip("geff").read(path)
        return sorted(int(graph.nodes[node]["track"]) for node in graph)
    content = json.loads(path.read_text(encoding="utf-8"))
    if name == "geojson":
        return [int(feature["properties"]["name"]) for feature in content["features"]]
    if name == "labelme":
        return list(dict.fromkeys(shape["group_id"] for shape in content["shapes"]))
    return [annotation["cell_id"] for annotation in content["annotations"]]


@pytest.mark.parametrize("name", WITH_IDS)
def test_ids_up_to_65535(name: str, tmp_path: Path):
    """All of them as tracks; for the time, only the highest as outlines (the masks of COCO have a test of all)."""
    if name in ("imagej", "geff"):
        pytest.importorskip({"imagej": "roifile"}.get(name, name))
    tracks = {label: Track(label, 0, 0) for label in range(1, 65536)}
    labels = all_ids() if name == "geff" else all_ids()[-16:]
    page = LabelledPage.in_memory(labels, "all.tif", page=0, tracks=tracks)
    (path,) = export_cells(name, tmp_path, [page])
    assert ids_of(name, path) == list(range(max(labels[0, 0], 1), 65536))


@pytest.mark.parametrize("name", WITH_IDS)
def test_linked_odd_cells_of_a_folder_with_an_umlaut(name: str, tmp_path: Path):
    if name in ("imagej", "geff"):
        pytest.importorskip({"imagej": "roifile"}.get(name, name))
    ids = np.unique(odd_cells())[1:].tolist()
    tracks = {label: Track(label, 1, 1) for label in ids}
    names = {"stack": "Zellen für Übung 1", "tracks": tracks}
    pages = [
        LabelledPage.in_memory(labels, f"t{t:03d}.tif", page=t, name=f"Übung 1/t{t:03d}", **names)
        for t, labels in enumerate([np.zeros_like(odd_cells()), odd_cells()])
    ]
    *_, path = export_cells(name, tmp_path, pages)
    assert ids_of(name, path) == ids
    if name not in ("coco", "labelme"):
        assert path.name.startswith("Zellen für Übung 1")
