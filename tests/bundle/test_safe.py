"""A bundle that is not trusted gives weights and plain values, and runs no code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_trained_bundle import FOLDER

from unetpipe.bundle.models import add_model, model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.io import read_image, read_labels
from unetpipe.large import LargeSegmentation
from unetpipe.predictor import Predictor

IMAGE = FOLDER / "data" / "images" / "01_t000.png"
CODE = "$__import__('os').mkdir('RAN')"


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(FOLDER, tmp_path / "bundle"))


def change(bundle: Path, **values: Any) -> None:
    path = bundle / "configs" / "inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_trained_bundle_gives_the_same_masks() -> None:
    labels = Predictor.load(FOLDER, safe=True, amp=False)(read_image(IMAGE)[0])
    np.testing.assert_array_equal(labels, read_labels(FOLDER / "expected" / IMAGE.name))


@pytest.mark.parametrize("model", [None, *model_names(find_bundle())])
def test_shipped_models_are_the_same(model: str | None) -> None:
    ours, theirs = (Predictor.load(model=model, safe=safe) for safe in (True, False))
    for part in ("weights", "settings", "rotations", "pixel_size", "normalization", "channels"):
        assert getattr(ours, part) == getattr(theirs, part)


def test_cells_cut_at_several_thresholds(bundle: Path) -> None:
    change(bundle, marker_threshold=[0.8, 0.95])
    assert Predictor.load(bundle, safe=True).settings.marker_levels == [0.8, 0.95]


@pytest.mark.parametrize("value", [[], [0.6, "0.8"], [0.6, [0.8]], [0.6, True]])
def test_what_is_no_list_of_marker_thresholds(value: list, bundle: Path) -> None:
    change(bundle, marker_threshold=value)
    with pytest.raises(InputError, match=r"marker_threshold=.* must be a number or a list of numbers"):
        Predictor.load(bundle, safe=True)


def test_a_named_model_of_a_trained_bundle(bundle: Path) -> None:
    add_model(bundle, bundle, "previous")
    assert Predictor.load(bundle, "previous", safe=True).prepare().weights == bundle / "models/previous/model.pt"


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": CODE},
        {"min_size": [CODE]},
        {"norm": CODE},
        {"network_class": "os.mkdir"},
        {"normalization": "os.mkdir"},
        {"weights": f"{CODE} or 'models/model.pt'"},
        {"weights": "$@bundle_root + '/models/../../model.pt'"},
        {"weights": "/etc/passwd"},
        {"softmax": {"_target_": "os.mkdir", "path": "RAN"}},
        {"network": CODE},
        {"device": CODE},
        {"more": 1},
        {"more": CODE},
        {"+initialize": [CODE]},
        {"bundle_root": CODE},
        {"threshold": {"_target_": "os.mkdir", "path": "RAN"}},
        {"pixel_size": "%/etc/passwd"},
        {"merge_threshold": "text"},
    ],
)
def test_what_could_run_code_is_refused_by_name(values: dict[str, Any], bundle: Path) -> None:
    change(bundle, **values)
    with pytest.raises(InputError, match=r"cannot be used safely|must be") as refused:
        Predictor.load(bundle, safe=True)
    assert next(iter(values)) in str(refused.value)
    assert not Path("RAN").exists()


def test_the_program_refuses_it_too(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(bundle, run=[CODE], dataset_dir=CODE, output_dir=CODE)
    arguments = ["segment", str(IMAGE), "--output", "masks", "--bundle", str(bundle), "--safe"]
    assert main(arguments) == 1
    assert "its key 'run'" in capsys.readouterr().err
    shutil.copyfile(FOLDER / "configs" / "inference.json", bundle / "configs" / "inference.json")
    (bundle / "configs" / "metadata.json").write_text(json.dumps({"version": CODE, "monai_version": CODE}))
    change(bundle, dataset_dir=CODE, output_dir=CODE)
    assert main(arguments) == 0
    assert not Path("RAN").exists()


def test_large_images(bundle: Path) -> None:
    pytest.importorskip("zarr")
    from large_images import ArrayImage

    change(bundle, network=CODE)
    with pytest.raises(InputError, match="'network'"):
        LargeSegmentation(ArrayImage(np.zeros((40, 40))), "out", bundle, safe=True)
    assert not Path("RAN").exists()
