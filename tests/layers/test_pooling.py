"""Pooling against the loops of Caffe's pooling layer, and its messages."""

import math
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.layers.base import ShapeError
from sparsenet.layers.pooling import Pooling
from sparsenet.record import check_record


def pooled_sizes(image, kernel, stride, pad, rounding):
    sizes = []
    for n, k, s, p in zip(image, kernel, stride, pad, strict=True):
        windows = int(rounding((n + 2 * p - k) / s)) + 1
        sizes.append(windows - (any(pad) and (windows - 1) * s >= n + p))
    return sizes


def pool(x, size, window, mean):
    """Caffe's windows: MAX clips them to the image, AVE counts them within the padded image."""
    (height, width), kernel, stride, pad = window
    y = np.zeros((*x.shape[:2], *size))
    for i, c, r, q in np.ndindex(y.shape):
        h0, w0 = r * stride[0] - pad[0], q * stride[1] - pad[1]
        h1 = min(h0 + kernel[0], height + pad[0])
        w1 = min(w0 + kernel[1], width + pad[1])
        pixels = x[i, c, max(h0, 0) : min(h1, height), max(w0, 0) : min(w1, width)]
        y[i, c, r, q] = pixels.sum() / ((h1 - h0) * (w1 - w0)) if mean else pixels.max()
    return y


@st.composite
def windows(draw):
    """An image with a kernel, a stride and a pad below the kernel."""
    image = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    return image, kernel, stride, pad


@given(windows(), st.booleans(), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_pooling_is_caffes(window, mean, floor, channels_last, compiling):
    image, kernel, stride, pad = window
    layer = Pooling(
        name="p",
        pool="AVE" if mean else "MAX",
        kernel_size=kernel,
        stride=stride,
        pad=pad,
        round_mode="FLOOR" if floor else "CEIL",
    )
    rounding = math.floor if floor else math.ceil
    size = pooled_sizes(*window, rounding)
    starts = [(count - 1) * s for count, s in zip(size, stride, strict=True)]
    if min(size) < 1 or any(a >= n + p for a, n, p in zip(starts, image, pad, strict=True)):
        with pytest.raises(ShapeError):
            layer.output_shapes(((2, *image),))
        return
    x = torch.randn(2, 2, *image, dtype=torch.float64)
    expected = pool(x.numpy(), size, window, mean)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    module = layer.build(((2, *image),), torch.Generator())
    assert layer.output_shapes(((2, *image),)) == ((2, *size),)
    with patch("torch.compiler.is_compiling", lambda: compiling):
        found = module(x)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_the_gradient_of_wide_pads_is_caffes(kind):
    layer = Pooling(name="p", pool=kind, kernel_size=3, stride=2, pad=2)
    module = layer.build(((1, 4, 4),), torch.Generator())
    # No two values are equal, so that the maximum is smooth near them.
    x = torch.randperm(16, generator=torch.Generator().manual_seed(0)).double().view(1, 1, 4, 4)
    assert torch.autograd.gradcheck(module, (x.requires_grad_(),))


def test_of_equal_pixels_the_first_gets_the_gradient():
    module = Pooling(name="p", kernel_size=2, stride=2).build(((1, 2, 2),), torch.Generator())
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    module(x).sum().backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]


@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_global_pooling_is_the_whole_image(kind):
    layer = Pooling(name="p", pool=kind, global_pooling=True)
    x = torch.randn(2, 3, 4, 5)
    top = layer.build(((3, 4, 5),), torch.Generator())(x)
    assert layer.output_shapes(((3, 4, 5),)) == ((3, 1, 1),)
    whole = x.amax((2, 3)) if kind == "MAX" else x.mean((2, 3))
    torch.testing.assert_close(top, whole.view(2, 3, 1, 1))


def test_cifar10_quick_keeps_the_columns_that_floor_would_drop():
    for size, pooled in ((32, 16), (16, 8), (8, 4)):
        ceil = Pooling(name="p", kernel_size=3, stride=2)
        floor = Pooling(name="p", kernel_size=3, stride=2, round_mode="FLOOR")
        assert ceil.output_shapes(((1, size, size),)) == ((1, pooled, pooled),)
        assert floor.output_shapes(((1, size, size),)) == ((1, pooled - 1, pooled - 1),)


@pytest.mark.parametrize(
    ("keys", "bottom", "message"),
    [
        ({"kernel_size": 2}, (5,), "Pooling needs channels, height and width, not (5,)"),
        (
            {"kernel_size": 7, "pad": 1},
            (3, 4, 9),
            "Pooling's kernel is 7x7 pixels, more than the 6x11 of its padded bottom",
        ),
        (
            {"kernel_size": 1, "stride": 3},
            (3, 4, 5),
            "Pooling's last window begins at pixel 6 of 5; give round_mode: FLOOR",
        ),
    ],
)
def test_shapes_that_do_not_fit(keys, bottom, message):
    with pytest.raises(ShapeError) as error:
        Pooling(name="p", **keys).output_shapes((bottom,))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({}, "kernel_size", "is missing"),
        ({"kernel_size": 2, "pad": 2}, "pad", "2 must be less than the kernel, 2"),
        ({"kernel_size": 2, "pad_w": 3}, "pad_w", "3 must be less than the kernel, 2"),
        (
            {"global_pooling": True, "kernel_size": 2},
            "kernel_size",
            "cannot stand beside global_pooling, which is the kernel",
        ),
        (
            {"global_pooling": True, "kernel_h": 2, "kernel_w": 2},
            "kernel_h",
            "cannot stand beside global_pooling, which is the kernel",
        ),
        ({"global_pooling": True, "stride": 2}, "global_pooling", "takes only pad 0 and stride 1"),
        (
            {"kernel_size": 2, "pool": "STOCHASTIC"},
            "pool",
            "'STOCHASTIC' is not MAX or AVE",
        ),
    ],
)
def test_keys_that_contradict_each_other(keys, key, message):
    data = {"name": "p", "type": "Pooling", **keys}
    assert check_record(Pooling, data) == (None, [((key,), message)])
