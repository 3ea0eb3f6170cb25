"""Write a trained model as a bioimage.io package, with the library of bioimage.io.

References
----------
The model description, version 0.5, of ``bioimageio.spec``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from unetpipe.bundle.writing import read_config
from unetpipe.datasets import write_synthetic_ctc
from unetpipe.errors import InputError
from unetpipe.files import replacing
from unetpipe.io import read_image
from unetpipe.networks import UNet
from unetpipe.predictor import NORMALIZATION, Predictor

ATTACHED = ("docs/data_license.txt", "LICENSE")


def write_package(
    bundle: str | os.PathLike,
    path: str | os.PathLike,
    model: str | None = None,
    sample: str | os.PathLike | None = None,
) -> None:
    """Write a trained model as a bioimage.io package (ZIP) with TorchScript weights.

    The package declares that the output is 2·margin pixels smaller than the input, without a halo. It holds a test
    input and the probabilities that the bundle computes from it.

    Parameters
    ----------
    bundle : path
        A trained bundle.
    path : path
        The file to write; its name ends in ".zip".
    model : str, optional
        Name of one of the models in the bundle; by default ``models/model.pt``.
    sample : path, optional
        An image for the test input; by default synthetic touching cells.

    Raises
    ------
    InputError
        If ``bioimageio.spec`` is not installed, the bundle or model is missing or of another kind, or the image does
        not fit the network.
    """
    try:
        import tifffile
        from bioimageio.spec import save_bioimageio_package
    except ImportError:
        raise InputError('A bioimage.io package needs bioimageio.spec: pip install "unetpipe[zoo]".') from None
    path = Path(path)
    if path.suffix != ".zip":
        raise InputError(f"A package is a ZIP file; name one that ends in .zip, not {path}.")
    predictor = Predictor.load(bundle, model, device=torch.device("cpu"))
    network = predictor.network
    if type(network) is not UNet or predictor.normalization != NORMALIZATION:
        raise InputError(
            f"A bioimage.io package can only hold a {UNet.__name__} with {NORMALIZATION}; {bundle} has "
            f"{type(network).__name__} and {predictor.normalization}."
        )
    image = sample_image(network, sample)
    normalized = predictor.normalize({"image": torch.tensor(image[0])})["image"]  # in place, so of a copy
    result = probabilities(network, torch.as_tensor(np.asarray(normalized))[None])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, array in (("input", image), ("output", result)):
            np.save(folder / f"test_{name}.npy", array)
            tifffile.imwrite(folder / f"sample_{name}.tif", array)
        picture(image, result, network.margin).save(folder / "cover.png")
        torch.jit.script(network).save(str(folder / "weights.pt"))
        _write_documents(folder, Path(bundle), model, predictor, network, sample)
        description = _describe(folder, Path(bundle), model, network)
        with replacing(path) as unfinished:
            save_bioimageio_package(description, output_path=unfinished)


def _describe(folder: Path, bundle: Path, model: str | None, network: UNet) -> Any:
    """Return the ``ModelDescr`` for the files in ``folder``."""
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    metadata = read_config(bundle / "configs" / "metadata.json")
    names = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    classes = [names.get(str(number), f"class{number}") for number in range(network.out_channels)]
    channels = ["image"] if network.in_channels == 1 else [f"image{number}" for number in range(network.in_channels)]
    # no scale: the library computes the size of an output as size·scale/scale, rounded down; 204·0.65/0.65 gives 203
    sizes = v0_5.ParameterizedSize(min=network.smallest_size, step=network.step)
    inputs = v0_5.InputTensorDescr(
        id=v0_5.TensorId("image"),
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=[v0_5.Identifier(name) for name in channels]),
            *(v0_5.SpaceInputAxis(id=v0_5.AxisId(axis), size=sizes) for axis in "yx"),
        ],
        test_tensor=FileDescr(source=folder / "test_input.npy"),
        sample_tensor=FileDescr(source=folder / "sample_input.tif"),
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=[
            v0_5.ZeroMeanUnitVarianceDescr(
                kwargs=v0_5.ZeroMeanUnitVarianceKwargs(axes=[v0_5.AxisId("y"), v0_5.AxisId("x")])
            )
        ],
    )
    outputs = v0_5.OutputTensorDescr(
        id=v0_5.TensorId("probability"),
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=[v0_5.Identifier(name) for name in classes]),
            *(
                v0_5.SpaceOutputAxis(
                    id=v0_5.AxisId(axis),
                    size=v0_5.SizeReference(
                        tensor_id=v0_5.TensorId("image"), axis_id=v0_5.AxisId(axis), offset=-2 * network.margin
                    ),
                )
                for axis in "yx"
            ),
        ],
        test_tensor=FileDescr(source=folder / "test_output.npy"),
        sample_tensor=FileDescr(source=folder / "sample_output.tif"),
        data=v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
        postprocessing=[v0_5.SoftmaxDescr(kwargs=v0_5.SoftmaxKwargs(axis=v0_5.AxisId("channel")))],
    )
    return v0_5.ModelDescr(
        name=_name(model),
        description=metadata["description"],
        authors=[v0_5.Author(name=metadata["authors"])],
        cite=[
            v0_5.CiteEntry(text=text, doi=v0_5.Doi(doi) if (doi := _doi(text)) else None)
            for text in metadata["references"]
        ],
        license=v0_5.LicenseId("Apache-2.0"),
        version=v0_5.Version(metadata["version"]),
        tags=["2d", "pytorch", "unet", "cells", "instance-segmentation", "semantic-segmentation", "microscopy"],
        covers=[FileDescr(source=folder / "cover.png")],
        documentation=FileDescr(source=folder / "README.md"),
        attachments=[
            FileDescr(source=file)
            for file in sorted(folder.iterdir())
            if file.suffix in (".json", ".txt", ".md") and file.name != "README.md"
        ],
        inputs=[inputs],
        outputs=[outputs],
        weights=v0_5.WeightsDescr(
            torchscript=v0_5.TorchscriptWeightsDescr(
                source=folder / "weights.pt", pytorch_version=v0_5.Version(torch.__version__.partition("+")[0])
            )
        ),
    )


def _write_documents(
    folder: Path,
    bundle: Path,
    model: str | None,
    predictor: Predictor,
    network: UNet,
    sample: str | os.PathLike | None,
) -> None:
    """Write README.md, the settings for cells from probabilities, the licence, and the terms of the data."""
    for name in ATTACHED:
        if (bundle / name).is_file():
            shutil.copyfile(bundle / name, folder / Path(name).with_suffix(".txt").name)
    scores = bundle / "models" / "README.md"
    if model is not None and scores.is_file():
        shutil.copyfile(scores, folder / "models.md")
    settings = {**asdict(predictor.settings), "pixel_size": predictor.pixel_size}
    (folder / "inference.json").write_text(json.dumps(settings, indent=4) + "\n", encoding="utf-8")
    metadata = read_config(bundle / "configs" / "metadata.json")
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = pages.get_template("documentation.md").render(
        **settings,
        marker_levels=predictor.settings.marker_levels,
        name=_name(model),
        description=metadata["task"],
        channels=network.in_channels,
        smallest=network.smallest_size,
        step=network.step,
        margin=network.margin,
        has_scores=(folder / "models.md").is_file(),
        sample="synthetic touching cells" if sample is None else Path(sample).name,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _name(model: str | None) -> str:
    return "U-Net for touching cells" + ("" if model is None else f" ({model})")


def _doi(reference: str) -> str | None:
    """Return the DOI of the arXiv preprint in a reference; None if there is none."""
    _, found, number = reference.rpartition("arXiv:")
    return f"10.48550/arXiv.{number}" if found else None


LARGEST_SIDE = 572  # px; every test of the package computes the whole image


def sample_image(network: UNet, path: str | os.PathLike | None = None) -> np.ndarray:
    """Return an image of a size that the network accepts.

    Parameters
    ----------
    network : UNet
        It states channels and valid sizes.
    path : path, optional
        An image, of which the centre is cut out. By default synthetic touching cells, which are free to share.

    Returns
    -------
    ndarray
        (1, C, H, W), float32, grey values as in the file. H and W differ if the size of the image permits.

    Raises
    ------
    InputError
        If the image cannot be read, has another number of channels, or is too small.
    """
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            shape = (network.input_size(64), network.input_size(112))
            write_synthetic_ctc(folder, sequences=1, frames=1, shape=shape)
            image = np.repeat(read_image(Path(folder) / "01" / "t000.tif"), network.in_channels, axis=0)
    else:
        image = read_image(path)
        if image.shape[0] != network.in_channels:
            raise InputError(f"{path} has {image.shape[0]} channel(s), the network takes {network.in_channels}.")
    for axis in (1, 2):
        sizes = network.valid_sizes(min(image.shape[axis], LARGEST_SIDE))
        if not sizes:
            side = network.smallest_size
            raise InputError(f"{path} is {image.shape[1]}×{image.shape[2]} pixels; the network takes {side} or more.")
        first = (image.shape[axis] - sizes[-1]) // 2
        image = image.take(range(first, first + sizes[-1]), axis=axis)
    return image[None].astype(np.float32)


def probabilities(network: UNet, normalized: torch.Tensor) -> np.ndarray:
    """Return the class probabilities (1, K, H − 2·margin, W − 2·margin), float32, of a normalised image."""
    with torch.no_grad():
        return torch.softmax(network(normalized).float(), dim=1).numpy()


def picture(image: np.ndarray, probability: np.ndarray, margin: int) -> Image.Image:
    """Draw the valid region of the image and, to its right, the probability of "cell", both as squares.

    Parameters
    ----------
    image : ndarray
        (1, C, H, W); the first channel is shown.
    probability : ndarray
        (1, K, H − 2·margin, W − 2·margin), 0 … 1; class 0 is background.
    margin : int
        Pixels that the network loses on either side.
    """
    height, width = probability.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    grey = image[0, 0, margin + top : margin + top + side, margin + left : margin + left + side]
    span = max(float(np.ptp(grey)), 1e-6)
    cell = 1 - probability[0, 0, top : top + side, left : left + side]
    both = np.concatenate([(grey - grey.min()) / span, cell], axis=1)
    shown = Image.fromarray((255 * both.clip(0, 1)).round().astype(np.uint8))
    factor = max(1, round(256 / side))
    return shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)
