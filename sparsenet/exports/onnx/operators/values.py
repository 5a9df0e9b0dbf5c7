"""The layers without windows, each as ONNX operators: what it computes in a test."""

from __future__ import annotations

from functools import reduce

import numpy as np

from sparsenet.exports.onnx.graph import Place, writes
from sparsenet.layers.activations import (
    ELU,
    Flatten,
    Power,
    ReLU,
    Sigmoid,
    Softmax,
    TanH,
)
from sparsenet.layers.dividing import ChannelShuffle, Slice, Split
from sparsenet.layers.dropout import Dropout
from sparsenet.layers.inner_product import InnerProduct
from sparsenet.layers.joining import Concat, Eltwise


@writes(InnerProduct)
def _inner_product(layer: InnerProduct, at: Place) -> None:
    [features] = at.bottoms
    if len(at.node.in_shapes[0]) > 1:
        features = at.step("Flatten", features, axis=1)
    bias = [at.learnt("bias")] if layer.has_bias else []
    at.end("Gemm", features, at.learnt("weight"), *bias, transB=1)


@writes(ReLU)
def _relu(layer: ReLU, at: Place) -> None:
    if layer.clip is not None:
        bounds = at.constant("least", 0.0), at.constant("clip", layer.clip)
        at.end("Clip", *at.bottoms, *bounds)
    elif layer.negative_slope:
        at.end("LeakyRelu", *at.bottoms, alpha=layer.negative_slope)
    else:
        at.end("Relu", *at.bottoms)


@writes(ELU)
def _elu(layer: ELU, at: Place) -> None:
    at.end("Elu", *at.bottoms, alpha=layer.alpha)


@writes(Sigmoid)
def _sigmoid(layer: Sigmoid, at: Place) -> None:
    at.end("Sigmoid", *at.bottoms)


@writes(TanH)
def _tanh(layer: TanH, at: Place) -> None:
    at.end("Tanh", *at.bottoms)


@writes(Power)
def _power(layer: Power, at: Place) -> None:
    scaled = at.step("Mul", *at.bottoms, at.constant("scale", layer.scale))
    base = at.step("Add", scaled, at.constant("shift", layer.shift))
    at.end("Pow", base, at.constant("power", layer.power))


@writes(Flatten)
def _flatten(layer: Flatten, at: Place) -> None:
    at.end("Flatten", *at.bottoms, axis=1)


@writes(Softmax)
def _softmax(layer: Softmax, at: Place) -> None:
    at.end("Softmax", *at.bottoms, axis=1)


@writes(Dropout)
def _dropout(layer: Dropout, at: Place) -> None:
    at.copies()


@writes(Eltwise)
def _eltwise(layer: Eltwise, at: Place) -> None:
    if layer.operation == "PROD":
        *others, last = at.bottoms
        at.end("Mul", reduce(lambda one, other: at.step("Mul", one, other), others), last)
    elif layer.operation == "MAX":
        at.end("Max", *at.bottoms)
    else:
        coefficients = layer.coeff or (1.0,) * len(at.bottoms)
        parts = [
            value if coeff == 1 else at.step("Mul", value, at.constant("coeff", coeff))
            for value, coeff in zip(at.bottoms, coefficients, strict=True)
        ]
        at.end("Sum", *parts)


@writes(Concat)
def _concat(layer: Concat, at: Place) -> None:
    at.end("Concat", *at.bottoms, axis=1)


@writes(Slice)
def _slice(layer: Slice, at: Place) -> None:
    parts = [shape[0] for shape in at.node.out_shapes]
    at.end("Split", *at.bottoms, at.constant("parts", parts, np.int64), axis=1)


@writes(Split)
def _split(layer: Split, at: Place) -> None:
    at.copies()


@writes(ChannelShuffle)
def _channel_shuffle(layer: ChannelShuffle, at: Place) -> None:
    channels, height, width = at.node.in_shapes[0]
    # 0 is the length that the axis has already: any number of images.
    grouped = [0, layer.group, channels // layer.group, height, width]
    groups = at.step("Reshape", *at.bottoms, at.constant("grouped", grouped, np.int64))
    dealt = at.step("Transpose", groups, perm=[0, 2, 1, 3, 4])
    at.end("Reshape", dealt, at.constant("shape", [0, channels, height, width], np.int64))
