"""The shapes of images that a file of Caffe's names, where they are there to be looked at."""

from __future__ import annotations

from pathlib import Path

from sparsenet.caffe.blobs import read_mean
from sparsenet.caffe.data_layers import Shape
from sparsenet.data.database import database
from sparsenet.data.records import first_shape


def stored_shape(folder: Path) -> Shape:
    """(channels, height, width) of the first image of an LMDB. Raises ConfigError and DataError."""
    return first_shape(database(folder))


def mean_shape(path: Path) -> Shape:
    """(channels, height, width) of a mean file. Raises ConfigError and CaffeError."""
    return tuple(read_mean(path).shape)
