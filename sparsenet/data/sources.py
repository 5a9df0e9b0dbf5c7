"""The data sources by name: what is known of each before it is read, and reading it.

A new source is a function that returns a part's images and labels, and its line in SOURCES.
ImageFolder and lmdb, of which nothing is known beforehand, are opened in `sets.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sparsenet.data.digits import TEST_SAMPLES, read_digits
from sparsenet.data.locations import cache_folder
from sparsenet.data.published import FOLDERS, read_published
from sparsenet.data.raw import DataError, RawSet
from sparsenet.errors import ConfigError, Problem, listed, nearest

ReadPart = Callable[[Path, bool, bool], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Source:
    """One data set: `shape` (channels, height, width) of an image, and how many there are.

    `read(root, train, download)` returns a part's images and labels as in RawSet.
    """

    shape: tuple[int, int, int]
    classes: int
    train: int
    test: int
    read: ReadPart


def _digits(_root: Path, train: bool, _download: bool) -> tuple[Tensor, Tensor]:
    return read_digits(train)


_GREY, _COLOUR = (1, 28, 28), (3, 32, 32)
_SIZES = {
    "MNIST": (_GREY, 10, 60_000, 10_000),
    "FashionMNIST": (_GREY, 10, 60_000, 10_000),
    "KMNIST": (_GREY, 10, 60_000, 10_000),
    "CIFAR10": (_COLOUR, 10, 50_000, 10_000),
    "CIFAR100": (_COLOUR, 100, 50_000, 10_000),
    "SVHN": (_COLOUR, 10, 73_257, 26_032),
}
SOURCES = {
    "digits": Source((1, 8, 8), 10, 1797 - TEST_SAMPLES, TEST_SAMPLES, _digits),
    **{name: Source(*sizes, partial(read_published, name)) for name, sizes in _SIZES.items()},
}
IMAGE_FOLDER, LMDB = "ImageFolder", "lmdb"
SOURCE_NAMES = (*SOURCES, IMAGE_FOLDER, LMDB)


def data_folder(root: Path | None = None) -> Path:
    """`root`, else SPARSENET_DATA, else `sparsenet` in the user's cache folder (XDG_CACHE_HOME).

    Raises ConfigError where a home folder in it is not known.
    """
    if root is not None:
        return at_home(root, "root")
    if named := os.environ.get("SPARSENET_DATA"):
        return at_home(Path(named), "SPARSENET_DATA")
    return cache_folder()


def at_home(path: Path, key: str) -> Path:
    """The path with the home folder for its ~ or ~user. Raises ConfigError, naming the key."""
    try:
        return path.expanduser()
    except RuntimeError:
        words = f"{str(path)!r}: there is no home folder {path.parts[0]}"
        raise ConfigError(Problem("", key, words)) from None


def unknown_source(name: object) -> str:
    """The words for a source that does not exist, naming the nearest that does."""
    return f"{name!r} is not {listed(SOURCE_NAMES)}{nearest(name, SOURCE_NAMES)}"


def load_source(name: str, root: Path | None, train: bool, download: bool) -> RawSet:
    """Read the training or the test part of a source into memory.

    `root` is the folder of all data sets (None: see data_folder). Raises DataError: no such source,
    files absent and not to be downloaded, or files that do not hold what they should.
    """
    if name not in SOURCES:
        raise DataError(unknown_source(name))
    source, folder = SOURCES[name], data_folder(root)
    images, labels = source.read(folder, train, download)
    if fault := _fault(source, images, labels):
        where = folder / FOLDERS.get(name, "")
        remedy = "delete its files there to have them downloaded again"
        raise DataError(f"{name} in {where} is damaged ({fault}): {remedy}")
    return RawSet(name, images, labels, source.classes)


def _fault(source: Source, images: Tensor, labels: Tensor) -> str | None:
    if images.dtype != torch.uint8 or tuple(images.shape[1:]) != source.shape:
        return f"images are {tuple(images.shape[1:])} {images.dtype}, not {source.shape} uint8"
    if len(images) != len(labels):
        return f"{len(images)} images, {len(labels)} labels"
    if not len(labels):
        return "no images"
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= source.classes:
        return f"labels from {low} to {high}, not 0 to {source.classes - 1}"
    return None
