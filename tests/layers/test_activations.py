"""ReLU, ELU, Sigmoid, TanH, Power, Flatten and Softmax against their equations."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sparsenet.layers.activations import ELU, Flatten, Power, ReLU, Sigmoid, Softmax, TanH
from sparsenet.layers.base import ShapeError
from sparsenet.layers.dropout import Dropout


def run(layer, x):
    return layer.build((x.shape[1:],), torch.Generator())(torch.tensor(x)).numpy()


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(scale=3, size=(2, 3, 4, 5))


@pytest.mark.parametrize(
    ("layer", "equation"),
    [
        (ReLU(name="a"), lambda x: np.maximum(x, 0)),
        (
            ReLU(name="a", negative_slope=0.1),
            lambda x: np.maximum(x, 0) + 0.1 * np.minimum(x, 0),
        ),
        (
            ReLU(name="a", negative_slope=-2),
            lambda x: np.maximum(x, 0) - 2 * np.minimum(x, 0),
        ),
        (ReLU(name="a", clip=2.5), lambda x: np.minimum(np.maximum(x, 0), 2.5)),
        (ELU(name="a"), lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)),
        (
            ELU(name="a", alpha=0.3),
            lambda x: np.maximum(x, 0) + 0.3 * (np.exp(np.minimum(x, 0)) - 1),
        ),
        (Power(name="a"), lambda x: x),
        (Power(name="a", scale=-2, shift=0.5), lambda x: 0.5 - 2 * x),
        (Power(name="a", power=3, scale=0.5, shift=1), lambda x: (1 + 0.5 * x) ** 3),
        (Power(name="a", power=-0.75, scale=0.01, shift=9), lambda x: (9 + 0.01 * x) ** -0.75),
        (Power(name="a", power=0, scale=3, shift=1), np.ones_like),
        (Power(name="a", power=2, scale=0, shift=3), lambda x: np.full_like(x, 9)),
        (Sigmoid(name="a"), lambda x: 1 / (1 + np.exp(-x))),
        (TanH(name="a"), lambda x: (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x))),
        (Softmax(name="a"), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        (Flatten(name="a"), lambda x: x.reshape(2, 60)),
    ],
)
def test_each_value_follows_the_equation(layer, equation, x):
    np.testing.assert_allclose(run(layer, x), equation(x), rtol=1e-12, atol=1e-15)


def test_softmax_of_large_scores_is_finite():
    y = run(Softmax(name="a"), np.array([[1e30, 0.0, -1e30]]))
    assert y.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_the_derivative_of_relu_at_0_is_the_slope(slope):
    zero = torch.zeros(1, 1, requires_grad=True)
    ReLU(name="a", negative_slope=slope).build(((1,),), torch.Generator())(zero).sum().backward()
    assert zero.grad.item() == slope


def derivative(layer, value):
    x = torch.full((1, 1), float(value), requires_grad=True)
    layer.build(((1,),), torch.Generator())(x).sum().backward()
    return x.grad.item()


def test_a_clipped_relu_is_flat_at_0_and_at_its_clip():
    assert [derivative(ReLU(name="a", clip=6), x) for x in (-1, 0, 3, 6, 7)] == [0, 0, 1, 0, 0]


def test_the_derivative_of_elu_at_0_is_alpha():
    assert derivative(ELU(name="a", alpha=0.3), 0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("keys", "x", "expected"),
    [
        ({"power": 3}, 0, 0),
        ({"power": 2, "scale": 3, "shift": 1}, 2, 2 * 3 * 7),
        ({"power": 0, "scale": 3}, 2, 0),
        ({"power": 1, "scale": 3}, 0, 3),
        ({"power": 0.5, "scale": 4}, 1, 0.5 * 4 / 2),
    ],
)
def test_the_derivative_of_power_is_finite_where_it_exists(keys, x, expected):
    assert derivative(Power(name="a", **keys), x) == pytest.approx(expected)


def test_a_clip_and_a_slope_do_not_go_together():
    with pytest.raises(ValidationError, match="cannot stand beside negative_slope"):
        ReLU(name="a", clip=6, negative_slope=0.1)


@pytest.mark.parametrize("kind", [Dropout, ELU, Flatten, ReLU, Sigmoid, Softmax, TanH])
def test_labels_have_no_channels(kind):
    layer = kind(name="a")
    with pytest.raises(ShapeError) as error:
        layer.output_shapes(((),))
    message = f"{layer.type} needs features or an image, not one value an example"
    assert str(error.value) == message
