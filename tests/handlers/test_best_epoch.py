"""Which epoch is kept, and what is said where no cell was found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from workflows import BUNDLE, SHORT, SMALL, workflow

from unetpipe.handlers import BundleSaver
from unetpipe.networks import UNet


def test_a_validation_of_0_is_said_and_of_equal_epochs_the_newest_is_kept(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {**SMALL, **SHORT}
    made = workflow(["train.json"], dataset_dir=str(synthetic), output_dir=str(tmp_path), **settings)
    made.initialize()
    assert made.parser.get_parsed_content("validate#evaluator").metric_cmp_fn(0.0, 0.0)

    monkeypatch.setattr("unetpipe.handlers.bundle_saver.write_bundle", lambda *_: None)
    saver = BundleSaver(UNet(channels=(2, 4)), BUNDLE, tmp_path, {"tile": 66, "dataset_dir": str(tmp_path)})
    for value, epoch in ((0.0, 2), (0.5, 4)):
        state = SimpleNamespace(
            key_metric_name="val_seg", metrics={"val_seg": value}, epoch=epoch, best_metric_epoch=epoch
        )
        saver(SimpleNamespace(state=state))  # type: ignore[arg-type]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("unetpipe")]
    assert len([text for text in said if " is 0 " in text]) == 1
    assert said[0].startswith("val_seg is 0 after epoch 2: no cell of the validation frames was found")
