"""The MONAI Label app: its own bundle app, with the classes of this package for images, inference and training."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import DefaultLabelTag
from monailabel.interfaces.exception import ImageNotFoundException
from monailabel.main import Main
from monailabel.utils.sessions import SessionInfo, Sessions

from unetpipe.errors import InputError
from unetpipe.label.folder import SESSIONS, request_folder
from unetpipe.label.infer import CellInferTask
from unetpipe.label.parameters import check_name, check_training, choose, find_device, read_flag
from unetpipe.label.strategy import Uncertain
from unetpipe.label.studies import Studies
from unetpipe.label.train import RetrainTask


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
        return {name: CellInferTask(path) for name, path in self.models.items()}

    def init_trainers(self) -> dict[str, RetrainTask]:
        """Return a training for each bundle."""
        return {name: RetrainTask(path, self.conf) for name, path in self.models.items()}

    def init_strategies(self) -> dict[str, Any]:
        """Return the app's own strategies and "uncertain", by the first bundle."""
        return {"uncertain": Uncertain(next(iter(self._infers.values()))), **super().init_strategies()}

    def infer(self, request: dict[str, Any], datastore: Studies | None = None) -> dict[str, Any]:
        """Segment an image of the studies, or one that came with the request or its session.

        Returns
        -------
        dict
            "file" (path of the mask), "label" (the image's id if the mask was saved as its label, else the file),
            "tag" and "params", what goes with the mask as JSON.
        """
        self.check_model(request.get("model"))
        image = request.get("image")
        sent = isinstance(image, str) and self._was_sent(image)
        save = not sent and read_flag("save_label", request.get("save_label", False))
        tag = request.get("label_tag", DefaultLabelTag.ORIGINAL)
        if save:  # before there is a mask
            check_name(tag)
        path = image if sent else self.datastore().image_file(image)
        file, result = self._infers[request["model"]]({**request, "image": path})
        label = file
        if save:
            label = self.datastore().save_label(image, file, tag, {"model": request["model"], "params": result})
        return {"file": file, "label": label, "tag": tag, "params": result}

    def batch_infer(self, request: dict[str, Any], datastore: Studies | None = None) -> dict[str, Any]:
        """Segment many images, one after the other, and save the masks as labels."""
        self.check_batch("", request)
        device = find_device(request.get("device"))
        return super().batch_infer({**request, "device": device, "multi_gpu": False, "max_workers": 1}, datastore)

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the image to label next."""
        return super().next_sample({**request, "strategy": choose("strategy", request["strategy"], self._strategies)})

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
        check_training({**self._trainers[model].config(), **request})
        if not self.datastore().datalist():
            raise InputError("No image has a label yet; label one, and save it, first.")

    def check_batch(self, model: str, request: dict[str, Any]) -> None:
        """Raise what is wrong with a request to segment many images, before a process is started for it."""
        self.check_model(request.get("model", model))
        find_device(request.get("device"))
        check_name(request.get("label_tag", DefaultLabelTag.ORIGINAL))
        images, most = request.get("images", "all"), request.get("max_batch_size", 0)
        if isinstance(images, list):
            for image in images:
                self.datastore().image_file(image)
        else:
            choose("images", images, ("all", "labeled", "unlabeled"))
        if not isinstance(most, int) or most < 0:
            raise InputError(f"max_batch_size={most!r} must be a whole number, 0 for all images.")
        if request.get("gpus", "all") not in ("all", ""):
            raise InputError(f'gpus={request["gpus"]!r} is not known; name one device, by "device".')

    def _load_sessions(self, load: bool = False) -> ImageSessions:
        return ImageSessions(str(Path(self.app_dir) / SESSIONS))

    def _was_sent(self, image: str) -> bool:
        """Return whether a path is that of an image that came with this request, or with a session."""
        try:
            path = Path(image).resolve()
            return path.is_file() and (
                path.parent == request_folder.get(None) or (Path(self.app_dir) / SESSIONS).resolve() in path.parents
            )
        except (OSError, ValueError):  # too long for a path, or with a zero byte
            return False


class ImageSessions(Sessions):
    """Images that were sent once, for several requests; an id is never taken for a path."""

    def get_session(self, session_id: str, update_ts: bool = True, fetch_cache: bool = True) -> SessionInfo | None:
        """Return what is known of a session, or None if there is none of that id."""
        if not re.fullmatch(r"[0-9a-f-]{36}", session_id):
            return None
        return super().get_session(session_id, update_ts, fetch_cache)
