"""Which image to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.tasks.strategy import Strategy

from unetpipe.errors import InputError
from unetpipe.label.infer import CellInferTask
from unetpipe.label.studies import Studies
from unetpipe.label.uncertainty import border_uncertainty

CANDIDATES = 24  # images that are scored for one answer; the server does nothing else meanwhile


class Uncertain(Strategy):
    """The image, among up to 24 spread evenly over those without a label, whose outlines are least certain.

    Parameters
    ----------
    task : CellInferTask
        The served model.
    """

    def __init__(self, task: CellInferTask) -> None:
        super().__init__("the image on whose outlines the model is least certain")
        self.task = task
        self._scores: dict[tuple[Any, ...], list[float]] = {}

    def __call__(self, request: dict[str, Any], datastore: Studies) -> dict[str, Any] | None:
        """Return "id", "score" (bits, 0 … 1) and "page" of the image, or None if all have labels."""
        # an image that was just removed from the folder may still be listed
        images = [
            image for image in sorted(datastore.get_unlabeled_images()) if Path(datastore.image_file(image)).is_file()
        ]
        if not images:
            return None
        chosen = np.unique(np.linspace(0, len(images) - 1, CANDIDATES).round().astype(int))
        scores = {images[index]: self._score(datastore.image_file(images[index])) for index in chosen}
        best = max(scores, key=lambda image: max(scores[image]))
        return {"id": best, "score": max(scores[best]), "page": int(np.argmax(scores[best]))}

    def _score(self, path: str) -> list[float]:
        """Return the uncertainty of each page; below any other if the file cannot be segmented."""
        key = (path, Path(path).stat().st_mtime_ns, self.task.version_of_files())
        if key not in self._scores:
            try:
                self._scores[key] = [border_uncertainty(page) for page in self.task.probabilities(path)]
            except InputError:
                self._scores[key] = [-1.0]
        return self._scores[key]
