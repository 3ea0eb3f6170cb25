"""The folder that ``unetpipe label`` adds to the studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unetpipe.bundle.writing import find_bundle, write_bundle
from unetpipe.errors import InputError
from unetpipe.label.folder import FOLDER, MODEL, check_studies, prepare


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
