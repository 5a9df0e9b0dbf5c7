"""Writing files so that a crash at any moment leaves the old file or the new one, whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sparsenet.errors import SparsenetError


class FileError(SparsenetError):
    """A file or folder cannot be written or read."""


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; when the block ends well, sync it and rename it there.

    Raises FileError (full disk, no permission) and then leaves `path` as it was.
    """
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(handle, mode, encoding=encoding) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
        part = None
        _sync_folder(path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a text file whole, in UTF-8. Raises FileError."""
    with replacing(path, "w") as stream:
        stream.write(text)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files of these names into a folder, in UTF-8, as `write_files`."""
    write_files(folder, {file: text.encode("utf-8") for file, text in texts.items()})


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of these names into a folder: a new one appears whole or not at all.

    In one that is there the files are put in place once all are written. Raises FileError.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        is_new = not folder.is_dir()
        place = folder.parent if is_new else folder
        with tempfile.TemporaryDirectory(".part", f".{folder.name}.", place) as name:
            part = Path(name) / "new"
            part.mkdir()
            for file, content in contents.items():
                with replacing(part / file) as stream:
                    stream.write(content)
            if is_new:
                part.rename(folder)
            for file in () if is_new else contents:
                (part / file).replace(folder / file)
            _sync_folder(place)
    except (OSError, FileError) as error:
        cause = error.__cause__ if isinstance(error, FileError) else error
        words = getattr(cause, "strerror", None) or cause
        raise FileError(f"{folder}: cannot be written: {words}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
