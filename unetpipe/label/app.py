"""MONAI Label's own bundle app, for cells: see the classes that it is put together from."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import DefaultLabelTag
from monailabel.interfaces.exception import ImageNotFoundException
from monailabel.main import Main

from unetpipe.errors import InputError
from unetpipe.label.folder import SESSIONS
from unetpipe.label.infer import CellInferTask
from unetpipe.label.strategy import Uncertain
from unetpipe.label.studies import Studies, check_name
from unetpipe.label.train import RetrainTask, check_request


def bundle_app() -> type[MONAILabelApp]:
    """Return the class of the app ``monaibundle``, which MONAI Label installs as a file beside its package."""
    path = Path(Main()._get_installed_dir(None, "sample-apps")) / "monaibundle" / "main.py"
    spec = importlib.util.spec_from_file_location("monaibundle", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"MONAI Label's app monaibundle is not at {path}; install monailabel again.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MyApp


class CellsApp(bundle_app(), MONAILabelApp):  # type: ignore[misc]  # MONAI Label looks for the second by name
    """Serve, correct and retrain the bundles of a studies folder."""

    def init_datastore(self) -> Studies:
        """Return the studies."""
        return Studies(self.studies)

    def init_infers(self) -> dict[str, CellInferTask]:
        """Return an inference for each bundle."""
        return {name: CellInferTask(path, self.conf) for name, path in self.models.items()}

    def init_trainers(self) -> dict[str, RetrainTask]:
        """Return a training for each bundle."""
        return {name: RetrainTask(path, self.conf) for name, path in self.models.items()}

    def init_strategies(self) -> dict[str, Any]:
        """Return the app's own strategies and "uncertain", by the first bundle."""
        return {"uncertain": Uncertain(next(iter(self._infers.values()))), **super().init_strategies()}

    def infer(self, request: dict[str, Any], datastore: Studies | None = None) -> dict[str, Any]:
        """Segment an image of the studies, or one that came with the request."""
        self.check_model(request.get("model"))
        image = request.get("image")
        if not isinstance(image, str) or not self._was_sent(image):
            self.datastore().image_file(image)
        if request.get("save_label"):  # before there is a mask that would have to be removed
            check_name(request.get("label_tag", DefaultLabelTag.ORIGINAL))
        return super().infer(request, datastore)

    def on_init_complete(self) -> None:
        """Say where the server is."""
        super().on_init_complete()
        print(self.conf.get("greeting", ""), flush=True)

    def bundle_path(self, model: Any) -> str:
        """Return the folder that MONAI Label's processes import from: never one that a request names."""
        return next(iter(self.models.values()))

    def check_model(self, model: Any) -> None:
        """Raise ImageNotFoundException unless there is such a model."""
        if not isinstance(model, str) or model not in self._infers:
            raise ImageNotFoundException(f"There is no model {model!r}; there is {', '.join(self._infers)}.")

    def check_training(self, model: str, request: dict[str, Any]) -> None:
        """Raise what is wrong with a request to train, before a process is started for it."""
        model = request.get("model", model)  # MONAI Label too prefers it to that of the address
        self.check_model(model)
        check_request({**self._trainers[model].config(), **request})
        if not self.datastore().datalist():
            raise InputError("No image has a label yet; label one, and save it, first.")

    def _was_sent(self, image: str) -> bool:
        """Return whether a path is where the server puts an image that comes with a request or a session."""
        places = (Path(tempfile.gettempdir()).resolve(), (Path(self.app_dir) / SESSIONS).resolve())
        try:
            path = Path(image).resolve()
            return path.is_file() and (path.parent == places[0] or places[1] in path.parents)
        except (OSError, ValueError):  # too long for a path, or with a zero byte
            return False
