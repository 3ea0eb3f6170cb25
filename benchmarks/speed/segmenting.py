"""The bundle's inference on a folder of images, as far as its second run: what is loaded at first use is loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.bundle import ConfigWorkflow

from unetpipe.bundle.settings import as_text
from unetpipe.bundle.writing import find_bundle


def warm_evaluator(images: Path, output: Path, device: torch.device, **values: Any) -> Engine:
    """Segment images once, and return the evaluator that does it again.

    Parameters
    ----------
    images, output : Path
        Folders.
    device : torch.device
        The device that computes.
    **values
        For keys of ``inference.json``.
    """
    # what random weights, or those of another model, find need not fit the default model
    logging.getLogger("unetpipe.instances").setLevel(logging.ERROR)
    workflow = ConfigWorkflow(
        config_file=str(find_bundle() / "configs" / "inference.json"),
        logging_file=False,
        workflow_type="infer",
        bundle_root=as_text(find_bundle()),
        dataset_dir=as_text(images),
        output_dir=as_text(output),
        progress=False,
        device=f"$torch.device('{device}')",
        **values,
    )
    workflow.initialize()
    workflow.run()
    return workflow.parser.get_parsed_content("evaluator")
