"""Caffe's data layers and inputs as Data layers: where their images come from, and their transform.

Their images are blue, green and red, as OpenCV's; an image folder is told so by `color_order`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.caffe.fields import Fields

Keys = dict[str, Any]
Shape = tuple[int, ...]

_SHAPE_UNKNOWN = "the shape of its images is not known"
_GIVE_SHAPE = "give it by --shape CHANNELS,HEIGHT,WIDTH"
_SKIP = "is not carried over: the samples begin with the first"


@dataclass(frozen=True)
class Look:
    """What is known beside the file: --shape, and the files that it names, where they are there.

    `find` gives the path of one, `stored` the shape (channels, height, width) of the first image of
    an LMDB and `mean` that of a mean file; None where they are not there.
    """

    shape: Shape | None
    find: Callable[[str], Path | None]
    stored: Callable[[Path], Shape | None]
    mean: Callable[[Path], Shape | None]


@dataclass(frozen=True)
class Images:
    """One data layer: its fields, the phases it is for (none: all) and what is known."""

    layer: Fields
    phases: tuple[str, ...]
    look: Look

    @property
    def trains(self) -> bool:
        """Whether it serves TRAIN."""
        return self.phases != ("TEST",)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.owner

    def note(self, text: str) -> None:
        """Tell what to point the layer at."""
        self.layer.report.note(f"{self.name}: {text}")

    def refuse(self, key: str, why: str) -> None:
        """Report that the shape of the images is not known, on which all others depend."""
        self.layer.refuse(key, why, is_lack=True)

    def there(self, name: str) -> str:
        """The whole path of a file that is there, else its name as it was written."""
        found = self.look.find(name) if name else None
        return name if found is None else str(found)

    def shuffle(self, value: bool) -> Keys:
        """`shuffle` where the file trains; a test has the files' order."""
        return {"shuffle": value} if self.trains else {}


Converter = Callable[[Images], Keys]
DATA_LAYERS: dict[str, Converter] = {}


def converts(name: str) -> Callable[[Converter], Converter]:
    """Make a function known as what converts data layers of a type."""

    def add(function: Converter) -> Converter:
        DATA_LAYERS[name] = function
        return function

    return add


@converts("Data")
def _data(images: Images) -> Keys:
    fields = images.layer.sub("data_param")
    fields.pass_over("prefetch")
    fields.leave_out("rand_skip", _SKIP)
    fields.leave_out("force_encoded_color", "is not carried over: images keep their channels")
    _own_transform(fields)
    source, transform = fields.value("source"), _transform(images)
    found = images.look.find(source)
    if fields.value("backend") == "LEVELDB":
        words = (
            f"{source} is a LevelDB, which is not read here: make an LMDB of it by Caffe's tools"
        )
        images.note(f"{words}, or name an image folder (source: ImageFolder)")
        found = None
    else:
        here = f"reads the LMDB {found}" if found else f"point folder at the LMDB {source}"
        images.note(here)
    shape = _stored_shape(images, source, found, transform)
    return _lmdb(images, images.there(source), shape, fields.value("batch_size"), transform)


@converts("ImageData")
def _image_data(images: Images) -> Keys:
    fields = images.layer.sub("image_data_param")
    fields.leave_out("rand_skip", _SKIP)
    _own_transform(fields)
    transform, root = _transform(images), fields.value("root_folder")
    size = [fields.value("new_height"), fields.value("new_width")]
    if all(size):
        transform = {"resize": size, **transform}
    elif "crop_size" not in transform:
        shape = images.look.shape or _mean_shape(images, transform)
        if shape is None:
            words = "the images have no size without new_height and new_width"
            images.refuse("image_data_param", f"{words}; {_GIVE_SHAPE}")
        else:
            transform = {"resize": list(shape[1:]), **transform}
    listed = f"the list {fields.value('source')} is not read"
    images.note(f"{listed}: point folder at image files that lie in a folder a class")
    colour: Keys = {"color_order": "BGR"} if fields.value("is_color") else {"is_color": False}
    made = {"source": "ImageFolder", **({"folder": images.there(root)} if root else {}), **colour}
    shuffle = images.shuffle(fields.value("shuffle"))
    return made | shuffle | _batch(fields.value("batch_size"), transform)


@converts("HDF5Data")
def _hdf5_data(images: Images) -> Keys:
    fields = images.layer.sub("hdf5_data_param")
    source, shuffle = fields.value("source"), fields.value("shuffle")
    shape = images.look.shape
    if shape is None:
        images.refuse("hdf5_data_param", f"{source!r}: {_SHAPE_UNKNOWN}; {_GIVE_SHAPE}")
    made = _placeholder(images, f"HDF5 files {source}", shape, fields.value("batch_size"))
    return {**made, **images.shuffle(shuffle)}


@converts("MemoryData")
def _memory_data(images: Images) -> Keys:
    fields = images.layer.sub("memory_data_param")
    shape = tuple(fields.value(key) for key in ("channels", "height", "width"))
    return _placeholder(images, "memory", shape, fields.value("batch_size"))


@converts("DummyData")
def _dummy_data(images: Images) -> Keys:
    fields = images.layer.sub("dummy_data_param")
    fields.leave_out("data_filler", "is not carried over: images come from files")
    shapes = [shape.value("dim") for shape in fields.each("shape")]
    for key in ("num", "channels", "height", "width") if shapes else ():
        fields.leave_out(key, "has no effect beside shape")
    sides = zip(
        *(fields.value(key) for key in ("num", "channels", "height", "width")), strict=False
    )
    return _from_shapes(images, "filled blobs", shapes or [list(side) for side in sides])


@converts("Input")
def _input(images: Images) -> Keys:
    shapes = [shape.value("dim") for shape in images.layer.sub("input_param").each("shape")]
    words = "the mean, scale and size of a deploy net's images are not in its file: set transform"
    images.note(f"{words} as they were in its training")
    return _from_shapes(images, "the caller", shapes)


def _from_shapes(images: Images, origin: str, shapes: Sequence[Sequence[int]]) -> Keys:
    """Of blobs with these whole shapes: the first the images, the second, if any, their labels."""
    first = tuple(shapes[0]) if shapes else ()
    if len(first) == 2:
        first = (*first, 1, 1)
    if len(first) != 4:
        key = next(iter(images.layer.inner)).prefix.rstrip(".")
        given = " x ".join(map(str, first)) or "none"
        words = f"the shape {given} is not that of images: batch, channels, height and width"
        images.refuse(key, words)
        return {}
    return _placeholder(images, origin, images.look.shape or first[1:], first[0])


def _placeholder(images: Images, origin: str, shape: Shape | None, batch: int) -> Keys:
    """A Data layer of images of this shape, which Caffe takes from where no file is."""
    if shape is None:
        return {}
    transform = _transform(images)
    images.note(f"its images come from {origin} in Caffe: point folder at files of them")
    if shape[0] not in (1, 3):
        return _lmdb(images, images.name, shape, batch, transform)
    colour: Keys = {"color_order": "BGR"} if shape[0] == 3 else {"is_color": False}
    resized = {"resize": list(shape[1:]), **transform}
    return {"source": "ImageFolder", **colour, **images.shuffle(False), **_batch(batch, resized)}


def _lmdb(images: Images, folder: str, shape: Shape | None, batch: int, transform: Keys) -> Keys:
    known = {} if shape is None else {"shape": list(shape)}
    made = {"source": "lmdb", "folder": folder, **known}
    return made | images.shuffle(False) | _batch(batch, transform)


def _batch(size: int, transform: Keys) -> Keys:
    return {"batch_size": size, **({"transform": transform} if transform else {})}


def _own_transform(fields: Fields) -> None:
    """What V1 layers had in the place of transform_param; Caffe reads it of these alone."""
    for key in ("scale", "mean_file", "crop_size", "mirror"):
        fields.leave_out(key, "has no effect in Caffe either, but in transform_param")


def _transform(images: Images) -> Keys:
    fields = images.layer.sub("transform_param")
    for key in ("force_color", "force_gray"):
        if fields.peek(key):
            fields.leave_out(key, "is not carried over: images keep their channels")
        fields.pass_over(key)
    if fields.peek("mirror") and not images.trains:
        fields.leave_out("mirror", "is not carried over: only images of TRAIN are flipped here")
    if fields.peek("mirror") and not images.phases:
        images.note("mirror flips images of TRAIN alone, in Caffe those of TEST too")
    if not fields.peek("crop_size"):
        fields.pass_over("crop_size")
    kept = ("scale", "mirror", "crop_size", "mean_value", "mean_file")
    made = fields.taken(*(key for key in kept if key in fields.left))
    if "mean_file" in made:
        made["mean_file"] = images.there(made["mean_file"])
    return made


def _stored_shape(images: Images, source: str, found: Path | None, transform: Keys) -> Shape | None:
    """The shape of a data base's images: --shape, its first, its mean's, or that of the crop."""
    if images.look.shape:
        return images.look.shape
    known = (found and images.look.stored(found)) or _mean_shape(images, transform)
    if known is None and (side := transform.get("crop_size")):
        means = transform.get("mean_value")
        channels = len(means) if isinstance(means, list) else 3
        images.note(f"shape is that of the crop, as {source} is not here: set it to the images'")
        known = (channels, side, side)
    if known is None:
        words = f"source {source!r} is not here, so {_SHAPE_UNKNOWN}; {_GIVE_SHAPE}"
        images.refuse("data_param", words)
    return known


def _mean_shape(images: Images, transform: Keys) -> Shape | None:
    found = images.look.find(transform["mean_file"]) if "mean_file" in transform else None
    return None if found is None else images.look.mean(found)
