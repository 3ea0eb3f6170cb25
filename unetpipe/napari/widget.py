"""The widget: segment images of the viewer, hide unsure cells, and save corrected labels to train on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FileEdit,
    FloatSlider,
    FloatSpinBox,
    Label,
    ProgressBar,
    PushButton,
    create_widget,
)
from napari.layers import Image, Labels
from napari.qt.threading import thread_worker
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject, Signal

from unetpipe.bundle.models import model_names
from unetpipe.bundle.writing import find_bundle
from unetpipe.datasets.paired_folders import write_pair
from unetpipe.errors import InputError, input_error_behind
from unetpipe.napari.confidence import hidden_below, hide_below, visible_labels
from unetpipe.napari.pages import Pages, possible_axes

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from unetpipe.napari.segmenting import FoundCells

WHOLE, CURRENT = "whole stack", "current slice"
MOST_WARNINGS = 3  # that are shown of one run
OWN = ""  # the bundle's own model
CHANNEL_NAMES = ("c", "ch", "channel", "channels")


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Show a mistake of the user as a notification."""
    try:
        yield
    except InputError as mistake:
        show_error(str(mistake))


class _News(QObject):
    share = Signal(float)


class _Cancelled(Exception):
    pass


class CellWidget(Container):
    """Segment a layer, look at the cells, and save what was corrected.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Its layers can be chosen, and its sliders say which slice is the current one.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer = napari_viewer
        self._worker: Any = None
        self.image = create_widget(annotation=Image, label="image", options={"tooltip": "the layer to segment"})
        self.axes = ComboBox(
            label="axes",
            choices=self._axes_choices,
            tooltip="T (time) and Z (depth) count images that are segmented one by one; C are channels of one image",
        )
        self.which = ComboBox(label="segment", choices=[WHOLE, CURRENT])
        self.bundle = FileEdit(
            label="bundle", mode="d", nullable=True, tooltip="a trained bundle; empty: the one that is installed"
        )
        self.safe = CheckBox(
            label="",
            text="weights and plain values only",
            tooltip="a bundle is a program; with this, it cannot run code, and one that needs to is refused",
        )
        self.model = ComboBox(label="model", choices=self._model_choices)
        self.threshold = _number("threshold", "of the model", 1, 0.05, "probability above which a pixel is cell")
        self.pixel_size = _number("pixel size (µm)", "unknown", 1000, 0.01, "side of a pixel of the image")
        self.diameter = _number("diameter (px)", "not given", 10_000, 1, "of the cells; images are scaled by it")
        self.rescale = CheckBox(label="", text="scale to the pixel size of the model")
        self.run = PushButton(text="Segment")
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(label="", min=0, max=100, value=0)
        self.cells = create_widget(annotation=Labels, label="cells", options={"tooltip": "the labels to look at"})
        self.least = FloatSlider(
            label="hide below", min=0, max=1, step=0.01, value=0, tracking=False, tooltip="confidence of the cells"
        )
        self.folder = FileEdit(label="folder", mode="d", nullable=True, tooltip="gets images/ and masks/")
        self.save = PushButton(text="Save corrected labels for training")
        super().__init__(
            widgets=[
                *(self.image, self.axes, self.which, self.bundle, self.safe, self.model),
                *(self.threshold, self.diameter, self.pixel_size, self.rescale),
                Container(widgets=[self.run, self.cancel], layout="horizontal", labels=False, label=""),
                *(self.progress, Label(value="<b>Look and correct</b>", label=""), self.cells, self.least),
                *(self.folder, self.save),
            ]
        )
        self.native.layout().addStretch()
        self.image.changed.connect(self._image_chosen)
        self.axes.changed.connect(self._axes_chosen)
        self.bundle.changed.connect(self.model.reset_choices)
        self.cells.changed.connect(self._cells_chosen)
        self.least.changed.connect(self._hide)
        self.run.changed.connect(self._segment)
        self.cancel.changed.connect(self._cancel)
        self.save.changed.connect(self._save)
        self.native.destroyed.connect(self._cancel)
        self._image_chosen()

    def _axes_choices(self, *_: object) -> list[tuple[str, str]]:
        image = self.image.value
        if image is None:
            return []
        axes = possible_axes(len(_full(image).shape), image.rgb)
        for place, label in enumerate(image.axis_labels):
            if str(label).lower() in CHANNEL_NAMES:
                axes = tuple(sorted(axes, key=lambda name: name.find("C") != place))
        return [(f"({', '.join(name)})", name) for name in axes]

    def _model_choices(self, *_: object) -> list[tuple[str, str]]:
        bundle = self.bundle.value
        names = model_names(find_bundle() if bundle is None else bundle)
        return [("the bundle's own", OWN), *((name, name) for name in names)]

    def _image_chosen(self, *_: object) -> None:
        self.axes.reset_choices()
        if self.axes.choices:
            self.axes.value = self.axes.choices[0]
        size = None if self.image.value is None else _micrometres(self.image.value)
        self.pixel_size.value = size or 0
        self._axes_chosen()

    def _axes_chosen(self, *_: object) -> None:
        self.which.enabled = self.axes.value is not None and bool(set(self.axes.value) & set("TZ"))

    def _cells_chosen(self, *_: object) -> None:
        self.least.value = 0 if self.cells.value is None else hidden_below(self.cells.value)

    def _hide(self, least: float) -> None:
        if self.cells.value is not None:
            with mistakes_told():
                hide_below(self.cells.value, least)

    def _pages(self) -> Pages:
        """Return the pages of the chosen image."""
        image = self.image.value
        if image is None:
            raise InputError("There is no image; open one, and choose its layer.")
        return Pages(_full(image), self.axes.value or "", image.name)

    def _segment(self, *_: object) -> None:
        with mistakes_told():
            image, pages = self.image.value, self._pages()
            index = _current(self._viewer, image, pages) if self.which.value == CURRENT and len(pages) > 1 else None
            options: dict[str, Any] = {
                "bundle": self.bundle.value,
                "model": self.model.value or None,
                "safe": self.safe.value,
                "image_pixel_size": self.pixel_size.value or None,
                "rescale": self.rescale.value,
                "diameter": self.diameter.value or None,
                **({"threshold": self.threshold.value} if self.threshold.value else {}),
            }
            if self.rescale.value and not self.pixel_size.value:
                raise InputError("Give the pixel size of the image: it cannot be scaled without.")
            self._start(image, pages, index, options)

    def _start(self, image: Image, pages: Pages, index: tuple[int, ...] | None, options: dict[str, Any]) -> None:
        news = _News()
        news.share.connect(self._show_share)

        @thread_worker
        def work() -> FoundCells | str | None:
            """Return what was found, the sentence about a mistake, or None after a cancellation."""
            from unetpipe.napari.segmenting import segment_pages  # it imports MONAI, which takes seconds

            try:
                return segment_pages(pages, index, news.share.emit, check, **options)
            except Exception as error:
                mistake = input_error_behind(error)
                if mistake is None and not isinstance(error, _Cancelled):
                    raise
                return None if mistake is None else str(mistake)

        def check() -> None:
            if worker.abort_requested:
                raise _Cancelled

        def returned(result: FoundCells | str | None) -> None:
            if worker.abort_requested:  # after the last check
                return
            if isinstance(result, str):
                show_error(result)
            elif result is not None:
                self._show(result, image, pages, index)

        worker = work()
        worker.returned.connect(returned)
        worker.finished.connect(self._finished)
        self._worker = worker
        self.run.enabled, self.cancel.enabled = False, True
        worker.start()

    def _cancel(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.quit()

    def _show_share(self, share: float) -> None:
        self.progress.value = 100 * share

    def _finished(self) -> None:
        self._worker = None
        self.run.enabled, self.cancel.enabled, self.progress.value = True, False, 0

    def _show(self, found: FoundCells, image: Image, pages: Pages, index: tuple[int, ...] | None) -> None:
        for warning in found.warnings[:MOST_WARNINGS]:
            show_warning(warning)
        if len(found.warnings) > MOST_WARNINGS:
            show_warning(f"There are {len(found.warnings) - MOST_WARNINGS} more warnings of this kind.")
        place = _place(image, pages)
        if index is not None:
            place["translate"] = place["translate"] + place["scale"] * np.array([*index, 0, 0])
        layer = Labels(found.labels, name=f"{image.name} cells", features=found.table, **place)
        self._viewer.add_layer(layer)
        self.cells.value = layer
        show_info(f"{image.name}: {len(found.table['index'])} cells")

    def _save(self, *_: object) -> None:
        with mistakes_told():
            cells, folder, pages = self.cells.value, self.folder.value, self._pages()
            if cells is None:
                raise InputError("There are no labels; segment the image, or draw cells in a Labels layer.")
            if folder is None:
                raise InputError("Choose a folder for images and masks.")
            image, mask = save_labels(folder, self.image.value, pages, cells)
            show_info(f"Saved {image} and {mask}; to train: unetpipe train {str(folder)!r} --output DIR")


def save_labels(folder: Path, image: Image, pages: Pages, cells: Labels) -> tuple[Path, Path]:
    """Write an image and the visible labels of its pages, or of one of them, for training.

    Returns
    -------
    image, mask : Path
        The files (:func:`unetpipe.datasets.paired_folders.write_pair`).

    Raises
    ------
    InputError
        If the labels are not those of the image, and as ``write_pair``.
    """
    labels = visible_labels(cells)
    indices, name = list(pages.indices()), image.name
    if labels.shape != pages.shape:
        place = _place(image, pages)
        where = (cells.translate - place["translate"]) / place["scale"] if cells.ndim == len(pages.shape) else None
        index = None if where is None else tuple(np.rint(where[:-2]).astype(int).tolist())
        if labels.shape != (*(1 for _ in pages.shape[:-2]), *pages.shape[-2:]) or index not in indices:
            raise InputError(
                f"{cells.name} has the shape {labels.shape}, {image.name} has {len(pages)} page(s) of "
                f"{pages.shape[-2]}×{pages.shape[-1]} pixels (height × width): labels need the shape {pages.shape}."
            )
        indices, name = [index], "_".join([name, *(f"{number:03d}" for number in index)])
    images = [np.atleast_3d(pages.read(index)) for index in indices]
    return write_pair(
        folder, name, [np.moveaxis(page, -1, 0) for page in images], list(labels.reshape(-1, *labels.shape[-2:]))
    )


def _number(label: str, none: str, most: float, step: float, tooltip: str) -> FloatSpinBox:
    """Return a field for a number above 0; 0 is shown as ``none``."""
    field = FloatSpinBox(label=label, min=0, max=most, step=step, value=0, tooltip=tooltip)
    field.native.setDecimals(4)
    field.native.setSpecialValueText(none)
    return field


def _full(image: Image) -> Any:
    """Return the array of a layer: the finest of several resolutions, and colours without alpha."""
    array = image.data[0] if image.multiscale else image.data
    return array[..., :3] if image.rgb else array


def _micrometres(image: Image) -> float | None:
    """Return the width of a pixel of a layer; None if its unit is not one of length."""
    try:
        return float((image.scale[-1] * image.units[-1]).to("micrometer").magnitude)
    except Exception:  # pint has an exception for each kind of unit
        return None


def _place(image: Image, pages: Pages) -> dict[str, Any]:
    """Return where labels of an image's pages lie, as options of a layer."""
    kept = [place for place, axis in enumerate(pages.axes) if axis != "C"]
    return {
        "scale": image.scale[kept],
        "translate": image.translate[kept],
        "rotate": image.rotate[np.ix_(kept, kept)],
        "affine": image.affine.set_slice(kept).affine_matrix,
        "axis_labels": [image.axis_labels[place] for place in kept],
        "units": [image.units[place] for place in kept],
    }


def _current(viewer: Viewer, image: Image, pages: Pages) -> tuple[int, ...]:
    """Return the index of the page that the viewer shows."""
    shown = np.rint(image.world_to_data(viewer.dims.point))[list(pages.page_axes)]
    return tuple(np.clip(shown, 0, np.array(pages.shape[:-2]) - 1).astype(int).tolist())
