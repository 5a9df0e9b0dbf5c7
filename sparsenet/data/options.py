"""The keys of a Data layer that say where samples come from and how they become batches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from sparsenet.amounts import Amount
from sparsenet.data.decoding import ColorOrder
from sparsenet.data.sources import (
    IMAGE_FOLDER,
    LMDB,
    SOURCE_NAMES,
    SOURCES,
    at_home,
    data_folder,
    unknown_source,
)
from sparsenet.data.splits import held_size, part_size
from sparsenet.data.transforms import Transform
from sparsenet.errors import listed
from sparsenet.record import KeyProblem, Record
from sparsenet.record_words import shown


def _known(name: str) -> str:
    if name not in SOURCES and name not in SOURCE_NAMES:
        raise ValueError(unknown_source(name))
    return name


SourceName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(SOURCE_NAMES)})
]


def _check_shape(value: object) -> object:
    sides = tuple(value) if isinstance(value, list | tuple) else ()
    whole = all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in sides)
    if not whole or len(sides) != 3:
        raise ValueError(f"{shown(value)} is not [channels, height, width]")
    return sides


ImageShape = Annotated[
    tuple[int, int, int],
    BeforeValidator(_check_shape),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 3,
            "maxItems": 3,
        }
    ),
]

_SOURCES_OF = {
    "folder": (IMAGE_FOLDER, LMDB),
    "memory": (IMAGE_FOLDER, LMDB),
    "workers": (IMAGE_FOLDER, LMDB),
    "is_color": (IMAGE_FOLDER,),
    "color_order": (IMAGE_FOLDER, LMDB),
    "on_bad_image": (IMAGE_FOLDER,),
    "shape": (LMDB,),
    "download": tuple(SOURCES),
}
"""The keys that are not of all sources."""


class DataOptions(Record):
    """Where the samples are, which of them are trained on, and what a batch of them is."""

    source: SourceName = Field(
        description="the data set; ImageFolder for one of image files; lmdb for one of Caffe's,"
        " read as it is"
    )
    root: str | None = Field(
        None,
        description="the folder of all data sets; left out: SPARSENET_DATA, or else sparsenet in"
        " the user's cache folder",
    )
    folder: str | None = Field(
        None,
        description="for ImageFolder: the set's folder below root, which holds train and val (or"
        " test) with a folder a class; left out: root itself. For lmdb: the folder below root that"
        " holds data.mdb",
    )
    shape: ImageShape | None = Field(
        None,
        description="for lmdb: [channels, height, width] of the images as they are stored; left"
        " out: those of the first record, which is looked at",
    )
    download: bool = Field(True, description="fetch the files where they are not in the folder")
    is_color: bool = Field(
        True, description="for ImageFolder: three channels, red, green and blue; false: one, grey"
    )
    color_order: ColorOrder | None = Field(
        None,
        description="for ImageFolder and lmdb: the order of the three channels as the net sees"
        " them, in which mean_value, std and mean images are too; left out: RGB, and of an lmdb"
        " BGR, as Caffe's tools write it. Of its records only encoded ones are given that order,"
        " others have it already",
    )
    memory: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="for ImageFolder and lmdb: yes decodes the images once and holds them, for"
        " which those of an ImageFolder need resize: [height, width]; no reads them anew for each"
        " batch; auto holds them where that can be and they take at most half of the memory that is"
        " free. The batches are the same",
    )
    workers: int | None = Field(
        None,
        ge=0,
        description="for ImageFolder and lmdb: processes that read images ahead where they are not"
        " held; left out: one a processor, at most 8; 0: none",
    )
    on_bad_image: Literal["error", "skip"] = Field(
        "error",
        description="for ImageFolder: whether an image that cannot be read ends the run, or is"
        " reported and skipped: the next good one of the set takes its place in a batch, and tests"
        " and the mean image leave it out",
    )
    batch_size: int = Field(ge=1, description="samples in a batch")
    split: Amount | None = Field(
        None,
        description="validation samples taken from the training set, as a count or a percentage"
        " such as 10%, of each class its share; they are phase VAL",
    )
    split_seed: int = Field(
        0, ge=0, description="which samples split takes; not random_seed, so that seeds compare"
    )
    subset: Amount | None = Field(
        None,
        description="train on so many of the samples that split leaves, a count or a percentage",
    )
    subset_seed: int = Field(0, ge=0, description="which samples subset takes")
    bootstrap: int | None = Field(
        None,
        ge=0,
        description="train on as many samples drawn from these with replacement (bagging); the"
        " number seeds the draw",
    )
    shuffle: bool = Field(
        True, description="a new order in every epoch of TRAIN; the other phases keep the files'"
    )
    transform: Transform = Field(
        Transform(), description="what is done to the images before the net sees them"
    )

    @model_validator(mode="after")
    def _fits_source(self) -> DataOptions:
        """Check the parts and the transform against what is known of the source beforehand."""
        for key in ("root", "folder"):
            if getattr(self, key) == "":
                raise KeyProblem(key, "is empty: name the folder, or leave it out")
        for key, sources in _SOURCES_OF.items():
            if key in self.model_fields_set and self.source not in sources:
                raise KeyProblem(key, _not_for(key, self.source, sources))
        if self.source in SOURCES:
            self._check_published()
        elif self.memory == "yes" and self.workers is not None:
            raise KeyProblem("workers", "has no effect with memory: yes")
        if self.source == IMAGE_FOLDER:
            self._check_folder()
        elif self.source == LMDB:
            self._check_lmdb()
        try:
            self.transform.output_shape(self._stored_shape)
        except ValueError as error:
            raise KeyProblem("transform", str(error)) from None
        return self

    def _check_folder(self) -> None:
        """Nothing is read to check a configuration: what depends on the files is not known yet."""
        if self.color_order is not None and not self.is_color:
            raise KeyProblem("color_order", "has no effect with is_color: false")
        if self.transform.exact_size is None:
            needs = "needs transform.resize: [height, width], that all images be of one size"
            if self.memory == "yes":
                raise KeyProblem("memory", f"yes {needs}")
            if mean := self.transform.image_of_mean:
                raise KeyProblem("transform", f"{mean} {needs}")

    def _check_lmdb(self) -> None:
        if self.folder is None:
            raise KeyProblem("folder", "is missing: name the folder of the LMDB")
        if self.shape is None:
            raise KeyProblem("shape", "is missing: give [channels, height, width] of the images")
        if self.color_order is not None and self.shape[0] != 3:
            words = f"has no effect on images of {self.shape[0]} channel(s)"
            raise KeyProblem("color_order", words)

    def _check_published(self) -> None:
        left = SOURCES[self.source].train
        if self.batch_size > left:
            raise KeyProblem("batch_size", f"{self.batch_size} is more than the {left} samples")
        for key in ("split", "subset"):
            part = getattr(self, key)
            try:
                if part is not None:
                    size = held_size(part, left) if key == "split" else part_size(part, left)
                    left = left - size if key == "split" else size
            except ValueError as error:
                raise KeyProblem(key, str(error)) from None

    @property
    def _stored_shape(self) -> tuple[int, int, int]:
        """An image's (channels, height, width) before the transform, as far as that matters."""
        if self.source in SOURCES:
            return SOURCES[self.source].shape
        if self.source == LMDB:
            assert self.shape is not None, "it is checked first"
            return self.shape
        return self.transform.least_shape(3 if self.is_color else 1)

    @property
    def has_blue_first(self) -> bool:
        """Whether the net sees three channels, and the first of them is blue."""
        return self.order == "BGR" and self._stored_shape[0] == 3

    @property
    def order(self) -> ColorOrder:
        """The order of three channels as the net sees them."""
        return self.color_order or ("BGR" if self.source == LMDB else "RGB")

    @property
    def path(self) -> Path:
        """The folder of the set: `folder` in `root`. Raises ConfigError as data_folder does.

        Not before it is asked for: the net of another machine's user can be looked at without it.
        """
        return below_root(self.root, self.folder, "folder")

    @property
    def mean_path(self) -> Path:
        """The file of `mean_file`, below `root`. Raises ConfigError as data_folder does."""
        return below_root(self.root, self.transform.mean_file, "mean_file")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The images' (channels, height, width) as the net sees them, without reading any."""
        return self.transform.output_shape(self._stored_shape)

    @property
    def mean_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the mean image: of the images after `resize`."""
        return self.transform.stored_shape(self._stored_shape)


def below_root(root: str | None, path: str | None, key: str) -> Path:
    """Where the value of a Data layer's `key` is: below `root`. Raises ConfigError."""
    folder = data_folder(None if root is None else Path(root))
    return folder if path is None else folder / at_home(Path(path), key)


def _not_for(key: str, source: str, sources: tuple[str, ...]) -> str:
    if key == "download":
        return f"is not for source {source}, which only reads"
    return f"is only for source {listed(sources)}"
