"""Train a network on a data set, in this process, by the ``train.json`` of the installed bundle."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from tqdm import tqdm

from unetpipe.bundle.failing import unbuilt_part
from unetpipe.bundle.models import inference_configs, model_names
from unetpipe.bundle.settings import as_text, check_setting, recipe_configs
from unetpipe.bundle.tile_sizes import tile_sizes
from unetpipe.bundle.workflow import open_workflow, quiet
from unetpipe.bundle.writing import find_bundle, read_configs
from unetpipe.errors import InputError, input_error_behind
from unetpipe.networks import load_weights
from unetpipe.scope import SEVERAL_CLASSES
from unetpipe.training.checkpoints import CHECKPOINT, read_checkpoint
from unetpipe.training.proposal import seconds_a_step, this_machine

SHAPE = ("network_class", "in_channels", "out_channels", "channels", "norm", "normalization")
OWN = {"dataset_dir": "data", "output_dir": "output", "resume": "resume", "bundle_root": "the installed bundle"}


def train(
    data: str | os.PathLike,
    output: str | os.PathLike,
    recipe: str | Sequence[str] | None = None,
    resume: bool = False,
    start_from: str | os.PathLike | None = None,
    **settings: Any,
) -> Path:
    """Train a network and write a trained bundle with a report.

    It prints what it found, what it does and how long that takes, then the progress. The weights are those of
    ``python -m monai.bundle run training`` with the same keys.

    Parameters
    ----------
    data : path
        A data set in one of the layouts of ``docs/layouts.md``; ``unetpipe check`` describes it.
    output : path
        Folder of the trained bundle. It must hold no training, unless ``resume``.
    recipe : str or sequence of str, optional
        Configs of the installed bundle on top of ``train.json``, such as "dic_hela"; later ones override earlier ones.
    resume : bool
        Continue from the last complete epoch of an earlier run with the same output, if there is one.
    start_from : str or path, optional
        Begin with the weights of a trained bundle, or of a model of the installed bundle by its name. Its network and
        normalisation are used, except what ``settings`` name.
    settings
        Values for keys of ``train.json``, such as ``max_epochs=20``.

    Returns
    -------
    Path
        The trained bundle.

    Raises
    ------
    InputError
        If anything that the user gave is wrong.
    """
    try:
        training = Training(data, output, recipe, resume, start_from, settings)
        print(training.describe(), flush=True)
        training.run()
    except Exception as error:
        mistake = input_error_behind(error) or unbuilt_part(error)
        if mistake is None:
            raise
        raise mistake from None
    return Path(output)


class Training:
    """A training that is checked and ready to run; parameters and errors are those of :func:`train`."""

    def __init__(
        self,
        data: str | os.PathLike,
        output: str | os.PathLike,
        recipe: str | Sequence[str] | None = None,
        resume: bool = False,
        start_from: str | os.PathLike | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        settings = dict(settings or {})
        bundle = find_bundle()
        recipes = [recipe] if isinstance(recipe, str) else recipe or []
        configs = recipe_configs(bundle, recipes)
        config = read_configs(configs)
        for key, value in settings.items():
            if key in OWN:
                raise InputError(f"{key} cannot be set; it is given by {OWN[key]}.")
            check_setting(key, value, config)
        if isinstance(classes := settings.get("out_channels"), int) and classes > 2:
            raise InputError(f"out_channels={classes} is not possible. {SEVERAL_CLASSES}")
        self.data, self.output, self.resume, self.start_from = Path(data), Path(output), resume, start_from
        weights = None
        if start_from is not None:
            source, model = _find_model(bundle, start_from)
            theirs = ConfigParser()
            theirs.read_config(read_configs(inference_configs(source, model)))
            theirs["bundle_root"] = as_text(source)
            weights = theirs.get_parsed_content("weights")
            settings = {**{key: theirs[key] for key in SHAPE if key in theirs}, **settings}
            if "tile" not in settings:
                settings["tile"] = tile_sizes(config, settings).tile
        places = {"bundle_root": bundle, "dataset_dir": data, "output_dir": output}
        values = {**{key: as_text(path) for key, path in places.items()}, "resume": resume, **settings}
        self._workflow = open_workflow(configs, "train", values)
        self._parser = self._workflow.parser
        # "run" uses what is parsed here: the network with its weights, and what the checks found
        self._checked = "@preflight" in self._parser["run"]
        self._found = self._parser.get_parsed_content("preflight") if self._checked else {}
        self._network = self._parser.get_parsed_content("network_def")
        if weights is not None:
            load_weights(self._network, weights)

    def describe(self) -> str:
        """Say what was found, what training does, and about how long it takes; this times three steps."""
        get = self._parser.get_parsed_content
        lines = [("Data", str(self.data))]
        for part, name in (("train", "Train on"), ("val", "Validate on")):
            if part in self._found:
                found = self._found[part]
                lines.append((name, f"{len(found.frames)} frames with {len(found.areas)} cells"))
        tile, batch = get("tile"), get("batch_size")
        channels = ", ".join(map(str, get("channels")))
        lines.append(("Network", f"{type(self._network).__name__} of {channels} channels"))
        returned = self._network.output_size(tile)
        lines.append(("Tiles", f"{tile} × {tile} pixels, of which the network returns {returned} × {returned}"))
        if self.start_from is not None:
            lines.append(("Begin with", f"the weights of {self.start_from}"))
        epochs, steps, done = get("max_epochs"), get("steps_per_epoch"), self._epochs_done()
        lines.append(("Training", f"{epochs} epochs of {steps} steps, {batch} tile(s) a step"))
        if done:
            lines.append(("Resume", f"after epoch {done}"))
        lines.append(("Machine", str(this_machine())))
        if self._checked:
            seconds = seconds_a_step(self._network, tile, batch)
            left = tqdm.format_interval(math.ceil(seconds * steps * (epochs - done)))
            lines.append(("Time", f"about {left} ({seconds:.2g} s a step), and the validation"))
        lines.append(("Output", str(self.output)))
        return "\n".join(f"{name + ':':<13}{text}" for name, text in lines)

    def run(self) -> None:
        """Train; write the trained bundle and its report."""
        with quiet():
            self._workflow.run()
            self._workflow.finalize()

    def _epochs_done(self) -> int:
        path = self.output / CHECKPOINT
        return read_checkpoint(path)["epoch"] if self.resume and path.is_file() else 0


def _find_model(bundle: Path, name: str | os.PathLike) -> tuple[Path, str | None]:
    """Return the bundle and the model that a path of a bundle, or a name of a model of ours, stands for."""
    if (Path(name) / "configs" / "inference.json").is_file():
        return Path(name), None
    names = model_names(bundle)
    if os.fspath(name) in names:
        return bundle, os.fspath(name)
    raise InputError(
        f"{name} is neither a trained bundle (configs/inference.json is missing) nor one of the models "
        f"{', '.join(names)}."
    )
