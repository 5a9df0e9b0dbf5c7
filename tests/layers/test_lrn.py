"""LRN against Caffe's loops, and its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional as F

from sparsenet.layers.base import ShapeError
from sparsenet.layers.lrn import LRN


def run(layer, images):
    bottoms = (tuple(images.shape[1:]),)
    assert layer.output_shapes(bottoms) == bottoms
    return layer.build(bottoms, torch.Generator())(images)


def window(at, size, length):
    """The indices within `size // 2` of one, those that there are."""
    return range(max(0, at - size // 2), min(length, at + size // 2 + 1))


def across(x, size, alpha, beta, k):
    y = np.empty_like(x)
    for n, c, h, w in np.ndindex(x.shape):
        total = sum(x[n, j, h, w] ** 2 for j in window(c, size, x.shape[1]))
        y[n, c, h, w] = x[n, c, h, w] / (k + alpha / size * total) ** beta
    return y


def within(x, size, alpha, beta):
    y = np.empty_like(x)
    for n, c, h, w in np.ndindex(x.shape):
        rows, columns = window(h, size, x.shape[2]), window(w, size, x.shape[3])
        total = sum(x[n, c, i, j] ** 2 for i in rows for j in columns)
        y[n, c, h, w] = x[n, c, h, w] * (1 + alpha / size**2 * total) ** -beta
    return y


def test_the_constants_left_out_are_caffes():
    layer = LRN(name="n")
    constants = (layer.norm_region, layer.local_size, layer.alpha, layer.beta, layer.k)
    assert constants == ("ACROSS_CHANNELS", 5, 1, 0.75, 1)


@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    size=st.sampled_from([1, 3, 5, 9]),
    alpha=st.floats(0, 3),
    beta=st.floats(-1, 2),
    k=st.floats(0.5, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_both_regions_are_caffes(shape, size, alpha, beta, k, seed):
    x = np.random.default_rng(seed).normal(size=(2, *shape))
    keys = {"name": "n", "local_size": size, "alpha": alpha, "beta": beta}
    y = run(LRN(k=k, **keys), torch.tensor(x)).numpy()
    np.testing.assert_allclose(y, across(x, size, alpha, beta, k), rtol=1e-10)
    y = run(LRN(norm_region="WITHIN_CHANNEL", **keys), torch.tensor(x)).numpy()
    np.testing.assert_allclose(y, within(x, size, alpha, beta), rtol=1e-10)


def test_alexnets_norm_and_its_gradient_are_torchs():
    x = torch.randn(2, 12, 5, 4, dtype=torch.float64) * 100
    weights = torch.randn(x.shape, dtype=torch.float64)
    results = []
    for function in (
        lambda v: run(LRN(name="n", alpha=1e-4), v),
        lambda v: F.local_response_norm(v, 5, 1e-4, 0.75, 1.0),
    ):
        image = x.clone().requires_grad_()
        top = function(image)
        (gradient,) = torch.autograd.grad(top, image, weights)
        results.append((top, gradient))
    torch.testing.assert_close(*results)


def test_the_sum_near_k_is_not_rounded_to_bfloat16():
    """1 + 1e-5 * 20^2 would be 1 there."""
    x = torch.full((1, 1, 1, 1), 20.0, dtype=torch.bfloat16)
    y = run(LRN(name="n", local_size=1, alpha=1e-5, beta=1), x)
    assert y.dtype == torch.bfloat16
    assert y.item() == torch.tensor(20 / 1.004).bfloat16().item() != 20


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"local_size": 4}, "4 must be odd, so that the window has a middle"),
        (
            {"norm_region": "WITHIN_CHANNEL", "k": 2.0},
            "2 has no effect within a channel, where it is 1",
        ),
    ],
)
def test_keys_that_do_not_fit(keys, message):
    with pytest.raises(ValidationError, match=message):
        LRN(name="n", **keys)


def test_features_are_no_image():
    with pytest.raises(ShapeError) as error:
        LRN(name="n").output_shapes(((10,),))
    assert str(error.value) == "LRN needs channels, height and width, not (10,)"
