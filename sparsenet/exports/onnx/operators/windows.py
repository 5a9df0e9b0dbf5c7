"""The layers with windows as ONNX operators: Convolution, Pooling, LRN within a channel."""

from __future__ import annotations

import numpy as np

from sparsenet.exports.onnx.graph import Place, writes
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.lrn import LRN
from sparsenet.layers.pooling import Pooling


@writes(Convolution)
def _convolution(layer: Convolution, at: Place) -> None:
    bias = [at.learnt("bias")] if layer.has_bias else []
    at.end(
        "Conv",
        *at.bottoms,
        at.learnt("weight"),
        *bias,
        kernel_shape=layer.kernel_pair,
        strides=layer.stride_pair,
        pads=layer.pad_pair * 2,
        dilations=layer.dilation_pair,
        group=layer.group,
    )


@writes(Pooling)
def _pooling(layer: Pooling, at: Place) -> None:
    """The pad at an axis' end is as wide as the last window needs it, so that none is cut off.

    ONNX has a ceil_mode too, but its runtimes do not agree on what such a mean is divided by.
    """
    name = "Max" if layer.pool == "MAX" else "Average"
    if layer.global_pooling:
        at.end(f"Global{name}Pool", *at.bottoms)
        return
    image, pooled = at.node.in_shapes[0][1:], at.node.out_shapes[0][1:]
    pads = [*layer.pad_pair, *(_end(layer, axis, image[axis], pooled[axis]) for axis in (0, 1))]
    window = {"kernel_shape": layer.kernel_pair, "strides": layer.stride_pair, "pads": pads}
    if layer.pool == "MAX":
        at.end("MaxPool", *at.bottoms, **window)
        return
    rows, columns = (_shares(layer, axis, image[axis], pooled[axis]) for axis in (0, 1))
    shares = np.outer(rows, columns)
    if (shares == 1).all():
        at.end("AveragePool", *at.bottoms, **window, count_include_pad=1)
    else:
        means = at.step("AveragePool", *at.bottoms, **window, count_include_pad=1)
        at.end("Mul", means, at.constant("shares", shares[None, None]))


def _end(layer: Pooling, axis: int, size: int, windows: int) -> int:
    """The pixels that the last window has behind the image."""
    kernel, stride, pad = (p[axis] for p in (layer.kernel_pair, layer.stride_pair, layer.pad_pair))
    return max(0, (windows - 1) * stride - pad + kernel - size)


def _shares(layer: Pooling, axis: int, size: int, windows: int) -> np.ndarray:
    """By window the kernel's length over the window's within the padded image, which divides."""
    kernel, stride, pad = (p[axis] for p in (layer.kernel_pair, layer.stride_pair, layer.pad_pair))
    starts = np.arange(windows) * stride - pad
    return kernel / (np.minimum(starts + kernel, size + pad) - starts)


@writes(LRN)
def _lrn(layer: LRN, at: Place) -> None:
    if layer.norm_region == "ACROSS_CHANNELS":
        rest = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
        at.end("LRN", *at.bottoms, size=layer.local_size, **rest)
        return
    [images] = at.bottoms
    size, pad = layer.local_size, layer.local_size // 2
    squares = at.step("Mul", images, images)
    window = {"kernel_shape": [size, size], "pads": [pad] * 4, "count_include_pad": 1}
    mean = at.step("AveragePool", squares, **window)
    scaled = at.step("Mul", mean, at.constant("alpha", layer.alpha))
    scale = at.step("Add", scaled, at.constant("k", 1.0))
    factor = at.step("Pow", scale, at.constant("power", -layer.beta))
    at.end("Mul", images, factor)
