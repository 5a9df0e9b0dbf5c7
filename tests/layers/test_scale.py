"""Scale and PReLU against numpy's broadcasting, and their keys."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sparsenet.layers.base import ShapeError
from sparsenet.layers.scale import PReLU, Scale

SPREAD = {"type": "uniform", "min": -2, "max": 2}
BOTTOMS = [(5,), (5, 3, 2)]


def built(layer, bottom):
    return layer.build((bottom,), torch.Generator().manual_seed(3)).double()


def examples(bottom):
    return np.random.default_rng(0).normal(size=(4, *bottom))


def by_channel(values, bottom):
    return values.detach().numpy().reshape(-1, *[1] * (len(bottom) - 1))


@pytest.mark.parametrize("bottom", BOTTOMS)
@pytest.mark.parametrize("bias_term", [True, False])
def test_each_channel_is_multiplied_and_shifted(bottom, bias_term):
    keys = {"bias_term": True, "bias_filler": SPREAD} if bias_term else {}
    module, x = built(Scale(name="s", filler=SPREAD, **keys), bottom), examples(bottom)
    expected = x * by_channel(module.weight, bottom)
    expected += by_channel(module.bias, bottom) if bias_term else 0
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), expected, rtol=1e-15)


@pytest.mark.parametrize("bottom", BOTTOMS)
@pytest.mark.parametrize("channel_shared", [True, False])
def test_values_below_0_have_their_channels_slope(bottom, channel_shared):
    module = built(PReLU(name="p", filler=SPREAD, channel_shared=channel_shared), bottom)
    x = examples(bottom)
    expected = np.where(x > 0, x, x * by_channel(module.weight, bottom))
    assert module.weight.numel() == (1 if channel_shared else 5)
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), expected, rtol=1e-15)


def test_the_derivative_at_0_is_the_slope():
    x = torch.zeros(1, 3, requires_grad=True)
    PReLU(name="p").build(((3,),), torch.Generator())(x).sum().backward()
    assert torch.equal(x.grad, torch.full((1, 3), 0.25))


def test_first_values_are_caffes():
    generator = torch.Generator()
    scale = Scale(name="s", bias_term=True).build(((3,),), generator)
    assert (scale.weight.tolist(), scale.bias.tolist()) == ([1, 1, 1], [0, 0, 0])
    assert Scale(name="s").build(((3,),), generator).bias is None
    assert PReLU(name="p").build(((2, 4, 4),), generator).weight.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("layer", [Scale(name="s", bias_term=True), PReLU(name="p")])
def test_bfloat16_stays_bfloat16(layer):
    module = layer.build(((3, 2, 2),), torch.Generator())
    x = torch.randn(4, 3, 2, 2)
    y = module(x.bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), module(x), atol=2e-2, rtol=1e-2)
    y.float().sum().backward()
    assert module.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("kind", [Scale, PReLU])
def test_labels_have_no_channels(kind):
    with pytest.raises(ShapeError) as error:
        kind(name="x").parameter_shapes(((),))
    words = "needs features or an image, not one value an example"
    assert str(error.value) == f"{kind.__name__} {words}"


def test_a_filler_that_does_not_fit_is_named_by_its_key():
    with pytest.raises(ShapeError, match=r"^filler: bilinear fills a weight with a square kernel"):
        Scale(name="s", filler={"type": "bilinear"}).parameter_shapes(((3,),))


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (Scale, {"bias_filler": SPREAD}),
        (Scale, {"param": [{}, {}]}),
        (PReLU, {"param": [{}, {}]}),
    ],
)
def test_keys_of_what_is_not_there_are_refused(kind, keys):
    with pytest.raises(ValidationError):
        kind(name="x", **keys)
