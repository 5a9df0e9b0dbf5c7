"""EuclideanLoss and SigmoidCrossEntropyLoss against Caffe's loops, their messages, and at work."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.layers.base import ShapeError
from sparsenet.layers.regression import EuclideanLoss, SigmoidCrossEntropyLoss
from tests.small import inner_product, parts

LOSSES = (EuclideanLoss(name="l"), SigmoidCrossEntropyLoss(name="l"))


def run(layer, values, targets):
    bottoms = (tuple(values.shape[1:]), tuple(targets.shape[1:]))
    assert layer.output_shapes(bottoms) == ((),)
    return layer.build(bottoms, torch.Generator())(values, targets)


def caffe_euclidean(values, targets):
    total = 0.0
    for x, t in zip(values.ravel(), targets.ravel(), strict=True):
        total += (x - t) ** 2
    return total / len(values) / 2


def caffe_sigmoid(values, targets, ignore, normalization):
    total, counted = 0.0, 0
    for x, t in zip(values.ravel(), targets.ravel(), strict=True):
        if int(t) != ignore:
            p = 1 / (1 + math.exp(-x))
            total -= t * math.log(p) + (1 - t) * math.log(1 - p)
            counted += 1
    counts = {"VALID": counted, "FULL": values.size, "BATCH_SIZE": len(values), "NONE": 1}
    return total / max(counts[normalization], 1)


cases = given(shape=st.lists(st.integers(1, 3), min_size=1, max_size=3), seed=st.integers(0, 99))


@cases
@settings(max_examples=30, deadline=None)
def test_the_euclidean_loss_is_caffes(shape, seed):
    generator = np.random.default_rng(seed)
    values, targets = generator.normal(size=(2, 3, *shape))
    loss = run(EuclideanLoss(name="l"), torch.tensor(values), torch.tensor(targets))
    assert loss.item() == pytest.approx(caffe_euclidean(values, targets), rel=1e-12)


@given(
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    ignore=st.sampled_from([None, -1, 0, 1]),
    normalization=st.sampled_from(["VALID", "FULL", "BATCH_SIZE", "NONE"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_the_sigmoid_cross_entropy_is_caffes(shape, ignore, normalization, seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(3, *shape)) * 3
    targets = generator.choice([0, 1, 0.3, 0.9, -1], size=values.shape)
    layer = SigmoidCrossEntropyLoss(name="l", ignore_label=ignore, normalization=normalization)
    expected = caffe_sigmoid(values, targets, ignore, normalization)
    loss = run(layer, torch.tensor(values), torch.tensor(targets))
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_sum_is_divided_by_the_examples_where_nothing_is_said():
    assert SigmoidCrossEntropyLoss(name="l").normalization == "BATCH_SIZE"


@pytest.mark.parametrize(
    ("layer", "gradient"),
    [
        (EuclideanLoss(name="l"), lambda x, t: (x - t) / 4),
        (
            SigmoidCrossEntropyLoss(name="l"),
            lambda x, t: (1 / (1 + (-x).exp()) - t) / 4,
        ),
    ],
)
def test_the_gradient_is_caffes(layer, gradient):
    values = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(4, 3, dtype=torch.float64)
    run(layer, values, targets).backward()
    torch.testing.assert_close(values.grad, gradient(values.detach(), targets))


@pytest.mark.parametrize("x", [1e4, -1e4])
def test_the_cross_entropy_of_large_values_is_finite(x):
    values = torch.tensor([[x]], requires_grad=True)
    loss = run(SigmoidCrossEntropyLoss(name="l"), values, torch.tensor([[float(x < 0)]]))
    loss.backward()
    assert loss.item() == 1e4
    assert values.grad.item() == (1 if x > 0 else -1)


@pytest.mark.parametrize("layer", LOSSES)
def test_labels_are_numbers(layer):
    values, labels = torch.randn(5, 1), torch.tensor([0, 1, 1, 0, 1])
    assert torch.equal(run(layer, values, labels), run(layer, values, labels[:, None].float()))


@pytest.mark.parametrize("layer", LOSSES)
def test_features_are_compared_with_the_pixels_of_images_in_their_order(layer):
    values, images = torch.randn(2, 24), torch.rand(2, 2, 3, 4)
    expected = run(layer, values, images.reshape(2, 24))
    for layout in (torch.contiguous_format, torch.channels_last):
        targets = images.contiguous(memory_format=layout)
        torch.testing.assert_close(run(layer, values, targets), expected)
        torch.testing.assert_close(run(layer, values.view(2, 2, 3, 4), targets), expected)


@pytest.mark.parametrize("layer", LOSSES)
def test_shapes_that_do_not_fit(layer):
    messages = {
        ((), (4,)): f"{layer.type} needs values as its first bottom, not labels or a loss",
        ((10,), ()): f"{layer.type} needs as many targets as values: (10,) has 10 an example and "
        "() has 1",
        ((3, 4, 4), (4, 4)): f"{layer.type} needs as many targets as values: (3, 4, 4) has 48 an "
        "example and (4, 4) has 16",
    }
    for bottoms, message in messages.items():
        with pytest.raises(ShapeError) as error:
            layer.output_shapes(bottoms)
        assert str(error.value) == message


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("kind", ["EuclideanLoss", "SigmoidCrossEntropyLoss"])
def test_an_autoencoder_learns_the_images_of_its_data_layer(kind, precision):
    data = {"name": "digits", "type": "Data", "source": "digits", "batch_size": 16}
    layers = [
        data | {"transform": {"scale": 0.0625}},
        inner_product("code", 8),
        {"name": "tanh", "type": "TanH"},
        inner_product("decoded", 64),
        {"name": "loss", "type": kind, "bottom": ["decoded", "data"]},
    ]
    loop = parts({"layers": layers}, precision=precision, base_lr=0.01, momentum=0.9).loop()
    losses = [float(loop.stepper.step(step, loop.progress)) for step in range(60)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
