"""Eltwise and Concat against loops over their values, and their messages."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sparsenet.layers.base import ShapeError
from sparsenet.layers.joining import Concat, Eltwise


def run(layer, *arrays):
    bottoms = tuple(array.shape[1:] for array in arrays)
    top = layer.build(bottoms, torch.Generator())(*map(torch.tensor, arrays)).numpy()
    assert layer.output_shapes(bottoms) == (top.shape[1:],)
    return top


def arrays(count, shape, seed):
    """Arrays of few different values, so that ties are common."""
    generator = np.random.default_rng(seed)
    return [generator.integers(-2, 3, size=(2, *shape)).astype(float) for _ in range(count)]


shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3)


@given(shape=shapes, count=st.integers(2, 4), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=40, deadline=None)
def test_eltwise_takes_each_value_by_itself(shape, count, seed, data):
    given = arrays(count, shape, seed)
    coeff = data.draw(st.none() | st.lists(st.floats(-2, 2), min_size=count, max_size=count))
    factors = coeff or [1] * count
    results = {
        "SUM": run(Eltwise(name="e", coeff=coeff), *given),
        "PROD": run(Eltwise(name="e", operation="PROD"), *given),
        "MAX": run(Eltwise(name="e", operation="MAX"), *given),
    }
    for index in np.ndindex(given[0].shape):
        values = [float(array[index]) for array in given]
        total, product = 0.0, 1.0
        for factor, value in zip(factors, values, strict=True):
            total += factor * value
            product *= value
        assert results["SUM"][index] == pytest.approx(total, rel=1e-12, abs=1e-12)
        assert results["PROD"][index] == product
        assert results["MAX"][index] == max(values)


@pytest.mark.parametrize(
    ("values", "taken"),
    [((3, 3, 1), 1), ((3, 3, 3), 1), ((1, 3, 3), 1), ((3, 1, 3), 0), ((1, 2, 3), 2)],
)
def test_of_a_tie_the_gradient_goes_where_caffes_does(values, taken):
    bottoms = [torch.full((1, 1), float(value), requires_grad=True) for value in values]
    module = Eltwise(name="e", operation="MAX").build(((1,),) * 3, torch.Generator())
    module(*bottoms).sum().backward()
    assert [bottom.grad.item() for bottom in bottoms] == [i == taken for i in range(3)]


def test_the_gradient_of_a_product_is_that_of_the_others_where_one_is_0():
    bottoms = [torch.tensor([[value]], requires_grad=True) for value in (0.0, 2.0, 3.0)]
    module = Eltwise(name="e", operation="PROD").build(((1,),) * 3, torch.Generator())
    module(*bottoms).sum().backward()
    assert [bottom.grad.item() for bottom in bottoms] == [6, 0, 0]


@given(channels=st.lists(st.integers(1, 4), min_size=1, max_size=4), rest=st.just([]) | shapes)
@settings(max_examples=30, deadline=None)
def test_concat_puts_channels_in_a_row(channels, rest):
    given = [arrays(1, [count, *rest], i)[0] for i, count in enumerate(channels)]
    top = run(Concat(name="c"), *given)
    start = 0
    for array in given:
        for channel in range(array.shape[1]):
            assert (top[:, start + channel] == array[:, channel]).all()
        start += array.shape[1]
    assert start == top.shape[1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"bottom": ["a", "b"], "coeff": 1}, r"\[1.0\] must have one number for each of 2 blobs"),
        ({"operation": "PROD", "coeff": [1.0, 2.0]}, "is for operation SUM, not PROD"),
        ({"operation": "MAX", "coeff": [1.0, 2.0]}, "is for operation SUM, not MAX"),
        (
            {"bottom": ["a", "b"], "coeff": [1.0]},
            r"\[1.0\] must have one number for each of 2 blobs",
        ),
    ],
)
def test_coefficients_that_do_not_fit(keys, message):
    with pytest.raises(ValidationError, match=message):
        Eltwise(name="e", **keys)


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        (
            Eltwise(name="e"),
            ((4, 8, 8), (4, 8, 8), (4, 7, 8)),
            "Eltwise needs blobs of one shape, not (4, 8, 8) and (4, 7, 8)",
        ),
        (
            Eltwise(name="e"),
            ((), ()),
            "Eltwise needs features or an image, not one value an example",
        ),
        (
            Concat(name="c"),
            ((4, 8, 8), (2, 8, 7)),
            "Concat needs blobs that differ in their channels only, not (4, 8, 8) and (2, 8, 7)",
        ),
        (
            Concat(name="c"),
            ((4, 8, 8), ()),
            "Concat needs blobs that differ in their channels only, not (4, 8, 8) and ()",
        ),
        (
            Concat(name="c"),
            ((4,), (4, 8)),
            "Concat needs blobs that differ in their channels only, not (4,) and (4, 8)",
        ),
    ],
)
def test_shapes_that_do_not_fit(layer, bottoms, message):
    with pytest.raises(ShapeError) as error:
        layer.output_shapes(bottoms)
    assert str(error.value) == message
