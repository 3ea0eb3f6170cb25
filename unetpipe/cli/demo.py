"""``unetpipe demo``: train, evaluate and segment, on synthetic touching cells in the layout of real data."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unetpipe.cli import segment
from unetpipe.cli.options import as_command
from unetpipe.errors import InputError
from unetpipe.files import check_folder, write_text, writing

PARTS = ("data", "model", "test", "masks")
MARK = ".unetpipe-demo"  # the file by which a folder of an earlier demo is known
TRAIN_SEQUENCES, VAL_SEQUENCES, TEST_SEQUENCES = [*range(1, 11)], [11, 12], [13, 14, 15, 16]
NARROW: dict[str, Any] = {"channels": [16, 32, 64, 128, 256], "tile": 252, "batch_size": 2}
# all its images are alike, and its training is short: what helps on other images would cost some of the score
ALIKE: dict[str, Any] = {"zoom": 0.2, "shading": 0, "noise_std": 0.2, "field_of_view_prob": 0, "ground_prob": 0}
LENGTH: dict[str, Any] = {"max_epochs": 20, "steps_per_epoch": 60, "val_interval": 4, "perturbed_frames": 0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("demo"),
        help="new folder for everything, or that of an earlier demo, which is replaced (default: demo)",
    )


def run(options: argparse.Namespace) -> None:
    """Write the data, train, evaluate on sequences never seen, segment them, and say where everything is."""
    check_folder(options.output)
    if options.output.is_dir() and any(options.output.iterdir()) and not (options.output / MARK).is_file():
        raise InputError(f"{options.output} holds files that are not of a demo; name a new folder by --output.")
    with writing(options.output):
        write_text(options.output / MARK, "A demo may replace what lies here.\n")
        for part in PARTS:
            if (options.output / part).is_symlink():  # it points to a folder that does not belong to the demo
                (options.output / part).unlink()
            shutil.rmtree(options.output / part, ignore_errors=True)
        _run(options)


def _run(options: argparse.Namespace) -> None:
    from unetpipe.bundle.settings import as_text
    from unetpipe.bundle.workflow import open_workflow
    from unetpipe.datasets import find_records, measure_records, select, write_synthetic_ctc
    from unetpipe.instances.from_probability import otsu_components
    from unetpipe.io import read_image, read_labels
    from unetpipe.training.train import train

    data, model, tested, masks = (options.output / part for part in PARTS)
    print(f"Writing synthetic touching cells to {data}", flush=True)
    write_synthetic_ctc(data, sequences=TEST_SEQUENCES[-1], frames=4)
    test = select(find_records(data), TEST_SEQUENCES)
    cells = measure_records(test)
    print(f"{cells.cells} cells in {len(test)} test images; {cells.touching:.0%} of them touch another", flush=True)

    settings: dict[str, Any] = {
        "train_sequences": TRAIN_SEQUENCES,
        "val_sequences": VAL_SEQUENCES,
        **NARROW,
        **ALIKE,
        **LENGTH,
    }
    _show("unetpipe", "train", data, "--output", model, "--set", *_settings(settings))
    train(data, model, **settings)
    configs = [str(model / "configs" / name) for name in ("train.json", "evaluate.json")]
    _show(
        *("python", "-m", "monai.bundle", "run", "evaluating", "--config_file", configs),
        *("--eval_sequences", TEST_SEQUENCES, "--output_dir", tested),
    )
    places = {"bundle_root": as_text(model), "output_dir": as_text(tested)}
    workflow = open_workflow(configs, "train", {**places, "eval_sequences": TEST_SEQUENCES})
    workflow.run()
    workflow.finalize()
    first = f"{TEST_SEQUENCES[0]:02d}"
    arguments = [str(data / first), "--bundle", str(model), "--output", str(masks)]
    _show("unetpipe", "segment", *arguments)
    parser = argparse.ArgumentParser()
    segment.add_arguments(parser)
    segment.run(parser.parse_args(arguments), resumable=False)

    truth = [read_labels(record["label"]) for record in test]
    ours = [read_labels(tested / record["mask_name"]) for record in test]
    otsu = [otsu_components(read_image(record["image"])[0]) for record in test]
    print(f"\nSEG on {cells.cells} cells in {len(test)} images of sequences that were not used in training:")
    print(f"  U-Net                              {seg(truth, ours):.5f}")
    print(f"  Otsu's threshold and components    {seg(truth, otsu):.5f}")
    print(f"Trained bundle:   {model}")
    print(f"Masks, 16 bit:    {masks}")
    print(f"Report, training: {model / 'report.html'}")
    print(f"Report, test:     {tested / 'report.html'}")
    print(f"Outlines:         {tested / 'outlines' / f'{first}_RES' / 'mask000.png'}")


def seg(truths: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """Return SEG over all cells of several frames."""
    from unetpipe.metrics import object_jaccards

    return float(np.concatenate([object_jaccards(*pair) for pair in zip(truths, results, strict=True)]).mean())


def _settings(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}".replace(" ", "") for key, value in settings.items()]


def _show(*command: object) -> None:
    """Print a command, so that the user can repeat the step."""
    print(f"\n$ {as_command([str(part) for part in command])}\n", flush=True)
