"""The blobs of a snapshot that Caffe wrote as HDF5: `data/LAYER/NUMBER`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsenet.caffe.messages import extra
from sparsenet.caffe.wire import CaffeError

_SOLVERSTATE = {"iter", "history"}


def hdf5_blobs(path: Path) -> list[tuple[str, tuple[Tensor, ...]]]:
    """The blobs by the names of their layers, float32, in the order of the file (by name).

    A `/` in a layer's name makes groups within groups of it. No file that this one refers to is
    opened. Raises CaffeError, without naming the file; ConfigError without the extra.
    """
    h5py = extra("h5py")
    found: dict[str, dict[int, Tensor]] = {}
    room = path.stat().st_size

    def take(name: str, item: Any) -> None:
        nonlocal room
        layer, _, number = name.rpartition("/")
        if isinstance(item, h5py.Dataset) and layer:
            room -= item.nbytes
            found.setdefault(layer, {})[_number(number, name)] = _blob(item, name, room)

    try:
        with h5py.File(path, "r") as file:
            if file.keys() >= _SOLVERSTATE:
                raise CaffeError("not a file of weights of Caffe's, but a solverstate")
            is_here = isinstance(file.get("data", getlink=True), h5py.HardLink)
            if not is_here or not isinstance(file["data"], h5py.Group):
                raise CaffeError("without the group 'data' of an HDF5 file of Caffe's")
            file["data"].visititems(take)  # follows no link to elsewhere
    except CaffeError:
        raise
    except Exception as error:  # h5py leaves odd files to whatever they lead to
        words = next(iter(str(error).splitlines()), type(error).__name__)
        raise CaffeError(f"not a whole HDF5 file: {words}") from None
    return [(layer, _in_order(layer, blobs)) for layer, blobs in found.items()]


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 2:
        raise CaffeError(f"data/{name} is no blob: its name is no number")
    return int(text)


def _blob(dataset: Any, name: str, room: int) -> Tensor:
    """The values of a dataset of this file alone, where they fit the `room` there is."""
    here = dataset.dtype.newbyteorder("=")
    if here not in (np.float32, np.float64):
        raise CaffeError(f"data/{name} is of type {dataset.dtype}, not float")
    if dataset.external is not None or dataset.is_virtual:
        raise CaffeError(f"data/{name} lies in another file")
    if room < 0:
        raise CaffeError("refused, it says it is larger than its file")
    if not dataset.size:
        raise CaffeError(f"data/{name} holds no values")
    return torch.from_numpy(np.asarray(dataset[()]).astype(here)).float()


def _in_order(layer: str, blobs: dict[int, Tensor]) -> tuple[Tensor, ...]:
    if sorted(blobs) != list(range(len(blobs))):
        raise CaffeError(f"of {layer} there are blobs {sorted(blobs)}, not from 0 on")
    return tuple(blobs[number] for number in range(len(blobs)))
