"""Convolution against Caffe's definition as plain loops, and its messages."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparsenet.layers.base import ShapeError
from sparsenet.layers.convolution import Convolution
from sparsenet.record import check_record


def convolve(x, weight, bias, *, stride, pad, dilation, group):
    """Each output as the sum over its window, one at a time."""
    n, channels, height, width = x.shape
    outputs, depth, kh, kw = weight.shape
    rows = (height + 2 * pad[0] - (dilation[0] * (kh - 1) + 1)) // stride[0] + 1
    columns = (width + 2 * pad[1] - (dilation[1] * (kw - 1) + 1)) // stride[1] + 1
    y = np.zeros((n, outputs, rows, columns))
    for i, o, r, q in np.ndindex(y.shape):
        total = bias[o]
        for c, a, b in np.ndindex(depth, kh, kw):
            channel = (o // (outputs // group)) * (channels // group) + c
            h = r * stride[0] - pad[0] + a * dilation[0]
            w = q * stride[1] - pad[1] + b * dilation[1]
            if 0 <= h < height and 0 <= w < width:
                total += weight[o, c, a, b] * x[i, channel, h, w]
        y[i, o, r, q] = total
    return y


def side(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@given(
    image=side(1, 7),
    kernel=side(1, 3),
    stride=side(1, 3),
    pad=side(0, 2),
    dilation=side(1, 2),
    group=st.integers(1, 2),
    channels_last=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_convolution_is_caffes(*, image, kernel, stride, pad, dilation, group, channels_last):
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(n + 2 * p >= s for n, p, s in zip(image, pad, spans, strict=True)))
    layer = Convolution(
        name="c",
        num_output=2 * group,
        kernel_size=kernel,
        stride=stride,
        pad=pad,
        dilation=dilation,
        group=group,
        weight_filler={"type": "gaussian"},
        bias_filler={"type": "uniform"},
    )
    bottom = (2 * group, *image)
    module = layer.build((bottom,), torch.Generator().manual_seed(1)).double()
    x = torch.randn(2, *bottom, dtype=torch.float64)
    expected = convolve(
        x.numpy(),
        module.weight.detach().numpy(),
        module.bias.detach().numpy(),
        stride=stride,
        pad=pad,
        dilation=dilation,
        group=group,
    )
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    top = module(x)
    assert layer.output_shapes((bottom,)) == (expected.shape[1:],)
    np.testing.assert_allclose(top.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_sides_may_be_given_by_name():
    whole = Convolution(name="c", num_output=1, kernel_size=(3, 2), stride=(2, 1), pad=(0, 1))
    sides = Convolution(
        name="c", num_output=1, kernel_h=3, kernel_w=2, stride_h=2, stride_w=1, pad_w=1
    )
    assert sides.kernel_pair == whole.kernel_pair == (3, 2)
    assert sides.stride_pair == whole.stride_pair == (2, 1)
    assert sides.pad_pair == whole.pad_pair == (0, 1)
    assert whole.dilation_pair == (1, 1)


def test_weight_and_bias_are_as_caffes_blobs():
    layer = Convolution(name="c", num_output=6, kernel_size=5, group=2)
    module = layer.build(((4, 8, 8),), torch.Generator())
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert shapes == {"weight": (6, 2, 5, 5), "bias": (6,)}
    bare = Convolution(name="c", num_output=6, kernel_size=5, bias_term=False)
    names = [name for name, _ in bare.build(((4, 8, 8),), torch.Generator()).named_parameters()]
    assert names == ["weight"]


@pytest.mark.parametrize(
    ("keys", "bottom", "message"),
    [
        (
            {"kernel_size": 5},
            (10,),
            "Convolution needs channels, height and width, not (10,)",
        ),
        (
            {"kernel_size": 7, "pad": 1},
            (1, 4, 9),
            "Convolution's kernel spans 7x7 pixels, more than the 6x11 of its padded bottom",
        ),
        (
            {"kernel_h": 1, "kernel_w": 3, "dilation": 2},
            (1, 4, 4),
            "Convolution's kernel spans 1x5 pixels, more than the 4x4 of its padded bottom",
        ),
        (
            {"kernel_size": 1, "group": 2},
            (3, 4, 4),
            "Convolution's group, 2, must divide its bottom's 3 channels",
        ),
        (
            {"kernel_size": 1, "weight_filler": {"type": "gaussian", "sparse": 5}},
            (3, 4, 4),
            "weight_filler: gaussian's sparse, 5, must be at most the blob's first axis, 4",
        ),
        (
            {"kernel_size": (1, 2), "weight_filler": {"type": "bilinear"}},
            (3, 4, 4),
            "weight_filler: bilinear fills a weight with a square kernel, not (4, 3, 1, 2)",
        ),
        (
            {"kernel_size": 1, "bias_filler": {"type": "bilinear"}},
            (3, 4, 4),
            "bias_filler: bilinear fills a weight with a square kernel, not (4,)",
        ),
    ],
)
def test_shapes_that_do_not_fit(keys, bottom, message):
    layer = Convolution(name="c", num_output=4, **keys)
    with pytest.raises(ShapeError) as error:
        layer.output_shapes((bottom,))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({}, "kernel_size", "is missing"),
        ({"kernel_h": 3}, "kernel_w", "is missing: kernel_h needs it beside it"),
        ({"kernel_size": 3, "stride_w": 2}, "stride_h", "is missing: stride_w needs it beside it"),
        (
            {"kernel_size": 3, "kernel_w": 2},
            "kernel_w",
            "cannot stand beside kernel_size; give one of them",
        ),
        (
            {"kernel_size": 3, "pad": 1, "pad_h": 1},
            "pad_h",
            "cannot stand beside pad; give one of them",
        ),
        (
            {"kernel_size": [1, 2, 3]},
            "kernel_size",
            "[1, 2, 3] must be one number or [height, width]",
        ),
        (
            {"kernel_size": 3, "dilation": []},
            "dilation",
            "[] must have at least 1 value",
        ),
        ({"kernel_size": 3, "group": 3}, "num_output", "4 must be a multiple of group, 3"),
        (
            {"kernel_size": 3, "bias_term": False, "bias_filler": {"type": "constant", "value": 1}},
            "bias_filler",
            "has nothing to fill: bias_term is false",
        ),
        (
            {"kernel_size": 3, "bias_term": False, "param": [{}, {"lr_mult": 2}]},
            "param",
            "has a second entry but no bias: bias_term is false",
        ),
    ],
)
def test_keys_that_contradict_each_other(keys, key, message):
    data = {"name": "c", "type": "Convolution", "num_output": 4, **keys}
    assert check_record(Convolution, data) == (None, [((key,), message)])
