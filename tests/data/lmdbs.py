"""LMDBs as Caffe's tools write them, by the libraries alone, and mean images."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from PIL import Image

from sparsenet.caffe.caffe_pb2 import BlobProto, Datum

SHAPE = (3, 6, 5)


def pictures(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """So many images of noise, all different."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def raw(pixels: np.ndarray, label: int = 0, **fields: Any) -> bytes:
    """A Datum of numbers; `fields` are what it has instead."""
    channels, height, width = pixels.shape
    shape = {"channels": channels, "height": height, "width": width}
    return Datum(
        **{**shape, "data": pixels.tobytes(), "label": label, **fields}
    ).SerializeToString()


def encoded(pixels: np.ndarray, label: int = 0) -> bytes:
    """A Datum of an image file, PNG: of pixels (channels, height, width) red first, or grey."""
    image = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return Datum(data=stream.getvalue(), label=label, encoded=True).SerializeToString()


def write_lmdb(folder: Path, records: Iterable[bytes]) -> Path:
    """Records under the keys of convert_imageset, eight digits and a name."""
    return write_records(
        folder, {f"{number:08}_{number % 3}.jpg": data for number, data in enumerate(records)}
    )


def write_records(folder: Path, records: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        lmdb.open(str(folder), map_size=2**26) as environment,
        environment.begin(write=True) as writing,
    ):
        for key, data in records.items():
            writing.put(key.encode("utf-8", "surrogateescape"), data)
    return folder


def write_mean(path: Path, mean: np.ndarray) -> Path:
    """A .binaryproto as compute_image_mean writes it."""
    channels, height, width = mean.shape
    sides = {"num": 1, "channels": channels, "height": height, "width": width}
    path.write_bytes(BlobProto(**sides, data=mean.ravel().tolist()).SerializeToString())
    return path
