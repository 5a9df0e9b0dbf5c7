"""ReLU, Sigmoid, TanH, Flatten and Softmax against their equations."""

import numpy as np
import pytest
import torch

from sparsenet.layers.activations import Flatten, ReLU, Sigmoid, Softmax, TanH
from sparsenet.layers.base import ShapeError


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


@pytest.mark.parametrize("layer", [Flatten(name="a"), Softmax(name="a")])
def test_labels_have_no_channels(layer):
    with pytest.raises(ShapeError) as error:
        layer.output_shapes(((),))
    message = f"{layer.type} needs features or an image, not one value an example"
    assert str(error.value) == message
