"""What every registered layer keeps: it builds, knows its shapes, and has the right gradient."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sparsenet.layers import LAYERS
from sparsenet.layers.base import ParameterLayer
from tests.contracts.layer_examples import EXAMPLES, SOURCES, batch, built, is_judge


def over(examples):
    """Run a test once for each of these examples."""
    numbered = [pytest.param(*item, id=f"{i}-{item[0]}") for i, item in enumerate(examples)]
    return pytest.mark.parametrize(("name", "keys", "bottoms"), numbered)


every_layer = over(EXAMPLES)


def tops_of(module, tensors):
    """What a module makes of its bottoms, as a tuple."""
    tops = module(*tensors)
    return tops if isinstance(tops, tuple) else (tops,)


def test_every_registered_layer_has_an_example():
    assert {name for name, _, _ in EXAMPLES} == set(LAYERS) - SOURCES


@every_layer
def test_tops_have_the_shapes_that_were_promised(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    tensors = batch(layer, bottoms)
    tops = tops_of(module.double(), tensors)
    shapes = layer.output_shapes(bottoms)
    assert len(shapes) == len(layer.top_names)
    assert len(shapes) == layer.tops or layer.more_tops
    assert len(bottoms) == layer.bottoms or layer.more_bottoms
    examples = () if is_judge(layer) else (2,)
    assert [tuple(top.shape) for top in tops] == [(*examples, *shape) for shape in shapes]


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
    tensors = batch(layer, bottoms)
    module.double()
    parameters = dict(module.named_parameters())

    def function(*values):
        torch.manual_seed(9)  # the mask of Dropout
        given = dict(zip(parameters, values[len(tensors) :], strict=True))
        return torch.func.functional_call(module, given, values[: len(tensors)])

    floats = [tensor.requires_grad_() for tensor in tensors if tensor.is_floating_point()]
    if layer.is_accuracy:
        assert not module(*tensors).requires_grad
        return
    assert floats
    values = (p.detach().clone().requires_grad_() for p in parameters.values())
    assert torch.autograd.gradcheck(function, [*tensors, *values])


def laid_out(tensors, memory_format):
    """The same tensors, the images among them in this memory format, to be differentiated by."""
    images = [t.clone(memory_format=memory_format) if t.dim() == 4 else t for t in tensors]
    return [t.requires_grad_() if t.is_floating_point() else t for t in images]


# The mask of Dropout is drawn in the order of memory: its layouts differ by right.
@over([e for e in EXAMPLES if len(e[2][0]) == 3 and e[0] != "Dropout"])
def test_the_memory_format_changes_nothing(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    module.double()
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        tensors = laid_out(batch(layer, bottoms), layout)
        torch.manual_seed(9)  # the mask of bridgeout
        top = torch.cat([top.flatten() for top in tops_of(module, tensors)])
        if top.requires_grad:
            # Weights of the sum that differ by position, so that misplaced values show.
            (top * torch.arange(top.numel())).sum().backward()
        results.append((top.detach(), *(tensor.grad for tensor in tensors)))
    torch.testing.assert_close(results[0], results[1])


def order_in_memory(image):
    """The axes from the one whose neighbours are farthest apart; of equal ones the first first."""
    return sorted(range(4), key=image.stride, reverse=True)


# torch's softmax over the classes of each pixel, and its gradient, are channels first.
@over([e for e in EXAMPLES if len(e[2][0]) == 3 and "Softmax" not in e[0] and e[0] != "Accuracy"])
def test_images_and_their_gradients_stay_channels_last(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    tensors = laid_out([t.float() for t in batch(layer, bottoms)], torch.channels_last)
    tops = tops_of(module, tensors)
    images = [tensor for tensor in tensors if tensor.dim() == 4]
    weights = [torch.ones_like(top) for top in tops]
    gradients = torch.autograd.grad(tops, images, weights)
    found = [order_in_memory(t) for t in (*tops, *gradients) if t.dim() == 4]
    assert found == [[0, 2, 3, 1]] * len(found)


@every_layer
def test_autocast_computes_nearly_the_same(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        tensors = [t.to(dtype) if t.is_floating_point() else t for t in batch(layer, bottoms)]
        floats = [t.requires_grad_() for t in tensors if t.is_floating_point()]
        torch.manual_seed(9)  # the mask of Dropout
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            tops = tops_of(module, tensors)
        if layer.is_loss:
            assert tops[0].dtype == torch.float32
        total = sum(top.float().sum() for top in tops)
        gradients = [] if layer.is_accuracy else torch.autograd.grad(total, floats)
        results.append([tensor.float() for tensor in (*tops, *gradients)])
    torch.testing.assert_close(*results, rtol=0.03, atol=0.03)


@every_layer
def test_it_is_compiled_as_one_graph(name, keys, bottoms):
    layer, module = built(name, keys, bottoms)
    tensors = batch(layer, bottoms)
    torch._dynamo.reset()
    torch.manual_seed(9)  # the mask of Dropout
    expected = tops_of(module.double(), tensors)
    torch.manual_seed(9)
    # Traced whole and run by torch itself, without its compiler.
    found = torch.compile(tops_of, fullgraph=True, backend="eager")(module, tensors)
    torch.testing.assert_close(found, expected)


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
