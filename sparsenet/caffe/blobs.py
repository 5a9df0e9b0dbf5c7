"""The trained blobs of Caffe's files: .caffemodel, its HDF5 form, and .binaryproto means."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sparsenet.caffe.hdf5 import hdf5_blobs
from sparsenet.caffe.messages import need_protobuf
from sparsenet.caffe.wire import MAX_BYTES, CaffeError, first_fields, parsed
from sparsenet.errors import printable

if TYPE_CHECKING:
    from sparsenet.caffe import weights_pb2

MAX_AXES = 32
"""Of a blob, Caffe's."""
_LEGACY = ("num", "channels", "height", "width")
_V1_NONE = 0
_V1_TYPES = {4: "Convolution", 14: "InnerProduct"}
"""Of the types before LayerParameter those that have blobs here."""
_NET = {*((number, 2) for number in (1, 2, 3, 6, 8, 100)), (4, 0), (5, 0), (7, 0)}
"""Number and wire type of each field that a NetParameter may begin with."""
_WEIGHTS, _MEAN = "a file of weights", "a mean image"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_START = 512
"""Bytes by which a file is known."""


@dataclass(frozen=True)
class TrainedLayer:
    """The float32 blobs of a layer, in the shapes that they have in the file.

    `type` is Caffe's word, None where the file does not say it: an HDF5 file never does.
    `transposed` tells of an InnerProduct that its weight is (inputs, num_output).
    """

    name: str
    type: str | None
    blobs: tuple[Tensor, ...]
    transposed: bool = False


def is_caffe(path: Path) -> bool:
    """Whether a file begins as Caffe's do; it may be damaged, or hold no weights, all the same.

    They have no mark of their own: a message is known by its first field. Raises OSError.
    """
    with path.open("rb") as stream:
        start = stream.read(_START)
    return start.startswith(_HDF5) or (not _is_text(start) and _kind(start) != "")


def read_layers(path: Path) -> list[TrainedLayer]:
    """Every layer that has blobs, in the file's order.

    A binary NetParameter with `layer` or V1 `layers`, its blobs with `shape` or the legacy num,
    channels, height and width, as floats or doubles; or the HDF5 file of such a snapshot. What is
    taken is at most what the file takes. Raises CaffeError in one line that names the file: none
    of these, cut off, a solverstate or another message, larger than its file, values that are not
    finite or not as many as their shape says; ConfigError without the extra.
    """
    with _named(path):
        with path.open("rb") as stream:
            is_hdf5 = stream.read(len(_HDF5)) == _HDF5
        if is_hdf5:
            layers = [TrainedLayer(name, None, blobs) for name, blobs in hdf5_blobs(path)]
        else:
            layers = _layers(_content(path, _WEIGHTS))
        if not layers:
            raise CaffeError("holds no trained blobs")
        for layer in layers:
            for number, blob in enumerate(layer.blobs):
                _require_finite(blob, f"blob {number} of {layer.name}")
        twice = [name for name, n in Counter(layer.name for layer in layers).items() if n > 1]
        if twice:
            raise CaffeError(f"holds two layers of the name {twice[0]!r}")
        return layers


def read_mean(path: Path) -> Tensor:
    """The mean image of a .binaryproto file, float32 (channels, height, width), as it is there.

    Raises CaffeError in one line that names the file, and ConfigError without the extra.
    """
    with _named(path):
        content = _content(path, _MEAN)
        from sparsenet.caffe.weights_pb2 import BlobProto  # noqa: PLC0415

        mean = _tensor(parsed(content, BlobProto), "it")
        _require_finite(mean, "it")
        if mean.dim() not in (3, 4) or (mean.dim() == 4 and len(mean) != 1):
            words = f"holds {_by(mean.shape)} numbers"
            raise CaffeError(f"{words}, and a mean image is channels x height x width")
        return mean.reshape(mean.shape[-3:])


def serialized(tensor: Tensor, *, legacy: bool = False) -> bytes:
    """A BlobProto of a float32 tensor, its values bit for bit; protobuf is there.

    `legacy` gives it the shape num, channels, height, width, which Caffe's tools give a mean.
    """
    from sparsenet.caffe.weights_pb2 import BlobProto  # noqa: PLC0415

    made = BlobProto(data=[tensor.detach().cpu().contiguous().numpy().astype("<f4").tobytes()])
    if legacy:
        made.num, made.channels, made.height, made.width = tensor.shape
    else:
        made.shape.SetInParent()  # a number alone has a shape too, of no axis
        made.shape.dim.extend(tensor.shape)
    return made.SerializeToString()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except CaffeError as error:
        raise CaffeError(f"{path}: {printable(str(error))}") from None
    except OSError as error:
        raise CaffeError(f"{path}: cannot be read: {error.strerror or error}") from None


def _content(path: Path, wanted: str) -> bytes:
    """The bytes of a message of which the beginning is that of what is wanted."""
    need_protobuf()
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CaffeError(f"its {size:,} bytes are more than the {MAX_BYTES:,} of a message")
    content = path.read_bytes()
    start = content[:_START]
    if not content:
        raise CaffeError("the file is empty")
    if _is_text(start):
        raise CaffeError(f"a text file, as a prototxt is, and {wanted} is binary")
    if (kind := _kind(start)) != wanted:
        raise CaffeError(f"not {wanted} of Caffe's" + f", but {kind}" * bool(kind))
    return content


def _is_text(start: bytes) -> bool:
    """Whether a file that begins so is text: every net with a layer has a control character."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return text != "" and all(c >= " " or c in "\t\n\r\f" for c in text)


def _kind(start: bytes) -> str:
    """Which of Caffe's messages begins so, in words; nothing where it is none of those with blobs.

    SolverState: iter (1, a number) and learned_net (2, a text). BlobProto: num (1, a number) and
    channels (2, a number), or its data (5) or shape (7).
    """
    fields = first_fields(start, 2)
    first, *others = [(number, wire) for number, wire, _, _ in fields] or [(0, 0)]
    if first == (1, 0) and others == [(2, 2)]:
        learned_net = start[fields[1][2] : fields[1][3]]
        return "a solverstate" if b".caffemodel" in learned_net else ""
    if (first == (1, 0) and others == [(2, 0)]) or first in ((5, 2), (7, 2)):
        return _MEAN
    return _WEIGHTS if first in _NET else ""


def _layers(content: bytes) -> list[TrainedLayer]:
    from sparsenet.caffe.weights_pb2 import NetParameter  # noqa: PLC0415

    net = parsed(content, NetParameter)
    if any(not layer.name and layer.type == _V1_NONE for layer in net.layers):
        raise CaffeError("of Caffe's V0 format, which its upgrade_net_proto_binary converts")
    v1 = [_layer(each, _V1_TYPES.get(each.type, f"V1 type {each.type}")) for each in net.layers]
    current = [
        _layer(each, _text(each.type), each.inner_product_param.transpose) for each in net.layer
    ]
    return [layer for layer in (*v1, *current) if layer.blobs]


def _layer(
    layer: weights_pb2.LayerParameter | weights_pb2.V1LayerParameter,
    kind: str,
    transposed: bool = False,
) -> TrainedLayer:
    name = _text(layer.name)
    blobs = (_tensor(blob, f"blob {number} of {name}") for number, blob in enumerate(layer.blobs))
    return TrainedLayer(name, kind, tuple(blobs), transposed)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CaffeError(f"the file is damaged: {content[:40]!r} is no text") from None


def _tensor(blob: weights_pb2.BlobProto, name: str) -> Tensor:
    """A copy of a blob's values in its shape; `name` is what it is called in an error."""
    wide = bool(blob.double_data)
    values = _values(blob.double_data if wide else blob.data, "<f8" if wide else "<f4", name)
    is_legacy = any(blob.HasField(key) for key in _LEGACY)
    shape = [getattr(blob, key) for key in _LEGACY] if is_legacy else list(blob.shape.dim)
    if len(shape) > MAX_AXES or min(shape, default=1) < 1 or prod(shape) != len(values):
        words = f"says {_by(shape[:MAX_AXES])}" if shape else "has no shape"
        raise CaffeError(f"{name} {words} and holds {len(values):,} values")
    return torch.from_numpy(values).float().reshape(shape)


def _values(chunks: Iterable[bytes], dtype: str, name: str) -> np.ndarray:
    content = b"".join(chunks)
    if len(content) % np.dtype(dtype).itemsize:
        raise CaffeError(f"{name} is damaged: {len(content):,} bytes are no row of numbers")
    return np.frombuffer(content, dtype).copy()


def _require_finite(tensor: Tensor, name: str) -> None:
    if not torch.isfinite(tensor).all():
        raise CaffeError(f"{name} has values that are not finite")


def _by(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))
