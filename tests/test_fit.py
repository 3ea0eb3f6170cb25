from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetpipe.cli.main import main
from unetpipe.errors import InputError
from unetpipe.fit import Fit, choose_model, estimate_diameter, measure_fit
from unetpipe.io import read_image
from unetpipe.predictor import Predictor, segment


@pytest.fixture
def image(synthetic: Path) -> np.ndarray:
    return read_image(synthetic / "01" / "t000.tif")


def test_a_diameter_scales_to_the_cells_of_the_training(trained: Path, image: np.ndarray) -> None:
    facts = Predictor.load(trained).trained_on
    assert facts is not None
    predictor = Predictor.load(trained, diameter=2 * facts.diameter)
    assert predictor.scale == pytest.approx(0.5)
    assert predictor(image[0]).shape == image[0].shape
    same = segment(image[0], trained, diameter=facts.diameter)
    np.testing.assert_array_equal(same, segment(image[0], trained))


@pytest.mark.parametrize("diameter", [0, -3, float("nan"), float("inf"), "9", True, 1e6])
def test_a_diameter_is_a_number_of_pixels(trained: Path, diameter: object) -> None:
    with pytest.raises(InputError, match="diameter"):
        Predictor.load(trained, diameter=diameter)


def test_a_diameter_needs_what_the_model_was_trained_on(trained: Path) -> None:
    with pytest.raises(InputError, match="not known what this model was trained on"):
        Predictor.load(trained, trained_on=None, diameter=20)


def test_the_estimate_is_the_diameter_at_the_scale_that_fits(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor.load(trained)
    facts = predictor.trained_on
    assert facts is not None

    def fit(predictor: Predictor, image: np.ndarray, scale: float) -> Fit:
        """Answer as for cells twice as large as those of the training."""
        return Fit(1 + abs(np.log2(scale * 2)), 9, 2 * facts.diameter) if scale < 4 else Fit(float("inf"), 0, 0.0)

    monkeypatch.setattr("unetpipe.fit.measure_fit", fit)
    assert estimate_diameter(predictor, np.zeros((1, 9, 9))) == pytest.approx(2 * facts.diameter)
    monkeypatch.setattr("unetpipe.fit.measure_fit", lambda *_: Fit(float("inf"), 0, 0.0))
    with pytest.raises(InputError, match="no cell was found at any scale"):
        estimate_diameter(predictor, np.zeros((1, 9, 9)))


def test_the_model_with_the_least_misfit_is_chosen(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, image = Predictor.load(trained), np.zeros((1, 9, 9))
    unknown = Predictor.load(trained, trained_on=None)
    misfits = {0.5: 1.2, 0.6: 0.9}
    monkeypatch.setattr(
        "unetpipe.fit.measure_fit", lambda predictor, image: Fit(misfits[predictor.settings.threshold], 3, 9.0)
    )
    models = {"a": Predictor.load(trained, threshold=0.5), "b": Predictor.load(trained, threshold=0.6), "c": unknown}
    images = [dict.fromkeys(models, image)]
    assert choose_model(models, images) == ("b", {"b": 0.9, "a": 1.2})
    misfits.update({0.5: 9.0, 0.6: float("inf")})
    assert choose_model(models, images)[0] is None
    assert choose_model({"c": unknown}, images) == (None, {})
    assert predictor.trained_on is not None


@pytest.mark.parametrize(("misfit", "chosen"), [(0.9, "one kind"), (1.1, "many kinds")])
def test_a_model_of_one_kind_that_fits_comes_before_one_of_many(
    misfit: float, chosen: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Predictor.load(trained).trained_on
    assert facts is not None
    own = {"many kinds": {"doubt": 0.5, "kinds": [[0.0] * 8]}, "one kind": {"doubt": 0.5}, "another": {"doubt": 0.1}}
    models = {name: Predictor.load(trained, trained_on={**facts.as_values(), **values}) for name, values in own.items()}
    misfits = {"many kinds": 0.4, "one kind": misfit, "another": 1.3}
    names = {id(predictor): name for name, predictor in models.items()}
    monkeypatch.setattr("unetpipe.fit.measure_fit", lambda predictor, image: Fit(misfits[names[id(predictor)]], 3, 9.0))
    found = choose_model(models, [dict.fromkeys(models, np.zeros((1, 9, 9)))])
    assert found[0] == chosen == next(iter(found[1]))


def test_a_fit_counts_the_cells_in_the_middle(trained: Path, image: np.ndarray) -> None:
    fit = measure_fit(Predictor.load(trained), image)
    assert fit.cells > 0
    assert np.isfinite(fit.misfit)
    assert fit.diameter > 0


def test_segment_estimates_a_diameter(
    trained: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source, output = str(synthetic / "01"), str(tmp_path / "masks")
    assert main(["segment", source, "--output", output, "--bundle", str(trained), "--diameter", "auto"]) == 0
    assert "Diameter: about" in capsys.readouterr().out
    assert len(list((tmp_path / "masks").glob("mask*.tif"))) == 3


def test_auto_needs_named_models(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).random((1, 64, 64)))
    source, output = str(tmp_path / "noise.npy"), str(tmp_path / "masks")
    assert main(["segment", source, "--output", output, "--bundle", str(trained), "--model", "auto"]) == 1
    assert f"{trained} has no named models to choose from; leave out --model auto." in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_segment_refuses_noise_with_model_auto(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).normal(size=(1, 96, 96)).astype(np.float32))
    arguments = ["segment", str(tmp_path / "noise.npy"), "--output", str(tmp_path / "masks"), "--model", "auto"]
    assert main(arguments) == 1
    assert "No model fits these images" in capsys.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_models_are_listed(capsys: pytest.CaptureFixture, trained: Path) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    for name in ("dic_hela", "phc_u373", "nuclei"):
        assert name in listed
    assert "scored" in listed
    assert main(["models", "--bundle", str(trained)]) == 1
    assert "has only its own model" in capsys.readouterr().err
