"""Every benchmark that needs no GPU runs at tiny sizes, checks both sides, and says plausible things."""

from __future__ import annotations

import json

import pytest

from benchmarks.speed.command import main
from unetpipe.inferers import bfloat16_is_fast

ROWS = {"elastic": 2, "inference": 8 if bfloat16_is_fast("cpu") else 4, "patchwise": 2, "end_to_end": 1, "training": 2}


@pytest.mark.parametrize("name", ROWS)
def test_it_runs(name: str, capsys: pytest.CaptureFixture) -> None:
    assert main([name, "--quick", "--repeats", "1"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert len(rows) == ROWS[name]
    assert all(row["value"] >= 0 for row in rows)
    if name == "end_to_end":  # the whole takes longer than a part of it
        assert rows[0]["value"] > 1
        whole, network = (rows[0]["seconds"][side]["wall"][0] for side in ("file to file", "network"))
        assert whole > network


@pytest.mark.parametrize("wrong", [["--repeats", "0"], ["--threads", "x"], ["--plots", __file__]])
def test_arguments_are_checked_before_anything_runs(wrong: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["weight_map", *wrong])
    assert wrong[0] in capsys.readouterr().err
