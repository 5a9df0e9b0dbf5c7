"""The layers without weights that are packed, as operations."""

from __future__ import annotations

from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from sparsenet.config.graph import Node
from sparsenet.layers.activations import ELU, Flatten, Power, ReLU, Sigmoid, Softmax, TanH
from sparsenet.layers.dividing import ChannelShuffle, Slice, Split
from sparsenet.layers.dropout import Dropout
from sparsenet.layers.joining import Concat, Eltwise
from sparsenet.layers.lrn import LRN
from sparsenet.layers.normalization import BatchNorm, BatchNormScale
from sparsenet.layers.pooling import Pooling
from sparsenet.layers.scale import PReLU, Scale
from sparsenet.program.lowering import Lowering, lowers
from sparsenet.program.operation import Blob, Numbers, Pool, Rectifier, Sizes

_Floats = NDArray[np.float32]


def _channels(node: Node) -> tuple[int, int]:
    """The channels of the first bottom, and the pixels of each."""
    first, *others = node.in_shapes[0]
    return first, prod(others)


@lowers(Flatten, Dropout, Split)
def _same(to: Lowering, node: Node) -> None:
    to.alias(node)


@lowers(ReLU)
def _relu(to: Lowering, node: Node) -> None:
    assert isinstance(node.layer, ReLU)
    cap = float("inf") if node.layer.clip is None else node.layer.clip
    to.rectify(node, Rectifier(node.layer.negative_slope, cap))


@lowers(ELU)
def _elu(to: Lowering, node: Node) -> None:
    assert isinstance(node.layer, ELU)
    to.emit(node, "elu", prod(node.in_shapes[0]), node.layer.alpha, in_place=True)


@lowers(Sigmoid)
def _sigmoid(to: Lowering, node: Node) -> None:
    to.emit(node, "sigmoid", prod(node.in_shapes[0]), in_place=True)


@lowers(TanH)
def _tanh(to: Lowering, node: Node) -> None:
    to.emit(node, "hyperbolic_tangent", prod(node.in_shapes[0]), in_place=True)


@lowers(Power)
def _power(to: Lowering, node: Node) -> None:
    layer, count = node.layer, prod(node.in_shapes[0])
    assert isinstance(layer, Power)
    (bottom,), top = to.bottoms(node), to.top(node)
    to.call(node, "linear", (bottom,), top, count, layer.scale, layer.shift, in_place=True)
    if layer.power != 1:
        to.call(node, "power", (top,), top, count, layer.power, in_place=True)


@lowers(PReLU)
def _prelu(to: Lowering, node: Node) -> None:
    channels, pixels = _channels(node)
    slopes = to.numbers(node, "weight")
    assert slopes is not None
    every = Numbers(slopes.name, np.broadcast_to(slopes.values, (channels,)).copy())
    to.emit(node, "rectify_channels", channels, pixels, every, in_place=True)


@lowers(Scale)
def _scale(to: Lowering, node: Node) -> None:
    factors, shifts = to.numbers(node, "weight"), to.numbers(node, "bias")
    assert factors is not None
    zeros = np.zeros_like(factors.values)
    _affine(to, node, factors.values, zeros if shifts is None else shifts.values)


@lowers(BatchNorm, BatchNormScale)
def _normalization(to: Lowering, node: Node) -> None:
    """By the statistics, as in a test: (x - mean) / sqrt(variance + eps) * weight + bias."""
    layer = node.layer
    assert isinstance(layer, BatchNorm | BatchNormScale)
    names = ("mean", "variance", "factor", "weight", "bias")
    found = {name: to.numbers(node, name) for name in names}
    held = {name: numbers.values.astype(np.float64) for name, numbers in found.items() if numbers}
    mean, variance = held["mean"], held["variance"]
    if "factor" in held:
        over = 1 / held["factor"] if held["factor"][0] else np.zeros(1)
        mean, variance = mean * over, variance * over
    factors = held.get("weight", 1.0) / np.sqrt(variance + layer.eps)
    shifts = held.get("bias", 0.0) - mean * factors
    _affine(to, node, factors.astype(np.float32), shifts.astype(np.float32))


def _affine(to: Lowering, node: Node, factors: _Floats, shifts: _Floats) -> None:
    name = node.layer.name
    numbers = (Numbers(f"{name}.factors", factors), Numbers(f"{name}.shifts", shifts))
    to.emit(node, "affine", *_channels(node), Rectifier(), *numbers, in_place=True)


@lowers(Pooling)
def _pooling(to: Lowering, node: Node) -> None:
    layer = node.layer
    assert isinstance(layer, Pooling)
    (channels, height, width), (_, rows, columns) = node.in_shapes[0], node.out_shapes[0]
    kernel = (height, width) if layer.global_pooling else layer.kernel_pair
    names = ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w")
    window = dict(zip(names, (*kernel, *layer.stride_pair, *layer.pad_pair), strict=True))
    image = {"height": height, "width": width, "rows": rows, "columns": columns}
    sizes = Sizes("pooling", {**image, **window, "by": Rectifier()})
    kind = {"MAX": "max", "AVE": "mean"}[layer.pool]
    line = (columns - 1) * layer.stride_pair[1] + kernel[1]
    plane = Pool(f"pool_plane_{kind}", sizes, height * width, rows * columns, line)
    if not to.join(node, lambda last: last.pooled(plane)):
        to.emit(node, f"pool_{kind}", channels, sizes, scratch=(line,))


@lowers(LRN)
def _lrn(to: Lowering, node: Node) -> None:
    layer = node.layer
    assert isinstance(layer, LRN)
    channels, height, width = node.in_shapes[0]
    size, alpha, beta = layer.local_size, layer.alpha, layer.beta
    if layer.norm_region == "WITHIN_CHANNEL":
        to.emit(
            node, "normalize_within", channels, height, width, size, alpha / size**2, float(beta)
        )
    else:
        numbers = (channels, height * width, size, alpha / size, float(beta), layer.k)
        to.emit(node, "normalize_across", *numbers, scratch=(height * width,))


@lowers(Softmax)
def _softmax(to: Lowering, node: Node) -> None:
    to.emit(node, "softmax", *_channels(node), in_place=True)


@lowers(Eltwise)
def _eltwise(to: Lowering, node: Node) -> None:
    layer, count = node.layer, prod(node.in_shapes[0])
    assert isinstance(layer, Eltwise)
    kernel = {"SUM": "add", "PROD": "multiply_values", "MAX": "take_larger"}[layer.operation]
    bottoms = to.bottoms(node)
    factors = layer.coeff or (1.0,) * len(bottoms)
    so_far, factor = bottoms[0], float(factors[0])
    for place, other in enumerate(bottoms[1:], 1):
        is_last = place == len(bottoms) - 1
        write = to.top(node) if is_last else Blob(f"{node.layer.name} part", count)
        more = (factor, float(factors[place])) if layer.operation == "SUM" else ()
        reads = (so_far, other)
        to.call(node, kernel, reads, write, count, Rectifier(), *more, in_place=True)
        so_far, factor = write, 1.0


@lowers(Concat)
def _concat(to: Lowering, node: Node) -> None:
    bottoms, top = to.bottoms(node), to.top(node)
    ends = accumulate(blob.size for blob in bottoms)
    for blob, end in zip(bottoms, ends, strict=True):
        numbers = (blob.size, 0, blob.size, end - blob.size, top.size)
        to.call(node, "copy_part", (blob,), top, *numbers)


@lowers(Slice)
def _slice(to: Lowering, node: Node) -> None:
    (bottom,) = to.bottoms(node)
    start = 0
    for place in range(len(node.tops)):
        top = to.top(node, place)
        to.call(node, "copy_part", (bottom,), top, top.size, start, bottom.size, 0, top.size)
        start += top.size


@lowers(ChannelShuffle)
def _shuffle(to: Lowering, node: Node) -> None:
    assert isinstance(node.layer, ChannelShuffle)
    to.emit(node, "shuffle", *_channels(node), node.layer.group)
