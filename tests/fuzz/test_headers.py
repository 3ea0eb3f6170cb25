"""Headers that claim gigabytes in files of a few bytes: one sentence, or a result, and hardly any memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

MOST = 300  # MB above a run that reads nothing
SIDE = 60_000  # px; an image of that side takes 7 GB


def tiff(path: Path, compression: int = 1, held: int = 64, claimed: int = 64, tile: bool = False) -> None:
    """Write a little-endian TIFF of one strip or tile; the last tag is the number of its bytes."""
    part = {322: SIDE, 323: SIDE, 324: 8, 325: claimed} if tile else {273: 8, 278: SIDE, 279: claimed}
    tags = {256: SIDE, 257: SIDE, 258: 16, 259: compression, 262: 1, 277: 1, **part}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    content = zlib.compress(bytes(held)) if compression == 8 else bytes(held)
    start = 8 + len(content)
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, start) + content + struct.pack("<H", len(tags)) + directory + bytes(4)
    )


def png(path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def nifti(path: Path) -> None:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_shape((SIDE // 4, SIDE // 4, 100))
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = header.binaryblock + bytes(68)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def npy(path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<u2", "fortran_order": False, "shape": (50, SIDE, SIDE)})
    path.write_bytes(head.getvalue() + bytes(64))


def idx(path: Path) -> None:
    content = struct.pack(">4i", 0x803, 2**31 - 1, 2**31 - 1, 2**31 - 1) + bytes(64)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def meta_image(path: Path) -> None:
    packed = "CompressedData = True\nCompressedDataSize = 64\n" if path.stem == "packed" else ""
    head = (
        f"ObjectType = Image\nNDims = 2\nBinaryData = True\n{packed}DimSize = {SIDE} {SIDE}\nElementType = MET_USHORT\n"
    )
    path.write_bytes(f"{head}ElementDataFile = LOCAL\n".encode() + zlib.compress(bytes(2**16)))


def detached(path: Path) -> None:
    path.with_suffix(".raw").write_bytes(bytes(64))
    if path.suffix == ".mhd":
        head = f"ObjectType = Image\nNDims = 2\nDimSize = {SIDE} {SIDE}\nElementType = MET_USHORT\n"
        path.write_text(f"{head}ElementDataFile = a.raw\n")
    else:
        head = f"NRRD0004\ntype: uint16\ndimension: 2\nsizes: {SIDE} {SIDE}\nendian: little\nencoding: raw\n"
        path.write_text(f"{head}data file: a.raw\n")


def nrrd(path: Path) -> None:
    kind = "gzip" if path.stem == "packed" else "raw"
    head = f"NRRD0004\ntype: uint16\ndimension: 2\nsizes: {SIDE} {SIDE}\nendian: little\nencoding: {kind}\n\n"
    path.write_bytes(head.encode() + gzip.compress(bytes(2**16)))


def mrc(path: Path) -> None:
    import itk

    itk.imwrite(itk.image_from_array(np.zeros((3, 40, 50), np.uint16)), str(path))
    path.write_bytes(struct.pack("<2i", SIDE, SIDE) + path.read_bytes()[8:])


def dicom(path: Path) -> None:
    import itk

    itk.imwrite(itk.image_from_array(np.zeros((40, 50), np.uint16)), str(path))
    content = path.read_bytes()
    for number in (b"\x10", b"\x11"):  # rows and columns, group 0028; the value is after eight bytes
        place = content.index(b"\x28\x00" + number + b"\x00") + 8
        content = content[:place] + struct.pack("<H", SIDE) + content[place + 2 :]
    path.write_bytes(content)


def ome_zarr(path: Path) -> None:
    from large_images import write_ome_zarr

    write_ome_zarr(path, np.zeros((16, 20), np.uint16), "yx", "0.5")
    metadata = json.loads((path / "0" / "zarr.json").read_text())
    metadata["shape"] = metadata["chunk_grid"]["configuration"]["chunk_shape"] = [SIDE, SIDE]
    (path / "0" / "zarr.json").write_text(json.dumps(metadata))


def weights(path: Path) -> None:
    import torch

    plain = io.BytesIO()
    torch.save({"a": torch.zeros(10**8)}, plain)  # 400 MB
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))


def read_pages(path: Path) -> None:
    from unetpipe.io.images import count_pages, image_size, read_image

    image_size(path)
    read_image(path, count_pages(path) - 1)


def read_zarr(path: Path) -> None:
    from unetpipe.large.images import OmeZarrImage

    OmeZarrImage(path).read_mirrored(0, 0, 0, 16, 20)


def read_weights(path: Path) -> None:
    from unetpipe.networks import read_weights

    read_weights(path)


def read_tracks(path: Path) -> None:
    from unetpipe.io.track_tables import read_tracks

    read_tracks(path)


CRAFTED: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "strip.tif": (tiff, read_pages),
    "claims.tif": (lambda path: tiff(path, claimed=2**32 - 1), read_pages),
    "packed.tif": (lambda path: tiff(path, compression=8), read_pages),
    "tile.tif": (lambda path: tiff(path, compression=8, tile=True), read_pages),
    "a.png": (png, read_pages),
    "a.nii": (nifti, read_pages),
    "a.nii.gz": (nifti, read_pages),
    "a.npy": (npy, read_pages),
    "t-images-idx3-ubyte": (idx, read_pages),
    "t-images-idx3-ubyte.gz": (idx, read_pages),
    "a.mha": (meta_image, read_pages),
    "packed.mha": (meta_image, read_pages),
    "a.mhd": (detached, read_pages),
    "a.nhdr": (detached, read_pages),
    "a.nrrd": (nrrd, read_pages),
    "packed.nrrd": (nrrd, read_pages),
    "a.mrc": (mrc, read_pages),
    "a.dcm": (dicom, read_pages),
    "a.zarr": (ome_zarr, read_zarr),
    "model.pt": (weights, read_weights),
    "res_track.txt": (lambda path: path.write_text("1 0 99999999999999 0\n"), read_tracks),
}


def megabytes(read: Callable[[Path], Any], path: Path) -> tuple[float, str]:
    """Return by how many MB the peak of a forked process rises while it reads, and how that ended."""
    from unetpipe.errors import InputError

    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            read(path)
            end = "read"
        except InputError as error:
            end = f"InputError: {error}"
        except BaseException as error:
            end = repr(error)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(send, json.dumps([(after - before) / 1024, end]).encode())
        os._exit(0)
    os.close(send)
    os.waitpid(process, 0)
    with os.fdopen(receive) as answer:
        return tuple(json.loads(answer.read() or '[0, "it crashed"]'))  # type: ignore[return-value]


def test_a_header_takes_hardly_any_memory(tmp_path: Path) -> None:
    paths = [Path(__file__).parents[1], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run([sys.executable, __file__, tmp_path], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == CRAFTED.keys()
    assert {name: end for name, (_, end) in found.items() if not end.startswith(("read", "InputError"))} == {}
    assert {name: more for name, (more, _) in found.items() if more > MOST} == {}


def main(folder: Path) -> None:
    """Print what each reader took."""
    from unetpipe.io.images import read_labels, write_label_pages

    write_label_pages(folder / "warm.tif", [np.zeros((8, 8), np.int32)])
    read_labels(folder / "warm.tif")
    for name in ("itk", "nibabel", "torch", "unetpipe.io.track_tables", "unetpipe.large.images", "unetpipe.networks"):
        import_module(name)
    import_module("itk").ImageIOFactory  # noqa: B018  # loads its parts
    for name, (write, _) in CRAFTED.items():
        write(folder / name)
    print(json.dumps({name: megabytes(read, folder / name) for name, (_, read) in CRAFTED.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
