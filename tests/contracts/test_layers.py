"""What every registered layer keeps: it builds, knows its shapes, and has the right gradient."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sparsenet.layers import LAYERS
from sparsenet.layers.base import ParameterLayer

FILLED = {
    "weight_filler": {"type": "gaussian", "std": 0.5},
    "bias_filler": {"type": "uniform", "min": -1, "max": 1},
}
IMAGE = (2, 3, 4)
EXAMPLES = [
    ("Convolution", {"num_output": 3, "kernel_size": 3, **FILLED}, (IMAGE,)),
    (
        "Convolution",
        {
            "num_output": 4,
            "kernel_h": 3,
            "kernel_w": 2,
            "stride": 2,
            "pad": 1,
            "group": 2,
            "dilation": 2,
            "bias_term": False,
            "weight_filler": {"type": "xavier"},
        },
        (IMAGE,),
    ),
    ("Pooling", {"kernel_size": 2, "stride": 2}, (IMAGE,)),
    ("Pooling", {"kernel_size": 3, "stride": 2, "pad": 2}, (IMAGE,)),
    ("Pooling", {"pool": "AVE", "kernel_size": 3, "stride": 2}, (IMAGE,)),
    ("Pooling", {"pool": "AVE", "kernel_size": 3, "stride": 2, "pad": 2}, (IMAGE,)),
    ("Pooling", {"pool": "AVE", "global_pooling": True}, (IMAGE,)),
    ("Pooling", {"global_pooling": True}, (IMAGE,)),
    ("InnerProduct", {"num_output": 3, **FILLED}, (IMAGE,)),
    ("InnerProduct", {"num_output": 3, "bias_term": False}, ((7,),)),
    ("ReLU", {}, (IMAGE,)),
    ("ReLU", {"negative_slope": 0.1}, ((7,),)),
    ("Sigmoid", {}, (IMAGE,)),
    ("TanH", {}, (IMAGE,)),
    ("Dropout", {"dropout_ratio": 0.3}, (IMAGE,)),
    ("Flatten", {}, (IMAGE,)),
    ("Softmax", {}, (IMAGE,)),
    ("SoftmaxWithLoss", {}, ((4,), ())),
    ("SoftmaxWithLoss", {"ignore_label": 1, "normalization": "FULL"}, (IMAGE, (3, 4))),
    ("Accuracy", {"top_k": 2}, ((4,), ())),
    ("Accuracy", {}, (IMAGE, (1, 3, 4))),
]
"""Of each layer some options and the shapes of its bottoms: a new layer gets a line here."""
SOURCES = {"Data"}
"""Layers that read no blob."""


def over(examples):
    """Run a test once for each of these examples."""
    numbered = [pytest.param(*item, id=f"{i}-{item[0]}") for i, item in enumerate(examples)]
    return pytest.mark.parametrize(("name", "keys", "bottoms"), numbered)


every_layer = over(EXAMPLES)


    ("BatchNorm", {}, (IMAGE,)),
    ("BatchNorm", {"use_global_stats": True, "eps": 0.5}, ((7,),)),
    ("BatchNormScale", {**FILLED, "moving_average_fraction": 0.5}, (IMAGE,)),
    ("BatchNormScale", {"use_global_stats": True}, (IMAGE,)),
    ("BatchNormScale", {}, ((7,),)),
    ("Scale", {"bias_term": True, "bias_filler": FILLED["bias_filler"]}, (IMAGE,)),
    ("Scale", {"filler": FILLED["weight_filler"]}, ((7,),)),
    ("PReLU", {"filler": FILLED["weight_filler"]}, (IMAGE,)),
    ("PReLU", {"channel_shared": True}, ((7,),)),
def built(name, keys, bottoms):
    layer = LAYERS[name].model_validate({"name": "layer", "type": name, **keys})
    return layer, layer.build(bottoms, torch.Generator().manual_seed(5))


def batch(layer, bottoms):
    """Scores or images of distinct values, none near 0, in float64; labels as the last bottom."""
    generator = torch.Generator().manual_seed(6)
    shape = (2, *bottoms[0])
    size = torch.Size(shape).numel()
    values = (torch.randperm(size, generator=generator) - size / 2 + 0.25) / size * 4
    tensors = [values.double().view(shape)]
    if len(bottoms) > 1:
        tensors.append(torch.randint(0, bottoms[0][0], (2, *bottoms[1]), generator=generator))
    return tensors


def is_judge(layer):
    return layer.is_loss or layer.is_accuracy


def test_every_registered_layer_has_an_example():
    assert {name for name, _, _ in EXAMPLES} == set(LAYERS) - SOURCES


@every_layer
def test_tops_have_the_shapes_that_were_promised(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    tensors = batch(layer, bottoms)
    top = module.double()(*tensors)
    shapes = layer.output_shapes(bottoms)
    assert len(shapes) == layer.tops == 1
    assert len(bottoms) == layer.bottoms
    assert tuple(top.shape) == (shapes[0] if is_judge(layer) else (2, *shapes[0]))


@every_layer
def test_parameters_have_the_shapes_that_were_promised(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    held = tuple(tuple(parameter.shape) for parameter in module.parameters())
    assert held == (layer.parameter_shapes(bottoms) if isinstance(layer, ParameterLayer) else ())


@over([e for e in EXAMPLES if e[0] in {"Convolution", "InnerProduct"}])
def test_multiply_accumulates_are_half_the_operations_that_torch_counts(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    with FlopCounterMode(display=False) as counter:
        module(batch(layer, bottoms)[0].float())
    assert counter.get_total_flops() == 2 * 2 * layer.multiply_accumulates(bottoms)


@every_layer
def test_gradients_are_those_of_the_function(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    first, *rest = batch(layer, bottoms)
    module.double()
    parameters = dict(module.named_parameters())

    def function(first, *values):
        torch.manual_seed(9)  # the mask of Dropout
        given = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(module, given, (first, *rest))

    if layer.is_accuracy:
        assert not module(first.requires_grad_(), *rest).requires_grad
        return
    inputs = [first, *(p.detach().clone() for p in parameters.values())]
    assert torch.autograd.gradcheck(function, [tensor.requires_grad_() for tensor in inputs])


# The mask of Dropout is drawn in the order of memory: its layouts differ by right.
@over([e for e in EXAMPLES if len(e[2][0]) == 3 and e[0] != "Dropout"])
def test_the_memory_format_changes_nothing(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    first, *rest = batch(layer, bottoms)
    module.double()
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        image = first.clone(memory_format=layout).requires_grad_()
        top = module(image, *rest)
        if top.requires_grad:
            # Weights of the sum that differ by position, so that misplaced values show.
            (top * torch.arange(top.numel()).view(top.shape)).sum().backward()
        results.append((top.detach(), image.grad))
    torch.testing.assert_close(results[0], results[1])


@every_layer
def test_bottoms_are_left_as_they_were(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    tensors = batch(layer, bottoms)
    before = [tensor.clone() for tensor in tensors]
    module.double()(*tensors)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


@every_layer
def test_building_is_a_function_of_the_generator(name, keys, bottoms):
    state = torch.get_rng_state()
    first = built(name, keys, bottoms)[1].state_dict()
    again = built(name, keys, bottoms)[1].state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    parameters = dict(built(name, keys, bottoms)[1].named_parameters())
    assert set(parameters) <= {"weight", "bias"}
    assert all(value.dtype == torch.float32 for value in first.values())


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_key_is_described(name):
    fields = LAYERS[name].model_fields
    assert [key for key, field in fields.items() if not field.description] == []
