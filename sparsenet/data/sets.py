"""The sets that phases are parts of: held in memory, or as a list of files to be read each time."""

from __future__ import annotations

import warnings
from math import prod

import torch

from sparsenet.data.database import database
from sparsenet.data.decoded import decoded_set
from sparsenet.data.folders import Classes, list_images
from sparsenet.data.listed import ListedSet, listed_files
from sparsenet.data.options import DataOptions
from sparsenet.data.raw import RawSet
from sparsenet.data.records import Records, read_records
from sparsenet.data.room import free_memory
from sparsenet.data.sources import IMAGE_FOLDER, LMDB, SOURCES, load_source
from sparsenet.data.stream import Warn
from sparsenet.data.watch import Watch, unwatched

_NAMED = 5
"""Bad images that are named; of others only the number is told."""


class Sets:
    """Reads or lists each set once, and decides which image folders are held in memory.

    `watch` is shown long work, `warn` what was left out. `processes` train together on this
    machine and share its memory; what is held is to be on `device`; the `leading` one tells what
    all of them find in a set. `classes` are those of image folders that the net was trained on;
    left out: those of the first one.
    """

    def __init__(
        self,
        watch: Watch = unwatched,
        warn: Warn = warnings.warn,
        processes: int = 1,
        classes: tuple[str, ...] | None = None,
        device: torch.device | str = "cpu",
        leading: bool = True,
    ) -> None:
        self.watch, self.warn, self._leading = watch, warn, leading
        self.classes = None if classes is None else Classes(classes, "the training")
        self.bad: set[str] = set()
        """Files that were told of because no image could be read from them."""
        self._room: int | None = None
        self._processes, self._device = processes, device
        self._opened: dict[tuple[object, ...], RawSet | ListedSet] = {}

    def get(self, layer: DataOptions, train: bool) -> RawSet | ListedSet:
        """The training or the test part of a layer's source. Raises DataError."""
        key: tuple[object, ...] = (layer.source, layer.path, train or layer.source == LMDB)
        if layer.source not in SOURCES:
            # What else decides how large the images of a folder at least are.
            crop = layer.transform.crop_size if layer.source == IMAGE_FOLDER else None
            size = layer.transform.resize or crop
            key = (*key, layer.shape, size, layer.is_color, layer.order)
            key = (*key, layer.memory, layer.on_bad_image)
        if key not in self._opened:
            self._opened[key] = self._open(layer, train)
        return self._opened[key]

    def _open(self, layer: DataOptions, train: bool) -> RawSet | ListedSet:
        if layer.source == IMAGE_FOLDER:
            return self._open_folder(layer, train)
        if layer.source == LMDB:
            return self._open_lmdb(layer)
        return load_source(layer.source, layer.path, train, layer.download)

    def _open_lmdb(self, layer: DataOptions) -> RawSet | ListedSet:
        """All records of an LMDB, which is one part alone."""
        assert layer.shape is not None, "a Data layer of an LMDB has one"
        records = Records(database(layer.path), layer.shape, layer.transform, layer.order)
        held = self._held(layer, len(records.database) * prod(records.resized_shape))
        return read_records(_name(layer), records, held, self.watch)

    def _open_folder(self, layer: DataOptions, train: bool) -> RawSet | ListedSet:
        files = list_images(layer.path, train, self.classes)
        self.classes = self.classes or Classes(files.classes, str(layer.path / "train"))
        name = _name(layer)
        size, order = layer.transform.exact_size, layer.order
        channels = 3 if layer.is_color else 1
        if size is None or not self._held(layer, len(files.paths) * channels * prod(size)):
            return listed_files(name, files, layer.transform, layer.is_color, order)
        asked = (files, layer.is_color, size, layer.on_bad_image, self.watch, order)
        decoded = decoded_set(*asked)
        if decoded.uncached:
            self._tell(decoded.uncached)
        if not decoded.bad:
            return RawSet(name, decoded.images, files.labels, len(files.classes))
        bad = [str(files.paths[place]) for place in decoded.bad]
        more = [f"{len(bad) - _NAMED} more"] if len(bad) > _NAMED else []
        said = f"{len(bad)} bad image{'s' * (len(bad) > 1)}"
        self._tell(f"{name}: skipped {said}: {', '.join([*bad[:_NAMED], *more])}")
        is_bad = torch.zeros(len(files.paths), dtype=torch.bool)
        is_bad[list(decoded.bad)] = True
        return RawSet(name, decoded.images, files.labels, len(files.classes), is_bad)

    def _tell(self, text: str) -> None:
        if self._leading:
            self.warn(text)

    def _held(self, layer: DataOptions, size: int) -> bool:
        """Whether so many bytes are to be in memory: by the key, or where the free one has room.

        The room is half of what was free at first, for the images of all sets together.
        """
        if self._room is None:
            self._room = free_memory(self._device) // 2 // self._processes
        held = layer.memory == "yes" or (layer.memory == "auto" and size <= self._room)
        self._room -= size if held else 0
        return held


def _name(layer: DataOptions) -> str:
    return f"{layer.source} {layer.path}"
