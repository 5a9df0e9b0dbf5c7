"""Fillers against Caffe's formulas over the generator's raw draws, their moments and bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.layers.base import ShapeError
from sparsenet.layers.fillers import (
    FILLERS,
    Bilinear,
    Constant,
    Gaussian,
    Msra,
    PositiveUnitball,
    Uniform,
    Xavier,
)
from sparsenet.record import check_record

SHAPES = [(20, 50), (8, 3, 5, 5), (30,)]


def fill(filler, shape, seed=7):
    return filler.fill(shape, torch.Generator().manual_seed(seed)).numpy()


def raw(shape, seed=7):
    """What the generator gives: uniform in [0, 1), and standard normal."""
    uniform = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    normal = torch.empty(shape).normal_(generator=torch.Generator().manual_seed(seed))
    return uniform.numpy().astype(float), normal.numpy().astype(float)


def fans(shape):
    """Caffe's fan_in and fan_out, spelled by the axes."""
    rest = math.prod(shape[2:])
    channels = shape[1] if len(shape) > 1 else 1
    return channels * rest, shape[0] * rest


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", ["FAN_IN", "FAN_OUT", "AVERAGE"])
def test_xavier_and_msra_have_their_fans_variance(shape, norm):
    fan_in, fan_out = fans(shape)
    n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]
    uniform, normal = raw(shape)
    xavier = fill(Xavier(variance_norm=norm), shape)
    np.testing.assert_allclose(xavier, math.sqrt(3 / n) * (2 * uniform - 1), atol=1e-6)
    half = fill(Xavier(variance_norm=norm, gain=0.5), shape)
    np.testing.assert_allclose(half, 0.5 * xavier, rtol=1e-6)
    msra = fill(Msra(variance_norm=norm), shape)
    np.testing.assert_allclose(msra, math.sqrt(2 / n) * normal, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_other_random_fillers_are_caffes(shape):
    uniform, normal = raw(shape)
    np.testing.assert_allclose(
        fill(Uniform(min=-2, max=3), shape), -2 + 5 * uniform, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        fill(Gaussian(mean=1, std=0.1), shape), 1 + 0.1 * normal, rtol=1e-6, atol=1e-6
    )
    rows = uniform.reshape(shape[0], -1)
    np.testing.assert_allclose(
        fill(PositiveUnitball(), shape),
        (rows / rows.sum(1, keepdims=True)).reshape(shape),
        rtol=1e-6,
    )


def test_moments_and_bounds_of_many_values():
    shape = (500, 400)
    values = {
        "uniform": (fill(Uniform(min=-1, max=3), shape), 1, 16 / 12),
        "gaussian": (fill(Gaussian(mean=2, std=0.5), shape), 2, 0.25),
        "xavier": (fill(Xavier(), shape), 0, 1 / 400),
        "msra": (fill(Msra(), shape), 0, 2 / 400),
    }
    for x, mean, variance in values.values():
        assert x.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / x.size))
        assert x.var() == pytest.approx(variance, rel=0.02)
    assert abs(values["xavier"][0]).max() <= math.sqrt(3 / 400) * (1 + 1e-6)
    assert values["uniform"][0].min() >= -1
    assert values["uniform"][0].max() <= 3


@pytest.mark.parametrize("sparse", [0, 5, 50])
def test_sparse_gaussian_keeps_sparse_of_each_inputs_outputs(sparse):
    outputs, inputs = 50, 4000
    x = fill(Gaussian(std=0.1, sparse=sparse), (outputs, inputs))
    p = sparse / outputs
    deviation = math.sqrt(p * (1 - p) / x.size)
    assert (x != 0).mean() == pytest.approx(p, abs=5 * deviation)
    _, normal = raw((outputs, inputs))
    np.testing.assert_allclose(x[x != 0], 0.1 * normal[x != 0], rtol=1e-5)


@given(st.tuples(*[st.integers(1, 5)] * 2), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_rows_of_positive_unitball_sum_to_1(shape, seed):
    x = fill(PositiveUnitball(), (*shape, 3), seed)
    assert x.min() >= 0
    np.testing.assert_allclose(x.sum((1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("size", range(1, 8))
def test_bilinear_is_caffes_loop(size):
    f = math.ceil(size / 2)
    c = (size - 1) / (2 * f)
    x = fill(Bilinear(), (2, 3, size, size))
    for index in np.ndindex(x.shape):
        h, w = index[2:]
        expected = (1 - abs(w / f - c)) * (1 - abs(h / f - c))
        assert x[index] == pytest.approx(expected, rel=1e-6)


def test_bilinear_4x4_in_numbers():
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_array_equal(fill(Bilinear(), (1, 1, 4, 4))[0, 0], np.outer(line, line))


def test_constant_is_its_value():
    assert (fill(Constant(value=-0.5), (3, 4)) == -0.5).all()
    assert not fill(Constant(), (3,)).any()


@pytest.mark.parametrize("name", sorted(FILLERS))
def test_each_filler_is_float32_and_repeats_from_its_seed(name):
    filler, shape = FILLERS[name](), (4, 3, 5, 5)
    once, again = fill(filler, shape), fill(filler, shape)
    assert once.dtype == np.float32
    assert once.shape == shape
    np.testing.assert_array_equal(once, again)
    assert once.flags.writeable
    assert (once == fill(filler, shape, seed=8)).all() == (name in {"constant", "bilinear"})


@pytest.mark.parametrize(
    ("filler", "shape", "message"),
    [
        (
            Gaussian(sparse=21),
            (20, 50),
            "gaussian's sparse, 21, must be at most the blob's first axis, 20",
        ),
        (
            Bilinear(),
            (20, 50),
            "bilinear fills a weight with a square kernel, not (20, 50)",
        ),
        (
            Bilinear(),
            (2, 2, 3, 4),
            "bilinear fills a weight with a square kernel, not (2, 2, 3, 4)",
        ),
    ],
)
def test_blobs_that_a_filler_cannot_fill(filler, shape, message):
    for check in (filler.check, lambda blob: fill(filler, blob)):
        with pytest.raises(ShapeError) as error:
            check(shape)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("filler", "keys", "key", "message"),
    [
        (Uniform, {"min": 2.0}, "max", "1 must be at least min, 2"),
        (Gaussian, {"std": 0}, "std", "0 must be greater than 0"),
        (Gaussian, {"sparse": -2}, "sparse", "-2 must be at least -1"),
        (
            Xavier,
            {"variance_norm": "FAN"},
            "variance_norm",
            "'FAN' is not FAN_IN, FAN_OUT or AVERAGE; did you mean 'FAN_IN'?",
        ),
    ],
)
def test_keys_out_of_range(filler, keys, key, message):
    assert check_record(filler, keys) == (None, [((key,), message)])
