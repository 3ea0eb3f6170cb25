"""A ZIP archive unpacked so that nothing lands outside its folder, and nothing half-unpacked stays."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from unetpipe.errors import InputError
from unetpipe.files import first_line

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ZIP archive as ``folder``; a single folder at its top becomes this folder.

    Raises
    ------
    InputError
        If the archive is damaged or incomplete, a member would lie outside the folder or is a link, it would not fit
        on the disk, or the folder exists. Nothing is left behind.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already; remove it, or name another --output.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            for member in members:
                _check(member, archive)
            size, free = sum(member.file_size for member in members), shutil.disk_usage(temporary).free
            if size > free:
                raise InputError(f"{archive.name} holds {size} bytes, and {folder.parent} has {free} free.")
            opened.extractall(temporary)
        inside = list(temporary.iterdir())
        source = inside[0] if len(inside) == 1 and inside[0].is_dir() else temporary
        source.chmod(0o755)
        os.replace(source, folder)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{archive.name} is not a complete ZIP archive ({first_line(error)}); it is removed."
        ) from error
    except OSError as error:
        raise InputError(f"{archive.name} cannot be unpacked to {folder} ({first_line(error)}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse a member outside the folder, which ``extractall`` would put elsewhere without an error."""
    name = member.filename
    paths = PurePosixPath(name), PureWindowsPath(name)
    outside = any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{archive.name} holds the path {name!r}, which leads out of its folder; it is not unpacked.")
