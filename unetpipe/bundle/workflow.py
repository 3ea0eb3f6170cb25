"""Run configs of a bundle in this process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from unetpipe.bundle.failing import failed_key
from unetpipe.bundle.options import check_values
from unetpipe.bundle.writing import read_config, read_configs
from unetpipe.errors import InputError, input_error_behind
from unetpipe.files import first_line

QUIET = {  # loggers, and the level from which they speak
    "monai.bundle.workflows": logging.ERROR,
    "monai.handlers.StatsHandler": logging.ERROR,
    "ignite.engine.engine": logging.CRITICAL,  # it logs exceptions, which are also raised
}


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

    Raises
    ------
    InputError
        If a file is damaged.
    """
    metadata = Path(configs[0]).with_name("metadata.json")
    check_configs([*configs, str(metadata)])
    with quiet():
        # without files, which are read here, since MONAI reads none that begins with a byte order mark
        workflow = ConfigWorkflow(None, [], False, workflow_type=kind)  # type: ignore[arg-type]
        workflow.config_root_path = metadata.parent
        workflow.parser.read_config(read_configs(configs))
        if metadata.is_file():
            workflow.parser.read_meta(read_config(metadata))
        workflow.parser.update(dict(values))
        workflow.initialize()
    return workflow


def check_configs(configs: Sequence[str]) -> None:
    """Raise InputError, naming the file, if one that exists is not a JSON config or holds a value that is not one."""
    for config in configs:
        if Path(config).exists():
            values = read_config(config)
            try:
                check_values(values)
            except InputError as error:
                raise InputError(f"{config}: {error}") from None


def parsed(parser: ConfigParser, key: str, configs: Sequence[str]) -> Any:
    """Return what a key of configs stands for.

    Raises
    ------
    InputError
        That of a part of the config, which MONAI wraps; else one that names the files and what is wrong with the key.
    """
    try:
        return parser.get_parsed_content(key)
    except Exception as error:  # whatever a damaged expression or argument raises
        mistake = input_error_behind(error)
        if mistake is not None:
            raise mistake from None
        said = failed_key(error) or f"its key {key!r} fails ({first_line(error)})"
        raise InputError(f"{' with '.join(configs)} cannot be used: {said}.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MONAI and Ignite from logging what :class:`unetpipe.handlers.Progress` and the exception itself say.

    Nor does MONAI say that no logging is configured.
    """
    loggers = {logging.getLogger(name): level for name, level in QUIET.items()}
    levels = {logger: logger.level for logger in loggers}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the effective log level")
        for logger, level in loggers.items():
            logger.setLevel(level)
        try:
            yield
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)
