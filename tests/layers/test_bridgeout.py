"""Layers with bridgeout against their weights perturbed by hand: one mask, or one an example."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sparsenet.layers import bridgeout
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.inner_product import InnerProduct
from sparsenet.regularization.perturbation import drawn, perturbed, spread

FILLED = {
    "weight_filler": {"type": "gaussian", "std": 0.5},
    "bias_filler": {"type": "uniform", "min": -1, "max": 1},
}
BOTTOM = (4, 5, 6)
LAYERS = {
    "InnerProduct": InnerProduct(name="l", num_output=3, **FILLED),
    "InnerProduct without biases": InnerProduct(
        name="l", num_output=3, bias_term=False, weight_filler=FILLED["weight_filler"]
    ),
    "Convolution": Convolution(name="l", num_output=6, kernel_size=3, **FILLED),
    "Convolution in groups": Convolution(
        name="l", num_output=6, kernel_size=3, stride=2, pad=1, group=2, dilation=2, **FILLED
    ),
    "Convolution without biases": Convolution(
        name="l",
        num_output=6,
        kernel_size=1,
        bias_term=False,
        weight_filler=FILLED["weight_filler"],
    ),
}
every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def built(layer, **keys):
    """The layer's module in float64, with bridgeout unless there are no keys of it."""
    rule = {"type": "bridgeout", **keys} if keys else None
    record = type(layer).model_validate(
        layer.model_dump(exclude_unset=True) | {"regularization": rule}
    )
    return record.build((BOTTOM,), torch.Generator().manual_seed(5)).double()


def images(count=7):
    generator = torch.Generator().manual_seed(6)
    return torch.randn(count, *BOTTOM, generator=generator, dtype=torch.float64)


def by_hand(plain, examples, masks, q, p, fraction):
    """Example after example: the plain module with its weight perturbed by this example's mask."""
    weight = dict(plain.named_parameters())["weight"]
    outputs = []
    for example, kept in zip(examples, masks, strict=True):
        given = {"weight": perturbed(weight, spread(weight, q, fraction), kept, p)}
        outputs.append(torch.func.functional_call(plain, given, (example[None],)))
    return torch.cat(outputs)


@every_layer
@pytest.mark.parametrize("granularity", ["batch", "example"])
@pytest.mark.parametrize("chunk", [1, 500, 1 << 24])
def test_each_example_is_computed_by_its_mask(layer, granularity, chunk, monkeypatch):
    monkeypatch.setattr(bridgeout, "_CHUNK", chunk)
    options = {"q": 1.2, "p": 0.4, "target_fraction": 0.8}
    module = built(layer, granularity=granularity, **options)
    plain, x = built(layer), images()
    torch.manual_seed(3)
    found = module(x)
    torch.manual_seed(3)
    if granularity == "batch":
        masks = drawn(plain.weight, 0.4).expand(len(x), *plain.weight.shape)
    else:
        masks = drawn(plain.weight, 0.4, len(x))
    expected = by_hand(plain, x, masks, 1.2, 0.4, 0.8)
    torch.testing.assert_close(found, expected)
    parts = (torch.arange(y.numel(), dtype=y.dtype).view_as(y) * y for y in (found, expected))
    gradients = [
        torch.autograd.grad(part.sum(), list(net.parameters()))
        for part, net in zip(parts, (module, plain), strict=True)
    ]
    torch.testing.assert_close(*gradients)
    assert not torch.allclose(found, plain(x))


@every_layer
@pytest.mark.parametrize("granularity", ["batch", "example"])
def test_a_test_uses_the_weight_itself_and_draws_nothing(layer, granularity):
    module = built(layer, granularity=granularity).eval()
    state = torch.get_rng_state()
    assert torch.equal(module(images()), built(layer)(images()))
    assert torch.equal(torch.get_rng_state(), state)


@every_layer
def test_other_regularizations_perturb_nothing(layer):
    module = built(layer)
    assert module.bridgeout is None
    assert set(dict(built(layer, p=0.3).named_parameters())) == set(dict(module.named_parameters()))


def test_autocast_perturbs_in_float32():
    # In bfloat16 the noise of a small weight would be lost beside a large one, and W rounded.
    module = built(LAYERS["InnerProduct"], q=2.0, p=0.5, target_fraction=1.0).float()
    seen = []

    def linear(x, weight, bias):
        seen.append(weight.dtype)
        return F.linear(x, weight, bias)

    module._together = lambda x, weight: linear(x, weight, module.bias)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        top = module(images().float())
    assert seen == [torch.float32]
    assert top.dtype == torch.bfloat16
    top.float().sum().backward()
    assert module.weight.grad.dtype == torch.float32
