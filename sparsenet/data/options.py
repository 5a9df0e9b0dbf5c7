"""The keys of a Data layer that say where samples come from and how they become batches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from sparsenet.amounts import Amount
from sparsenet.data.sources import SOURCES, unknown_source
from sparsenet.data.splits import held_size, part_size
from sparsenet.data.transforms import Transform
from sparsenet.record import KeyProblem, Record


def _known(name: str) -> str:
    if name not in SOURCES:
        raise ValueError(unknown_source(name))
    return name


SourceName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(SOURCES)})
]


class DataOptions(Record):
    """Where the samples are, which of them are trained on, and what a batch of them is."""

    source: SourceName = Field(description="the data set")
    root: str | None = Field(
        None,
        description="the folder of all data sets; left out: SPARSENET_DATA, or else sparsenet in"
        " the user's cache folder",
    )
    download: bool = Field(True, description="fetch the files where they are not in the folder")
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
    shuffle: bool = Field(
        True, description="a new order in every epoch of TRAIN; the other phases keep the files'"
    )
    transform: Transform = Field(
        Transform(), description="what is done to the images before the net sees them"
    )

    @model_validator(mode="after")
    def _fits_source(self) -> DataOptions:
        """Check the parts and the transform against what is known of the source beforehand."""
        if self.root == "":
            raise KeyProblem("root", "is empty: name the folder, or leave it out")
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
        try:
            self.transform.output_shape(SOURCES[self.source].shape)
        except ValueError as error:
            raise KeyProblem("transform", str(error)) from None
        return self

    @property
    def folder(self) -> Path | None:
        """`root` as a path."""
        return None if self.root is None else Path(self.root)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The images' (channels, height, width) as the net sees them, without reading any."""
        return self.transform.output_shape(SOURCES[self.source].shape)

    @property
    def classes(self) -> int:
        """The number of labels, which run from 0."""
        return SOURCES[self.source].classes
