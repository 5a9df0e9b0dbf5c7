"""The sets that phases are parts of: held in memory, or as a list of files to be read each time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from sparsenet.data.decoded import decoded_set
from sparsenet.data.folders import Classes, ImageFiles, list_images
from sparsenet.data.options import DataOptions
from sparsenet.data.raw import RawSet
from sparsenet.data.room import free_memory
from sparsenet.data.sources import IMAGE_FOLDER, load_source
from sparsenet.data.stream import Warn
from sparsenet.data.watch import Watch, unwatched

_NAMED = 5
"""Bad images that are named; of others only the number is told."""


@dataclass(frozen=True)
class FileSet:
    """The training or the test part of an image folder, in the order of its files."""

    name: str
    files: ImageFiles

    @property
    def labels(self) -> Tensor:
        """As in RawSet."""
        return self.files.labels

    def __len__(self) -> int:
        return len(self.files.paths)

    def taken(self, chosen: Tensor) -> FileSet:
        """The samples chosen, in that order."""
        paths = tuple(self.files.paths[sample] for sample in chosen.tolist())
        return FileSet(self.name, ImageFiles(paths, self.labels[chosen], self.files.classes))


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
        self._opened: dict[tuple[object, ...], RawSet | FileSet] = {}

    def get(self, layer: DataOptions, train: bool) -> RawSet | FileSet:
        """The training or the test part of a layer's source. Raises DataError."""
        key: tuple[object, ...] = (layer.source, layer.path, train)
        if layer.source == IMAGE_FOLDER:
            size = layer.transform.exact_size
            key = (*key, layer.is_color, size, layer.memory, layer.on_bad_image)
        if key not in self._opened:
            self._opened[key] = self._open(layer, train)
        return self._opened[key]

    def _open(self, layer: DataOptions, train: bool) -> RawSet | FileSet:
        if layer.source != IMAGE_FOLDER:
            return load_source(layer.source, layer.path, train, layer.download)
        files = list_images(layer.path, train, self.classes)
        self.classes = self.classes or Classes(files.classes, str(layer.path / "train"))
        name = _name(layer.path)
        size = layer.transform.exact_size
        if size is None or not self._held(layer, len(files.paths) * prod(size)):
            return FileSet(name, files)
        decoded = decoded_set(files, layer.is_color, size, layer.on_bad_image, self.watch)
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

    def _held(self, layer: DataOptions, pixels: int) -> bool:
        """Whether a set is to be in memory: by its key, or where the free memory has room.

        The room is half of what was free at first, for the images of all sets together.
        """
        size = pixels * (3 if layer.is_color else 1)
        if self._room is None:
            self._room = free_memory(self._device) // 2 // self._processes
        held = layer.memory == "yes" or (layer.memory == "auto" and size <= self._room)
        self._room -= size if held else 0
        return held


def _name(folder: Path) -> str:
    return f"{IMAGE_FOLDER} {folder}"
