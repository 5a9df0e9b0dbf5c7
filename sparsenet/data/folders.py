"""The image files of a folder that has a folder a class, as torchvision's ImageFolder lists them.

    FOLDER/train/CLASS/**/*.jpg          trained on; its folders' names are the classes
    FOLDER/val/CLASS/**/*.jpg            tested on; FOLDER/test where there is no val
    FOLDER/val/images/*.JPEG             Tiny ImageNet's val, whose classes are told by
    FOLDER/val/val_annotations.txt       lines of FILE<tab>CLASS<tab>a box

Hidden files and folders are no images and no classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from sparsenet.data.raw import DataError
from sparsenet.errors import nearest

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
ANNOTATIONS = "val_annotations.txt"


@dataclass(frozen=True)
class ImageFiles:
    """The images of one part of a set, by class and then by path.

    `labels` is int64 (images,): the place of each image's class in `classes`, which are the sorted
    names of the folders of the training part, whichever part this is.
    """

    paths: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]


def list_images(folder: Path, train: bool) -> ImageFiles:
    """List the training part (`folder`/train) or the test part (`folder`/val, else `folder`/test).

    No image is opened. Raises DataError, naming the file or folder: one that is absent or cannot be
    read, a class without images, classes of the test part that are not those of the training part,
    and annotations that are broken or do not name the images that there are.
    """
    try:
        classes = _class_folders(folder / "train")
        if train:
            return _by_folder(folder / "train", classes)
        part = folder / "val" if (folder / "val").is_dir() else folder / "test"
        if (part / ANNOTATIONS).is_file() and (part / "images").is_dir():
            return _by_annotation(part, classes)
        _check_same(part, _class_folders(part), classes)
        return _by_folder(part, classes)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _class_folders(part: Path) -> tuple[str, ...]:
    if not part.is_dir():
        also = " (and no val)" if part.name == "test" else ""
        raise DataError(f"{part}: no such folder{also}; it should hold a folder a class")
    with os.scandir(part) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and _is_visible(entry.name)]
    if not names:
        raise DataError(f"{part}: holds no folder; it should hold a folder a class")
    return tuple(sorted(names))


def _check_same(part: Path, found: Sequence[str], classes: Sequence[str]) -> None:
    for name in found:
        if name not in classes:
            hint = nearest(name, classes)
            raise DataError(f"{part / name}: no such class in {part.parent / 'train'}{hint}")
    for name in classes:
        if name not in found:
            raise DataError(f"{part}: lacks the class {name!r} of {part.parent / 'train'}")


def _by_folder(part: Path, classes: tuple[str, ...]) -> ImageFiles:
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = list(_images_below(part / name))
        if not found:
            raise DataError(f"{part / name}: holds no image ({', '.join(SUFFIXES)})")
        paths += found
        labels += [label] * len(found)
    return ImageFiles(tuple(paths), torch.tensor(labels), classes)


def _images_below(folder: Path) -> Iterator[Path]:
    """The images of a folder and then of those in it, in the order of torchvision's ImageFolder."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    held: list[tuple[str, list[str]]] = []
    # Left to itself, os.walk passes over what it cannot read.
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = filter(_is_visible, folders)
        held.append((root, names))
    for root, names in sorted(held):
        yield from (Path(root, name) for name in sorted(names) if _is_image(name))


def _by_annotation(part: Path, classes: tuple[str, ...]) -> ImageFiles:
    label_of = {name: label for label, name in enumerate(classes)}
    with os.scandir(part / "images") as entries:
        present = {entry.name for entry in entries if _is_image(entry.name)}
    labels: dict[str, int] = {}
    for place, name, of in _annotations(part / ANNOTATIONS):
        if of not in label_of:
            hint = nearest(of, classes)
            raise DataError(f"{place}: no class {of!r} in {part.parent / 'train'}{hint}")
        if name not in present:
            raise DataError(f"{place}: no image {name!r} in {part / 'images'}")
        if name in labels:
            raise DataError(f"{place}: {name!r} is annotated twice")
        labels[name] = label_of[of]
    for name in sorted(present - labels.keys()):
        raise DataError(f"{part / 'images' / name}: not in {part / ANNOTATIONS}")
    for label in sorted(set(label_of.values()) - set(labels.values())):
        raise DataError(f"{part / ANNOTATIONS}: no image of the class {classes[label]!r}")
    ordered = sorted(present, key=lambda name: (labels[name], name))
    paths = tuple(part / "images" / name for name in ordered)
    return ImageFiles(paths, torch.tensor([labels[name] for name in ordered]), classes)


def _annotations(path: Path) -> Iterator[tuple[str, str, str]]:
    """(`path:line`, file name, class) of every line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file") from None
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) < 2 or not all(fields[:2]):
            raise DataError(f"{path}:{number}: not FILE<tab>CLASS: {line[:80]!r}")
        yield f"{path}:{number}", fields[0], fields[1]


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and _is_visible(name)


def _is_visible(name: str) -> bool:
    return not name.startswith(".")
