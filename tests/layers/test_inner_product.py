"""InnerProduct against sums over plain indices."""

import numpy as np
import pytest
import torch

from sparsenet.layers.base import ShapeError
from sparsenet.layers.inner_product import InnerProduct


def filled(**keys):
    return InnerProduct(
        name="ip",
        num_output=5,
        weight_filler={"type": "gaussian"},
        bias_filler={"type": "uniform"},
        **keys,
    )


@pytest.mark.parametrize("bottom", [(4,), (3, 2, 4)])
@pytest.mark.parametrize("bias_term", [True, False])
def test_each_output_is_its_row_times_the_values_in_order(bottom, bias_term):
    keys = {} if bias_term else {"bias_term": False}
    layer = filled().model_copy(update=keys)
    module = layer.build((bottom,), torch.Generator().manual_seed(3)).double()
    x = np.random.default_rng(0).normal(size=(2, *bottom))
    expected = np.zeros((2, 5))
    for n, o in np.ndindex(2, 5):
        values = [x[(n, *index)] for index in np.ndindex(*bottom)]
        expected[n, o] = sum(w * v for w, v in zip(module.weight[o].tolist(), values, strict=True))
        expected[n, o] += module.bias[o].item() if bias_term else 0
    assert layer.output_shapes((bottom,)) == ((5,),)
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), expected, atol=1e-12)


def test_the_order_is_channel_row_column_in_any_memory_format():
    module = filled().build(((3, 4, 5),), torch.Generator().manual_seed(3))
    x = torch.randn(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(module(last), module(x))


def test_weight_and_bias_are_as_caffes_blobs():
    module = filled().build(((3, 2, 4),), torch.Generator())
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert shapes == {"weight": (5, 24), "bias": (5,)}


def test_fillers_left_out_are_caffes_zero():
    module = InnerProduct(name="ip", num_output=2).build(((3,),), torch.Generator())
    assert not any(parameter.any() for parameter in module.parameters())


def test_the_weights_are_drawn_before_the_biases_from_the_given_generator():
    module = filled().build(((4,),), torch.Generator().manual_seed(3))
    draws = torch.Generator().manual_seed(3)
    assert torch.equal(module.weight, torch.empty(5, 4).normal_(generator=draws))
    assert torch.equal(module.bias, torch.empty(5).uniform_(generator=draws))


def test_labels_have_nothing_to_multiply():
    with pytest.raises(ShapeError) as error:
        filled().output_shapes(((),))
    message = "InnerProduct needs features or an image, not one value an example"
    assert str(error.value) == message


def test_each_weight_multiplies_once_an_example():
    assert filled().multiply_accumulates(((3, 2, 4),)) == 5 * 24
