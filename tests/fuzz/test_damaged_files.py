"""Damaged files of every format that is read: an InputError or a result, never another exception, a hang or gigabytes.

``UNETPIPE_FUZZ`` is the number of mutations a format; ``tox -e fuzz`` takes 2,000. The seed is fixed.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from make_trained_bundle import FOLDER

from unetpipe.bundle.writing import read_config
from unetpipe.datasets.download.unpack import unpack
from unetpipe.errors import InputError
from unetpipe.io.images import count_pages, image_size, read_image, read_labels, write_label_pages
from unetpipe.io.track_tables import read_tracks
from unetpipe.networks import read_weights
from unetpipe.predictor import Predictor
from unetpipe.training.checkpoints import read_checkpoint

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]

COUNT, SEED = int(os.environ.get("UNETPIPE_FUZZ", "50")), 0
SECONDS = 10  # for one file; what takes longer hangs
ROOM = 2**30  # bytes of address space that reading may add; it is small, so an absurd header would need more
PAGES = np.random.default_rng(0).integers(0, 30000, (3, 16, 20)).astype(np.uint16)


def write_nifti(path: Path) -> None:
    nibabel.Nifti1Image(PAGES.astype(np.int16), np.eye(4)).to_filename(path)


def write_idx(path: Path) -> None:
    content = np.array([0x803, *PAGES.shape], ">i4").tobytes() + PAGES.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01/t000.tif", PAGES.tobytes())
        archive.writestr("01_GT/man_track.txt", "1 0 2 0\n")


def write_itk(path: Path) -> None:
    import itk

    pages = PAGES[0] if path.suffix == ".dcm" else PAGES
    itk.imwrite(itk.image_from_array(pages), str(path), compression=path.stem == "packed")


def write_tiff(path: Path) -> None:
    """Write what other programs write: tiles, compression, BigTIFF, OME and ImageJ metadata, colour maps."""
    kinds: dict[str, dict[str, Any]] = {
        "tiles": {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"},
        "lzw": {"compression": "lzw", "predictor": True, "photometric": "minisblack", "rowsperstrip": 5},
        "big": {"bigtiff": True, "photometric": "minisblack", "byteorder": ">"},
        "a.ome": {"ome": True, "photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    }
    tifffile.imwrite(path, PAGES, **kinds[path.stem])


def read_pages(path: Path) -> None:
    image_size(path)
    for page in range(min(count_pages(path), 5)):
        read_image(path, page)
        read_labels(path, page)


def read_bundle(path: Path) -> None:
    """Use a damaged ``inference.json``, as data: what it names would otherwise run."""
    shutil.copytree(FOLDER / "models", path.parent / "models", dirs_exist_ok=True)
    (path.parent / "configs").mkdir(exist_ok=True)
    shutil.copyfile(path, path.parent / "configs" / "inference.json")
    predictor = Predictor.load(path.parent, safe=True)
    _ = predictor.settings, predictor.rotations, predictor.pixel_size, predictor.weights


FORMATS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "a.tif": (lambda path: write_label_pages(path, list(PAGES)), read_pages),
    **{f"{name}.tif": (write_tiff, read_pages) for name in ("tiles", "lzw", "big", "a.ome", "imagej")},
    **{name: (write_itk, read_pages) for name in ("a.mha", "packed.mha", "a.nrrd", "packed.nrrd", "a.mrc", "a.dcm")},
    "a.png": (lambda path: write_label_pages(path, [PAGES[0]]), read_pages),
    "a.nii": (write_nifti, read_pages),
    "a.nii.gz": (write_nifti, read_pages),
    "a.npy": (lambda path: np.save(path, PAGES), read_pages),
    "t-images-idx3-ubyte": (write_idx, read_pages),
    "t-images-idx3-ubyte.gz": (write_idx, read_pages),
    "res_track.txt": (lambda path: path.write_text("1 0 2 0\n2 3 5 1\n3 3 9 1\n"), read_tracks),
    "metadata.json": (lambda path: shutil.copyfile(FOLDER / "configs" / "metadata.json", path), read_config),
    "inference.json": (lambda path: shutil.copyfile(FOLDER / "configs" / "inference.json", path), read_bundle),
    "model.pt": (lambda path: shutil.copyfile(FOLDER / "models" / "model.pt", path), read_weights),
    "last.pt": (lambda path: shutil.copyfile(FOLDER / "checkpoints" / "last.pt", path), read_checkpoint),
    "set.zip": (write_zip, lambda path: unpack(path, path.parent / "unpacked")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    write, read = FORMATS[name]
    path, chance = tmp_path / name, random.Random(SEED)
    write(path)
    whole = path.read_bytes()
    read(path)
    with bounded():
        for number in range(COUNT):
            path.write_bytes(mutated(whole, chance))
            attempt(read, path, number)
            shutil.rmtree(tmp_path / "unpacked", ignore_errors=True)


@pytest.mark.parametrize("part", ["zarr.json", "0/zarr.json"])
def test_damaged_metadata_of_ome_zarr_are_read_or_refused(part: str, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    from large_images import write_ome_zarr

    from unetpipe.large.images import OmeZarrImage

    def read(path: Path) -> None:
        image = OmeZarrImage(path)
        if image.size == (16, 20):
            image.read_mirrored(0, 0, 0, 16, 20)

    image, chance = write_ome_zarr(tmp_path / "a.zarr", PAGES[0], "yx", "0.5"), random.Random(SEED)
    whole = (image / part).read_bytes()
    with bounded():
        for number in range(COUNT):
            (image / part).write_bytes(mutated(whole, chance))
            attempt(read, image, number)


def attempt(read: Callable[[Path], Any], path: Path, number: int) -> None:
    begin = time.monotonic()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            read(path)
    except InputError:
        pass
    except Exception as error:
        raise AssertionError(f"mutation {number} of {path.name}, seed {SEED}: {error!r}") from error
    assert time.monotonic() - begin < SECONDS, f"mutation {number} of {path.name}, seed {SEED} takes too long"


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Cut, flip, overwrite, repeat or insert; half of the time in the first bytes, where headers are."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(min(len(data), 400) if chance.random() < 0.5 else len(data)) if data else 0
        length = chance.choice((1, 2, 4, 8, 40))
        match chance.randrange(6):
            case 0:
                del data[place:]
            case 1 if data:
                data[place] ^= 1 << chance.randrange(8)
            case 2:
                data[place : place + length] = chance.choice((b"\xff", b"\x00", b"\x7f", b"9")) * length
            case 3:
                data[place : place + length] = chance.randbytes(length)
            case 4:
                data[place:place] = data[place : place + length]
            case _:
                del data[place : place + length]
    return bytes(data)


@contextmanager
def bounded() -> Iterator[None]:
    """Let the block take little more memory than there is."""
    if resource is None:
        yield
        return
    old = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


def test_mutations_are_the_same_every_time() -> None:
    text = json.dumps(list(range(99))).encode()
    assert mutated(text, random.Random(SEED)) == mutated(text, random.Random(SEED)) != text
