"""Run configs of a bundle in this process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from monai.bundle import ConfigWorkflow


def open_workflow(configs: Sequence[str], kind: str, values: Mapping[str, Any]) -> ConfigWorkflow:
    """Read and initialise configs.

    Parameters
    ----------
    configs : sequence of str
        Files; later ones override earlier ones. The first one's folder holds ``metadata.json``.
    kind : {"train", "infer"}
        What the configs do.
    values : mapping
        Values for keys. MONAI evaluates them, so paths are given by :func:`unetpipe.bundle.settings.as_text`.
    """
    with quiet():
        workflow = ConfigWorkflow(list(configs), logging_file=False, workflow_type=kind, **values)
        workflow.initialize()
    return workflow


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MONAI from logging what :class:`unetpipe.handlers.Progress` shows, and that no logging is configured."""
    loggers = [logging.getLogger(name) for name in ("monai.bundle.workflows", "monai.handlers.StatsHandler")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the effective log level")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
