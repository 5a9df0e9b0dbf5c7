"""Convolutions and fully connected layers as operations."""

from __future__ import annotations

from math import prod

from sparsenet.config.graph import Node
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.inner_product import InnerProduct
from sparsenet.layers.window import Pair
from sparsenet.program.lowering import Lowering, lowers
from sparsenet.program.operation import Rectifier, Sizes, Sweep

WIDEST = 8
"""The largest LANES of the kernels."""


@lowers(InnerProduct)
def _inner_product(to: Lowering, node: Node) -> None:
    inputs, outputs = prod(node.in_shapes[0]), node.out_shapes[0][0]
    numbers = (inputs, outputs, Rectifier(), to.packed(node), to.numbers(node, "bias"))
    to.emit(node, "multiply", *numbers, scratch=(inputs * (to.group > 1),))


@lowers(Convolution)
def _convolution(to: Lowering, node: Node) -> None:
    assert isinstance(node.layer, Convolution)
    is_image = to.bottoms(node)[0] is to.image
    sizes, scratch = convolution_sizes(node.layer, node, is_image=is_image)
    to.emit(node, "convolve", sizes, to.packed(node), to.numbers(node, "bias"), scratch=scratch)


def convolution_sizes(
    layer: Convolution, node: Node, *, is_image: bool
) -> tuple[Sizes, tuple[int, int, int]]:
    """The `struct convolution`, see kernels/convolution.c, and the scratch: the copy, the sums and
    the line of a pooling, of which there is none yet.

    An image that the caller owns is copied where vectors would reach beyond it.
    """
    (channels, height, width), (outputs, rows, columns) = node.in_shapes[0], node.out_shapes[0]
    kernel, dilation, stride = layer.kernel_pair, layer.dilation_pair, layer.stride_pair
    reach = (dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1))
    unaligned = columns % WIDEST != 0
    copied = layer.pad_pair != (0, 0) or stride != (1, 1) or (is_image and unaligned)
    phases = (min(stride[0], reach[0] + 1), min(stride[1], reach[1] + 1))
    phase_rows, pitch = rows + reach[0] // stride[0], columns + reach[1] // stride[1]
    plane = phases[0] * phases[1] * phase_rows * pitch
    taps = _taps(kernel, dilation, stride, phases[1], (phase_rows, pitch))
    if not copied:
        assert (phase_rows, pitch) == (height, width)
    scratch = ((channels * plane + WIDEST) * copied, (rows * pitch + WIDEST) * unaligned, 0)
    return Sizes(
        "convolution",
        {
            "channels": channels,
            "height": height,
            "width": width,
            "groups": layer.group,
            "outputs": outputs,
            "rows": rows,
            "columns": columns,
            "pad_h": layer.pad_pair[0],
            "pad_w": layer.pad_pair[1],
            "stride_h": stride[0],
            "stride_w": stride[1],
            "phases_h": phases[0],
            "phases_w": phases[1],
            "phase_rows": phase_rows,
            "pitch": pitch,
            "plane": plane,
            "out_plane": rows * columns,
            "copied": int(copied),
            "taps": len(taps),
            "over_taps": _reciprocal(len(taps), channels // layer.group),
            "tap": taps,
            "sweep": Sweep(rows, columns, pitch),
            "pool": None,
            "by": Rectifier(),
        },
    ), scratch


def _reciprocal(taps: int, channels: int) -> int:
    """r = ceil(2^32 / taps): floor(p r / 2^32) is floor(p / taps) for the places p of a filter."""
    found = -(-(2**32) // taps)
    assert channels * taps * (found * taps - 2**32) < 2**32, "a filter beyond any real one"
    return found


def _taps(
    kernel: Pair, dilation: Pair, stride: Pair, phases_w: int, phase: Pair
) -> tuple[int, ...]:
    """Where the stretch of each tap begins: of which phase, and of which row and column in it."""
    taps = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            row, a = divmod(i * dilation[0], stride[0])
            column, b = divmod(j * dilation[1], stride[1])
            taps.append(((a * phases_w + b) * phase[0] + row) * phase[1] + column)
    return tuple(taps)
