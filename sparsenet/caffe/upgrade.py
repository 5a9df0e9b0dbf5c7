"""Older net files as current ones, as Caffe's upgrade_proto.cpp makes them: V1 layers, and inputs.

What Caffe had before V1, `layers { layer { ... } }`, its own upgrade_net_proto_text still reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparsenet.caffe.report import Report
from sparsenet.caffe.text import FieldPath, Source

# The types whose name is not its words joined, as EUCLIDEAN_LOSS is EuclideanLoss.
_NAMES = {
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_TRANSFORM = ("scale", "mean_file", "crop_size", "mirror")
_CHANGED = ("type", "param", "blob_share_mode", "blobs_lr", "weight_decay")


@dataclass(frozen=True)
class Written:
    """A current LayerParameter, and where in the source it was written."""

    message: Any
    path: FieldPath


def current_layers(source: Source, net: Any, path: FieldPath, report: Report) -> list[Written]:
    """The layers of a NetParameter at `path`, its inputs as a layer before them."""
    found = []
    if net.layer and net.layers:
        words = "cannot stand beside layer: one net has either Caffe's current layers or V1's"
        report.refuse(source.place((*path, "layers")), "layers", words)
    if net.input:
        found.append(_inputs(net, path))
    found += [Written(layer, (*path, "layer", i)) for i, layer in enumerate(net.layer)]
    for index, layer in enumerate(net.layers):
        place = (*path, "layers", index)
        if _is_v0(source, place):
            words = "is in Caffe's format V0; upgrade the file by Caffe's upgrade_net_proto_text"
            report.refuse(source.place(place), "layers", f"{words} or upgrade_net_proto_binary")
            break
        found.append(Written(_upgraded(layer), place))
    return found


def _is_v0(source: Source, path: FieldPath) -> bool:
    return any(u.path == path and u.name in ("layer", "field 1") for u in source.unknown)


def _inputs(net: Any, path: FieldPath) -> Written:
    """`input` with `input_shape`, or four numbers of `input_dim` each, as an Input layer."""
    from sparsenet.caffe.caffe_pb2 import LayerParameter  # noqa: PLC0415  an extra

    layer = LayerParameter(name="input", type="Input", top=list(net.input))
    layer.input_param.shape.extend(net.input_shape)
    for start in range(0, len(net.input_dim), 4):
        layer.input_param.shape.add().dim.extend(net.input_dim[start : start + 4])
    return Written(layer, (*path, "input"))


def _upgraded(old: Any) -> Any:
    """A V1LayerParameter as a LayerParameter; the fields of one name have one meaning."""
    from sparsenet.caffe.caffe_pb2 import LayerParameter  # noqa: PLC0415  an extra

    new = LayerParameter()
    for field, value in old.ListFields():
        if field.name in _CHANGED:
            continue
        if field.is_repeated:
            getattr(new, field.name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    new.type = current_type(old.LayerType.Name(old.type))
    _upgrade_params(old, new)
    for key in ("data_param", "image_data_param"):
        if new.HasField(key):
            _move_transform(getattr(new, key), new.transform_param)
    return new


def current_type(name: str) -> str:
    """What LayerParameter calls a V1 type: INNER_PRODUCT is InnerProduct."""
    return _NAMES.get(name, "".join(word.capitalize() for word in name.split("_")))


def _upgrade_params(old: Any, new: Any) -> None:
    """blobs_lr, weight_decay and the names and modes of shared blobs, as a list of ParamSpec."""
    for source, target in (
        (old.blobs_lr, "lr_mult"),
        (old.weight_decay, "decay_mult"),
        (old.param, "name"),
        (old.blob_share_mode, "share_mode"),
    ):
        for index, value in enumerate(source):
            while len(new.param) <= index:
                new.param.add()
            setattr(new.param[index], target, value)


def _move_transform(old: Any, new: Any) -> None:
    """The transform that a V1 data layer's own parameter may hold."""
    for key in _TRANSFORM:
        if old.HasField(key):
            setattr(new, key, getattr(old, key))
            old.ClearField(key)
