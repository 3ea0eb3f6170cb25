"""The folder that ``unetpipe label`` adds to the studies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_trained_bundle import FOLDER as FOLDER_OF_BUNDLE

from unetpipe.bundle.writing import find_bundle, write_bundle
from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels
from unetpipe.label.folder import FOLDER, MODEL, check_studies, prepare
from unetpipe.predictor import Predictor

IMAGE = FOLDER_OF_BUNDLE / "data" / "images" / "01_t000.png"


def test_the_model_is_a_copy_that_is_kept(trained: Path, tmp_path: Path):
    folder = prepare(tmp_path, trained)
    weights = folder / "model" / MODEL / "models" / "model.pt"
    assert weights.is_file()
    assert json.loads((folder / "model" / MODEL / "configs" / "train.json").read_text())["dataset_dir"] == "data"
    weights.write_bytes(b"corrected")
    assert prepare(tmp_path, trained) == folder
    assert weights.read_bytes() == b"corrected"


def test_another_bundle_is_refused(trained: Path, tmp_path: Path):
    prepare(tmp_path, trained)
    for other in ((tmp_path / "other", None), (trained, "name")):
        with pytest.raises(InputError, match="holds a model that began as"):
            prepare(tmp_path, *other)


def test_a_crash_while_the_model_is_copied_does_not_block_the_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Crash(BaseException):
        pass

    def crash(*arguments: object) -> None:
        raise Crash

    for step in ("unetpipe.label.folder.write_text", "unetpipe.bundle.writing.write_bundle"):
        with monkeypatch.context() as patch:
            patch.setattr(step, crash)
            with pytest.raises(Crash):
                prepare(tmp_path, trained)
    folder = prepare(tmp_path, trained)
    assert (folder / "model" / MODEL / "configs" / "train.json").is_file()
    assert (folder / "bundle.txt").read_text() == f"{trained}\n"
    assert [path.name for path in (folder / "model").iterdir()] == [MODEL]


def test_a_bundle_without_weights_is_refused(tmp_path: Path):
    write_bundle(find_bundle(), tmp_path / "bundle", {})
    (tmp_path / "studies").mkdir()
    with pytest.raises(InputError, match="no weights"):
        prepare(tmp_path / "studies", tmp_path / "bundle")
    assert not (tmp_path / "studies" / FOLDER).exists()


def test_studies_that_are_none(tmp_path: Path):
    with pytest.raises(InputError, match="no folder of studies"):
        check_studies(tmp_path / "nowhere")
    for name in ("a.png", "a.tif"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="one study, a"):
        check_studies(tmp_path)


def test_arrays_are_no_studies(tmp_path: Path):
    for name in ("a.png", "a.npy"):
        (tmp_path / name).write_bytes(b"")
    assert check_studies(tmp_path) == tmp_path


@pytest.mark.parametrize("name", ['quote"', "back\\slash", "a::b", "line\nbreak"])
def test_folders_that_monai_label_cannot_be_told_of(name: str, tmp_path: Path):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="has a sign in its path that MONAI Label cannot pass on") as error:
        check_studies(tmp_path / name)
    assert "\n" not in str(error.value)


def test_images_that_cannot_be_named(tmp_path: Path):
    (tmp_path / f"{'a' * 201}.png").touch()
    with pytest.raises(InputError, match="longer than 200 bytes"):
        check_studies(tmp_path)


STORE = {"objects": {"a": {"image": {"ext": ".png"}, "labels": {"final": {"ext": ".tif"}}}}}


@pytest.mark.parametrize(
    "change",
    [
        {"images_dir": "/etc"},
        {"labels_dir": ".."},
        {"objects": {"../a": {"image": {"ext": ".png"}, "labels": {}}}},
        {"objects": {"a": {"image": {"ext": "/../../x"}, "labels": {}}}},
        {"objects": {"a": {"image": {"ext": ".png"}, "labels": {"../x": {"ext": ".png"}}}}},
        {"objects": []},
        {"objects": {"a": 1}},
        [],
    ],
)
def test_a_list_of_images_that_leaves_the_folder(change: dict | list, tmp_path: Path):
    store = tmp_path / "datastore_v2.json"
    store.write_text(json.dumps(STORE))
    assert check_studies(tmp_path) == tmp_path
    store.write_text(json.dumps({**STORE, **change} if isinstance(change, dict) else change))
    with pytest.raises(InputError, match=r"datastore_v2\.json is damaged"):
        check_studies(tmp_path)


def test_a_damaged_list_of_images(tmp_path: Path):
    (tmp_path / "datastore_v2.json").write_bytes(b'{"objects": {\xff')
    with pytest.raises(InputError, match=r"datastore_v2\.json is damaged"):
        check_studies(tmp_path)


CODE = "$__import__('os').mkdir('RAN')"


def test_a_safe_copy_has_nothing_of_the_bundle_that_could_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    bundle = shutil.copytree(FOLDER_OF_BUNDLE, tmp_path / "bundle")
    path = bundle / "configs" / "train.json"
    theirs = json.loads(path.read_text())
    path.write_text(json.dumps({**theirs, "initialize": [CODE], "w0": CODE, "norm": "$1", "sigma": 4.5}))
    (bundle / "configs" / "evaluate.json").write_text(json.dumps({"run": [CODE]}))
    (tmp_path / "studies").mkdir()
    copy = prepare(tmp_path / "studies", bundle, safe=True) / "model" / MODEL
    for name in ("train.json", "inference.json", "evaluate.json", "metadata.json"):
        ours, installed = (json.loads((root / "configs" / name).read_text()) for root in (copy, find_bundle()))
        different = {key for key in ours | installed if ours.get(key) != installed.get(key)}
        assert not any(
            isinstance(installed.get(key), dict)
            for key in different - {"min_size", "network_data_format", "trained_on"}
        )
        assert "RAN" not in (copy / "configs" / name).read_text()
    trained = json.loads((copy / "configs" / "train.json").read_text())
    assert (trained["sigma"], trained["channels"], trained["tile"]) == (4.5, theirs["channels"], theirs["tile"])
    labels = Predictor.load(copy, amp=False)(read_image(IMAGE)[0])
    np.testing.assert_array_equal(labels, read_labels(FOLDER_OF_BUNDLE / "expected" / IMAGE.name))
    with pytest.raises(InputError, match=r"holds a model that began as .* --safe"):
        prepare(tmp_path / "studies", bundle)
    assert not (tmp_path / "RAN").exists()


def test_a_bundle_that_cannot_be_used_safely_leaves_no_copy(tmp_path: Path):
    bundle = shutil.copytree(FOLDER_OF_BUNDLE, tmp_path / "bundle")
    path = bundle / "configs" / "inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "threshold": CODE}))
    (tmp_path / "studies").mkdir()
    with pytest.raises(InputError, match="cannot be used safely: its key 'threshold'"):
        prepare(tmp_path / "studies", bundle, safe=True)
    assert not (tmp_path / "studies" / FOLDER).exists()
