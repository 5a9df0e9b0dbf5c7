"""Caffe's blobs under the names that the same tensors have here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from sparsenet.caffe.blobs import TrainedLayer, read_layers
from sparsenet.caffe.wire import CaffeError

STATISTICS = ("mean", "variance", "factor")
"""A BatchNorm's blobs: the first two are sums, that the third divides; so they are here."""
_OF_CHANNELS = ("BatchNorm", "Scale", "PReLU")


def read_weights(path: Path, transposed: Collection[str] = ()) -> dict[str, Tensor]:
    """The tensors of a file by `layer.weight`, `layer.bias`, `layer.mean` and so on, float32.

    A blob that is a row of numbers has one axis, whatever stands before it, and an InnerProduct's
    weight is (num_output, inputs): of the layers `transposed` too, which a binary file names
    itself and an HDF5 file cannot. There a layer of three blobs, the last a single number, is a
    BatchNorm. Blobs that no layer has here are called `layer.blob2` and on. Raises what
    `read_layers` raises, and CaffeError for a BatchNorm that has not three blobs.
    """
    found: dict[str, Tensor] = {}
    for layer in read_layers(path):
        names = _names(layer, path)
        for place, (name, blob) in enumerate(zip(names, layer.blobs, strict=True)):
            found[f"{layer.name}.{name}"] = _shaped(layer, place, blob)
        weight = f"{layer.name}.weight"
        if (layer.transposed or layer.name in transposed) and found[weight].dim() == 2:
            found[weight] = found[weight].t().contiguous()
    return found


def _names(layer: TrainedLayer, path: Path) -> tuple[str, ...]:
    count = len(layer.blobs)
    looks_it = layer.type is None and count == len(STATISTICS) and layer.blobs[-1].numel() == 1
    if layer.type != "BatchNorm" and not looks_it:
        return ("weight", "bias", *(f"blob{place}" for place in range(2, count)))[:count]
    if count != len(STATISTICS):
        raise CaffeError(f"{path}: {layer.name} is a BatchNorm of {count} blobs, and it has 3")
    return STATISTICS


def _shaped(layer: TrainedLayer, place: int, blob: Tensor) -> Tensor:
    """The blob without the axes of 1 that the legacy four have before their own."""
    is_row = place > 0 or layer.type in _OF_CHANNELS or not blob.dim()
    if is_row and blob.numel() == max(blob.shape, default=1):
        return blob.reshape(-1)
    if layer.type == "InnerProduct" and blob.dim() == 4 and blob.shape[:2] == (1, 1):
        return blob[0, 0]
    return blob
