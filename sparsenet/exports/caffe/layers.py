"""The layers as Caffe's, each with the keys that are not at Caffe's own value; fills `WRITERS`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sparsenet.exports.caffe.graph import WRITERS, Place, writes
from sparsenet.layers.activations import ELU, Flatten, Power, ReLU, Sigmoid, Softmax, TanH
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.dividing import ChannelShuffle, Slice, Split
from sparsenet.layers.dropout import Dropout
from sparsenet.layers.inner_product import InnerProduct
from sparsenet.layers.joining import Concat, Eltwise
from sparsenet.layers.lrn import LRN
from sparsenet.layers.normalization import BatchNorm, BatchNormScale
from sparsenet.layers.pooling import Pooling
from sparsenet.layers.scale import PReLU, Scale
from sparsenet.layers.window import WindowLayer

__all__ = ["WRITERS"]


def _set(message: Any, layer: Any, *keys: str) -> None:
    """Set the keys that the layer has at another value than Caffe's own; enums by their names."""
    for key in keys:
        value, field = getattr(layer, key), message.DESCRIPTOR.fields_by_name[key]
        if field.enum_type is not None:
            value = field.enum_type.values_by_name[value].number
        setattr(message, key, value)
        if getattr(message, key) == field.default_value:  # as float32 if need be
            message.ClearField(key)


def _set_window(message: Any, layer: WindowLayer, *, kernel: bool = True) -> None:
    """Kernel, stride and pad: one number where height and width are alike."""
    pairs = {"stride": (layer.stride_pair, 1), "pad": (layer.pad_pair, 0)}
    if kernel:
        pairs["kernel"] = (layer.kernel_pair, 0)
    for stem, ((height, width), own) in sorted(pairs.items()):
        key = "kernel_size" if stem == "kernel" else stem
        if height != width:
            setattr(message, f"{stem}_h", height)
            setattr(message, f"{stem}_w", width)
        elif height != own:
            _set_one(message, key, height)


def _set_one(message: Any, key: str, value: int) -> None:
    """A number that a Convolution has in a list, an axis each or one for all."""
    if message.DESCRIPTOR.fields_by_name[key].is_repeated:
        getattr(message, key).append(value)
    else:
        setattr(message, key, value)


@writes(Convolution)
def _convolution(layer: Convolution, place: Place) -> None:
    """Also with a kernel_pattern, whose other weights are zeros."""
    made = place.layer("Convolution", place.learnt("weight", "bias")).convolution_param
    _set(made, layer, "num_output", "bias_term", "group")
    _set_window(made, layer)
    height, width = layer.dilation_pair
    if (height, width) != (1, 1):
        made.dilation.extend([height] if height == width else [height, width])


@writes(InnerProduct)
def _inner_product(layer: InnerProduct, place: Place) -> None:
    made = place.layer("InnerProduct", place.learnt("weight", "bias")).inner_product_param
    _set(made, layer, "num_output", "bias_term")


@writes(BatchNorm)
def _batch_norm(layer: BatchNorm, place: Place) -> None:
    made = place.layer("BatchNorm", place.learnt("mean", "variance", "factor")).batch_norm_param
    _set(made, layer, "eps", "moving_average_fraction")
    _set_global(made, layer)


@writes(BatchNormScale)
def _batch_norm_scale(layer: BatchNormScale, place: Place) -> None:
    """A BatchNorm, its averages as sums of factor 1, and a Scale in place after it."""
    averages = [*place.learnt("mean", "variance"), torch.ones(1)]
    made = place.layer("BatchNorm", averages).batch_norm_param
    _set(made, layer, "eps", "moving_average_fraction")
    _set_global(made, layer)
    name = place.net.layer(f"{layer.name}/scale")
    scale = place.step("Scale", name, place.tops, place.tops, place.learnt("weight", "bias"))
    scale.scale_param.bias_term = True


def _set_global(message: Any, layer: BatchNorm | BatchNormScale) -> None:
    """Left out it is by the phase, which is not Caffe's default of a bool."""
    if layer.use_global_stats is not None:
        message.use_global_stats = layer.use_global_stats


@writes(Scale)
def _scale(layer: Scale, place: Place) -> None:
    made = place.layer("Scale", place.learnt("weight", "bias")).scale_param
    _set(made, layer, "bias_term")


@writes(PReLU)
def _prelu(layer: PReLU, place: Place) -> None:
    """A slope that is shared has no axis, in Caffe."""
    slopes: Tensor = place.tensor("weight")
    made = place.layer("PReLU", [slopes.reshape(()) if layer.channel_shared else slopes])
    _set(made.prelu_param, layer, "channel_shared")


@writes(Pooling)
def _pooling(layer: Pooling, place: Place) -> None:
    made = place.layer("Pooling").pooling_param
    _set(made, layer, "pool", "global_pooling", "round_mode")
    _set_window(made, layer, kernel=not layer.global_pooling)


@writes(LRN)
def _lrn(layer: LRN, place: Place) -> None:
    made = place.layer("LRN").lrn_param
    _set(made, layer, "norm_region", "local_size", "alpha", "beta", "k")


@writes(ReLU)
def _relu(layer: ReLU, place: Place) -> None:
    _set(place.layer("ReLU").relu_param, layer, "negative_slope")


@writes(ELU)
def _elu(layer: ELU, place: Place) -> None:
    _set(place.layer("ELU").elu_param, layer, "alpha")


@writes(Power)
def _power(layer: Power, place: Place) -> None:
    _set(place.layer("Power").power_param, layer, "power", "scale", "shift")


@writes(Dropout)
def _dropout(layer: Dropout, place: Place) -> None:
    _set(place.layer("Dropout").dropout_param, layer, "dropout_ratio")


@writes(Eltwise)
def _eltwise(layer: Eltwise, place: Place) -> None:
    made = place.layer("Eltwise").eltwise_param
    _set(made, layer, "operation")
    made.coeff.extend(layer.coeff or ())


@writes(Slice)
def _slice(layer: Slice, place: Place) -> None:
    place.layer("Slice").slice_param.slice_point.extend(layer.slice_point or ())


@writes(Sigmoid, TanH, Flatten, Softmax, Split, Concat)
def _alike(layer: Any, place: Place) -> None:
    place.layer(layer.type)


@writes(ChannelShuffle)
def _channel_shuffle(layer: ChannelShuffle, place: Place) -> None:
    """Each channel for itself, by a Slice, and all in the new order, by a Concat."""
    channels = place.node.in_shapes[0][0]
    apart = [place.net.top(f"{layer.name}/{channel}") for channel in range(channels)]
    place.step("Slice", place.net.layer(f"{layer.name}/slice"), place.bottoms, apart)
    each = channels // layer.group
    order = [apart[group * each + place] for place in range(each) for group in range(layer.group)]
    place.step("Concat", layer.name, order, place.tops)
