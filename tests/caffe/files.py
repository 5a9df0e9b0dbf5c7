"""Caffe's files of weights as Caffe writes them, by the messages of caffe.proto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from sparsenet.caffe.blobs import read_layers
from sparsenet.caffe.caffe_pb2 import BlobProto, LayerParameter, NetParameter, V1LayerParameter
from sparsenet.caffe.wire import CaffeError


def blob(tensor: Tensor, *, legacy: bool = False, double: bool = False) -> BlobProto:
    """A blob with `shape`, or as before that with four axes, the first of them 1 if need be."""
    made = BlobProto()
    (made.double_data if double else made.data).extend(tensor.flatten().tolist())
    if not legacy:
        made.shape.dim.extend(tensor.shape)
        return made
    axes = (*[1] * (4 - tensor.dim()), *tensor.shape)
    made.num, made.channels, made.height, made.width = axes
    return made


def layer(name: str, kind: str, *blobs: BlobProto) -> LayerParameter:
    return LayerParameter(name=name, type=kind, blobs=blobs)


def v1_layer(name: str, kind: V1LayerParameter.LayerType, *blobs: BlobProto) -> V1LayerParameter:
    return V1LayerParameter(name=name, type=kind, blobs=blobs)


def write_net(path: Path, *layers: LayerParameter, name: str = "net") -> Path:
    path.write_bytes(NetParameter(name=name, layer=layers).SerializeToString())
    return path


def write_hdf5(path: Path, layers: Mapping[str, Sequence[Tensor]]) -> Path:
    """As Caffe's Net::ToHDF5: also a layer without blobs has its group."""
    with h5py.File(path, "w") as file:
        for name, tensors in layers.items():
            group = file.require_group(f"data/{name}")
            for number, tensor in enumerate(tensors):
                group.create_dataset(str(number), data=tensor.numpy())
    return path


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def refusal(path: Path) -> str:
    """Why a file of weights is refused, in one line that names it."""
    with pytest.raises(CaffeError) as raised:
        read_layers(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")
