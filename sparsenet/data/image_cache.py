"""Decoded images on disk, one file a set, which may be deleted at any time.

A file holds three arrays, each as numpy.save writes it: the images, uint8 (images, channels,
height, width); the places of those that could not be decoded, int64; and the CRC-32 of both.
"""

from __future__ import annotations

import fcntl
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsenet.data.watch import Watch
from sparsenet.files import FileError, replacing


def load(path: Path, samples: int, shape: tuple[int, int, int]) -> tuple[Tensor, list[int]] | None:
    """The images of a file, `samples` of them, and the places of those that are bad.

    The images are mapped, so that processes share their memory and a deletion does no harm; what is
    written to them stays in this process. None where the file is absent, damaged, or of others.
    """
    try:
        images = np.lib.format.open_memmap(path, mode="c")
        with path.open("rb") as stream:
            stream.seek(images.offset + images.nbytes)
            bad, checksum = (np.load(stream, allow_pickle=False) for _ in range(2))
            whole = not stream.read(1)
    except Exception:  # a damaged header can lead to any
        return None
    if not whole or images.dtype != np.uint8 or images.shape != (samples, *shape):
        return None
    if bad.dtype != np.int64 or checksum != _checksum(images, bad):
        return None
    return torch.from_numpy(images), bad.tolist()


def store(path: Path, images: Tensor, bad: Sequence[int]) -> None:
    """Write a file, whole or not at all. Raises FileError."""
    pixels, places = images.numpy(), np.array(bad, dtype=np.int64)
    with replacing(path) as stream:
        for array in (pixels, places, np.array(_checksum(pixels, places))):
            # Not numpy.save, which does not tell that a disk is full.
            header = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(stream, header)
            stream.write(array.data)


@contextmanager
def alone(path: Path, watch: Watch) -> Iterator[None]:
    """Make the folder of a file, and wait until no other process writes it. Raises FileError.

    The files whose names begin alike share a lock, so that of hexadecimal names there are sixteen:
    a lock of each file's own could never be deleted, as another process might have it open.
    """
    folder, first = path.parent, path.name[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / f"lock-{first}").open("wb")
    except OSError as error:
        raise FileError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with stream:
        if _lock(stream, watch):
            for left_by_the_killed in folder.glob(f".{first}*.part"):
                left_by_the_killed.unlink(missing_ok=True)
        yield


def _lock(stream: BinaryIO, watch: Watch) -> bool:
    """Lock a file until it is closed; False where the file system knows no locks."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with watch("Waiting for another process that decodes images", 0):
            fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError:  # both may decode then, and the file of either is right
        return False
    return True


def _checksum(images: NDArray[np.uint8], bad: NDArray[np.int64]) -> int:
    return zlib.crc32(bad.tobytes(), zlib.crc32(images.data))
