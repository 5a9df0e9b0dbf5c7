"""The records of an LMDB as Caffe's tools write them: under each key an image and its label.

The image is uint8 numbers (channels, height, width), or the bytes of an image file (`encoded`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparsenet.caffe.datums import read_datum
from sparsenet.data.database import Database
from sparsenet.data.decoding import ColorOrder, decode_bytes, encoded_shape, resized
from sparsenet.data.listed import ListedSet
from sparsenet.data.raw import DataError, Faults, RawSet
from sparsenet.data.transforms import Transform
from sparsenet.data.watch import Watch

if TYPE_CHECKING:
    from sparsenet.caffe.caffe_pb2 import Datum

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Records:
    """Decodes records: each to the image that it stores, `shape`, resized as `transform` says.

    With `resize: [height, width]` they may store images of any size. Encoded images get as many
    channels as `shape` has, and these the `order`; others are as they are.
    """

    database: Database
    shape: Shape
    transform: Transform
    order: ColorOrder

    @property
    def resized_shape(self) -> Shape:
        """(channels, height, width) of every image after `resize`."""
        return self.transform.stored_shape(self.shape)

    def __call__(self, name: str) -> Tensor:
        """The image of one record. Raises DataError."""
        return self.image(name, self.datum(name, self.database.record(name)))

    def datum(self, name: str, data: bytes | memoryview) -> Datum:
        """The message in the bytes of a record, checked but for what is encoded in it.

        Raises DataError: another message, numbers that are not uint8 or not `shape`, and a label
        below 0.
        """
        place = self.database.place(name)
        datum = _parsed(place, data)
        if datum.label < 0:
            raise DataError(f"{place}: label {datum.label} is below 0")
        if not datum.encoded:
            self._check(place, _stored(place, datum))
        return datum

    def image(self, name: str, datum: Datum) -> Tensor:
        """Its image, uint8 of `resized_shape`. Raises DataError."""
        place = self.database.place(name)
        if datum.encoded:
            is_color = self.shape[0] == 3
            image = decode_bytes(place, datum.data, is_color, None, self.order)
            self._check(place, (len(image), image.shape[1], image.shape[2]))
        else:
            values = torch.frombuffer(bytearray(datum.data), dtype=torch.uint8)
            image = values.view(datum.channels, datum.height, datum.width)
        try:
            return resized(image, self.transform.resize)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None

    def _check(self, place: str, shape: Shape) -> None:
        is_any_size = self.transform.exact_size is not None
        if shape == self.shape or (is_any_size and shape[0] == self.shape[0]):
            return
        words = f"its image is {_by(shape)}, and shape says {_by(self.shape)}"
        if shape[0] == self.shape[0]:
            words += "; resize: [height, width] makes images of all sizes alike"
        raise DataError(f"{place}: {words}")


def read_records(name: str, records: Records, held: bool, watch: Watch) -> RawSet | ListedSet:
    """All records of an LMDB, in the order of their keys: their images, where they are to be held.

    Each is read and checked once. Raises DataError, a line for each that is bad.
    """
    total, faults = len(records.database), Faults()
    size = (total, *records.resized_shape)
    images = torch.empty(size, dtype=torch.uint8) if held else None
    names: list[str] = []
    labels: list[int] = []
    with watch("Reading records", total) as advance:
        for key, data in records.database.records():
            try:
                datum = records.datum(key, data)
                if images is not None:
                    images[len(names)] = records.image(key, datum)
                labels.append(datum.label)
            except DataError as error:
                faults.add(str(error))
            names.append(key)
            advance(1)
            if len(names) == total:
                break
    if len(names) < total:
        faults.add(f"{records.database.folder}: holds {len(names)} records of {total}")
    faults.raise_any()
    found = torch.tensor(labels)
    if images is not None:
        return RawSet(name, images, found, max(labels) + 1)
    return ListedSet(name, tuple(names), found, records, records.resized_shape)


def first_shape(database: Database) -> Shape:
    """(channels, height, width) of the image that the first record stores. Raises DataError."""
    name, data = next(database.records())
    place = database.place(name)
    datum = _parsed(place, data)
    return encoded_shape(place, datum.data) if datum.encoded else _stored(place, datum)


def _parsed(place: str, data: bytes | memoryview) -> Datum:
    datum = read_datum(data)
    if datum is None:
        raise DataError(f"{place}: is no Datum of Caffe's")
    return datum


def _stored(place: str, datum: Datum) -> Shape:
    """The shape of numbers that are not encoded. Raises DataError where they are not as many."""
    shape = datum.channels, datum.height, datum.width
    if datum.float_data:
        raise DataError(f"{place}: holds float_data; only uint8 images are read")
    if min(shape) < 1 or prod(shape) != len(datum.data):
        raise DataError(f"{place}: {len(datum.data):,} bytes are no image of {_by(shape)}")
    return shape


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))
