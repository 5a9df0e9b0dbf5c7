"""The image files of a folder that has a folder a class, as torchvision's ImageFolder lists them.

    FOLDER/train/CLASS/**/*.jpg          trained on; its folders' names are the classes
    FOLDER/val/CLASS/**/*.jpg            tested on; FOLDER/test where there is no val
    FOLDER/val/images/*.JPEG             Tiny ImageNet's val, whose classes are told by
    FOLDER/val/val_annotations.txt       lines of FILE<tab>CLASS<tab>a box
    FOLDER/val/*.JPEG                    ILSVRC 2012's val, with such a file beside the images

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

from sparsenet.data.raw import DataError, Faults

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
ANNOTATIONS, IMAGES = "val_annotations.txt", "images"


@dataclass(frozen=True)
class ImageFiles:
    """The images of one part of a set, by class and then by path.

    `labels` is int64 (images,): the place of each image's class in `classes`, which are the sorted
    names of the folders of the training part, whichever part this is.
    """

    paths: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Classes:
    """The classes that a net is trained on, by label, and in words what has them."""

    names: tuple[str, ...]
    origin: str


def list_images(folder: Path, train: bool, known: Classes | None = None) -> ImageFiles:
    """List the training part (`folder`/train) or the test part (`folder`/val, else `folder`/test).

    Its classes have to be those `known`; left out: those of the training part. No image is opened.
    Raises DataError, a line for each file or folder: one that is absent or cannot be read, a class
    without images, other classes, and annotations that are broken or do not name the images that
    there are.
    """
    try:
        if not folder.is_dir():
            remedy = "say with root and folder, or SPARSENET_DATA, where it is"
            raise DataError(f"{folder}: no such folder: {remedy}")
        if known and not train:
            return _test_part(folder, known)
        part = folder / "train"
        found = _folders_in(part) or _no_folders(part)
        classes = known or Classes(found, str(part))
        return _by_folder(part, found, classes) if train else _test_part(folder, classes)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes of a set: the names of its training part's folders, sorted. Raises DataError."""
    try:
        return _folders_in(folder / "train")
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _test_part(folder: Path, classes: Classes) -> ImageFiles:
    part = folder / ("val" if os.path.lexists(folder / "val") else "test")
    found = _folders_in(part)
    is_annotated = (part / ANNOTATIONS).is_file()
    if is_annotated and (IMAGES in found or not found):
        return _by_annotation(part, part / IMAGES if found else part, classes)
    if found == (IMAGES,) and IMAGES not in classes.names:
        needs = f"it should name the class of each image in {part / IMAGES} (FILE<tab>CLASS)"
        raise DataError(f"{part / ANNOTATIONS}: no such file; {needs}")
    return _by_folder(part, found or _no_folders(part), classes)


def _folders_in(part: Path) -> tuple[str, ...]:
    """The names of a part's folders, sorted."""
    if not part.is_dir():
        is_there = "not a folder" if part.exists() else "no such folder"
        also = " (and no val)" if part.name == "test" else ""
        raise DataError(f"{part}: {is_there}{also}; it should hold a folder a class")
    with os.scandir(part) as entries:
        names = [entry.name for entry in entries if _is_visible(entry) and entry.is_dir()]
    return tuple(sorted(names))


def _no_folders(part: Path) -> NoReturn:
    """Raise DataError for a part that holds no folder, but perhaps images."""
    with os.scandir(part) as entries:
        images = sum(map(_is_image, entries))
    if not images:
        raise DataError(f"{part}: holds no folder; it should hold a folder a class")
    remedy = "sort them into a folder a class"
    if part.name != "train":
        remedy += f", or name each one's class in {part / ANNOTATIONS} (FILE<tab>CLASS)"
    raise DataError(f"{part}: {images:,} images lie in {part.name} itself: {remedy}")


def _by_folder(part: Path, found: Sequence[str], classes: Classes) -> ImageFiles:
    faults = Faults()
    for name in sorted(set(found).difference(classes.names)):
        faults.add(f"{part / name}: no such class in {classes.origin}", name, classes.names)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes.names):
        if name not in found:
            faults.add(f"{part}: lacks the class {name!r} of {classes.origin}")
            continue
        images = list(_images_below(part / name))
        if not images:
            faults.add(f"{part / name}: holds no image ({', '.join(SUFFIXES)})")
        paths += images
        labels += [label] * len(images)
    faults.raise_any()
    return ImageFiles(tuple(paths), torch.tensor(labels), classes.names)


def _images_below(folder: Path) -> Iterator[Path]:
    """The images of a folder and then of those in it, in the order of torchvision's ImageFolder.

    Each real folder is listed once, by whatever links it is reached, and none that holds this one.
    """
    listed = {_identity(above) for above in folder.resolve().parents}
    held: list[tuple[str, list[str]]] = []
    ahead = [folder]
    while ahead:
        below = ahead.pop()
        if (identity := _identity(below)) in listed:
            continue
        listed.add(identity)
        with os.scandir(below) as entries:
            visible = list(filter(_is_visible, entries))
        held.append((str(below), [entry.name for entry in visible if _is_image(entry)]))
        # In an order of their own, so that it is always the same link by which one is reached.
        ahead += sorted((Path(entry) for entry in visible if entry.is_dir()), reverse=True)
    for root, names in sorted(held):
        yield from (Path(root, name) for name in sorted(names))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _by_annotation(part: Path, folder: Path, classes: Classes) -> ImageFiles:
    """The images of one folder, by the classes that the part's annotations tell."""
    annotations, faults = part / ANNOTATIONS, Faults()
    with os.scandir(folder) as entries:
        present = {entry.name for entry in entries if _is_image(entry)}
    labels = _annotated(annotations, folder, present, classes, faults)
    faults.raise_any()  # each of the next two kinds may but follow from the one before
    for name in sorted(present - labels.keys()):
        faults.add(f"{folder / name}: not in {annotations}")
    faults.raise_any()
    for label in sorted(set(range(len(classes.names))) - set(labels.values())):
        faults.add(f"{annotations}: no image of the class {classes.names[label]!r}")
    faults.raise_any()
    ordered = sorted(present, key=lambda name: (labels[name], name))
    paths = tuple(folder / name for name in ordered)
    return ImageFiles(paths, torch.tensor([labels[name] for name in ordered]), classes.names)


def _annotated(
    path: Path, folder: Path, present: set[str], classes: Classes, faults: Faults
) -> dict[str, int]:
    """The label of each image that a file of annotations names; what is wrong goes to `faults`."""
    label_of = {name: label for label, name in enumerate(classes.names)}
    labels: dict[str, int] = {}
    for place, line in _lines(path):
        name, of, *_ = *line.split("\t"), ""
        if not (name and of):
            faults.add(f"{place}: not FILE<tab>CLASS: {line[:80]!r}")
        elif of not in label_of:
            faults.add(f"{place}: no class {of!r} in {classes.origin}", of, classes.names)
        elif name not in present:
            faults.add(f"{place}: no image {name!r} in {folder}")
        elif name in labels:
            faults.add(f"{place}: {name!r} is annotated twice")
        else:
            labels[name] = label_of[of]
    return labels


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(`path:line`, text) of every line up to the last that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file") from None
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    yield from ((f"{path}:{number}", line) for number, line in enumerate(lines, 1))


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Whether it is a regular file by a name of an image, or a link by one that leads nowhere.

    Such a link is an image that cannot be read, which is told of when it is to be.
    """
    if not (entry.name.lower().endswith(SUFFIXES) and _is_visible(entry)):
        return False
    return entry.is_file() or (entry.is_symlink() and not Path(entry).exists())


def _is_visible(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".")
