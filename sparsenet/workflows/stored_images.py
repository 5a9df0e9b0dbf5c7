"""The shapes of images that a Caffe file names, where they are there to be looked at."""

from __future__ import annotations

from pathlib import Path

from sparsenet.caffe.blobs import read_mean
from sparsenet.caffe.data_layers import Shape


def mean_shape(path: Path) -> Shape:
    """(channels, height, width) of a mean file. Raises CaffeError and ConfigError."""
    return tuple(read_mean(path).shape)


def stored_shape(path: Path) -> Shape | None:
    return None
