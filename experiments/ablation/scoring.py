"""Score a trained bundle on frames that were not used in its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from unetpipe.instances import InstanceSettings
from unetpipe.metrics.summary import FrameScore, score_segmentation, summarise
from unetpipe.report.mistakes import find_mistakes

PLAIN = {"threshold": 0.5, "marker_threshold": None, "merge_threshold": None}


def score_bundle(bundle: Path, overlays: Sequence[Path], settings: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Score the probabilities of a trained bundle at its chosen thresholds, and at 0.5 without markers.

    Parameters
    ----------
    bundle : Path
        The output of a training; its ``evaluate.json`` holds the chosen thresholds.
    overlays : sequence of Path
        Overlays on ``train.json`` of the training, and those only for inference.
    settings : mapping
        Keys of ``evaluate.json``: data and frames.

    Returns
    -------
    dict
        "chosen" and "plain": measures by name (:func:`score_frames`).
    """
    configs = bundle / "configs"
    parser = ConfigParser()
    parser.read_config([str(configs / "train.json"), *map(str, overlays), str(configs / "evaluate.json")])
    parser.update({**settings, "bundle_root": str(bundle)})
    network = parser.get_parsed_content("validate#evaluator#network")
    inferer = parser.get_parsed_content("validate#evaluator#inferer")
    device = parser.get_parsed_content("device")
    chosen = InstanceSettings(
        **{field.name: parser.get_parsed_content(field.name) for field in fields(InstanceSettings)}
    )
    frames = []
    for item in parser.get_parsed_content("validate#dataset"):
        with torch.no_grad():
            logits = inferer(item["image"].as_tensor()[None].to(device), network)
        probability = 1 - torch.softmax(logits.float(), dim=1)[0, 0].cpu().numpy()
        frames.append((np.asarray(item["label"])[0], np.asarray(item["known"])[0], probability))
    return {
        name: {**used.thresholds, **score_frames(frames, used)}
        for name, used in (("chosen", chosen), ("plain", replace(chosen, **PLAIN)))
    }


def score_frames(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], settings: InstanceSettings
) -> dict[str, float]:
    """Return SEG, IoU and F1, the number of cells, and how many are missed, merged, split and invented.

    Parameters
    ----------
    frames : sequence of (ndarray, ndarray, ndarray)
        For each frame: the truth (H, W), integer; where it is known (H, W), bool; the probability of "cell" (H, W).
    settings : InstanceSettings
        How the probability becomes cells.
    """
    scores, mistakes = [], []
    for number, (truth, known, probability) in enumerate(frames):
        result = settings.instances(probability)
        scores.append(FrameScore("", number, score_segmentation(number, truth, result, known)))
        mistakes.append(find_mistakes(truth, result, known))
    summary = summarise(scores)
    measures = {name: summary.scores()[name] for name in ("SEG", "IoU", "F1")}
    counts = {kind: sum(frame.counts[kind] for frame in mistakes) for kind in ("merged", "split", "missed", "invented")}
    return {**measures, "cells": summary.objects, **counts}
