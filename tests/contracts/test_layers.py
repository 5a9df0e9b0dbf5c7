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
NOISE = {"type": "bridgeout", "p": 0.4}
NOISE_EACH = NOISE | {"granularity": "example", "target_fraction": 1.0}
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
    (
        "Convolution",
        {"num_output": 3, "kernel_size": 2, "regularization": NOISE, **FILLED},
        (IMAGE,),
    ),
    (
        "Convolution",
        {
            "num_output": 4,
            "kernel_size": 3,
            "pad": 1,
            "stride": 2,
            "group": 2,
            "regularization": NOISE_EACH,
            **FILLED,
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
    ("InnerProduct", {"num_output": 3, "regularization": NOISE, **FILLED}, (IMAGE,)),
    ("InnerProduct", {"num_output": 3, "regularization": NOISE_EACH, **FILLED}, ((7,),)),
    ("ReLU", {}, (IMAGE,)),
    ("ReLU", {"negative_slope": 0.1}, ((7,),)),
    ("ReLU", {"clip": 1.5}, (IMAGE,)),
    ("ELU", {"alpha": 0.7}, (IMAGE,)),
    ("Power", {"power": 3, "scale": -0.5, "shift": 0.2}, (IMAGE,)),
    ("Power", {"power": -0.75, "shift": 3}, ((7,),)),
    ("LRN", {"local_size": 3, "alpha": 2, "k": 0.5}, ((5, 3, 2),)),
    ("LRN", {"local_size": 9}, (IMAGE,)),
    ("LRN", {"norm_region": "WITHIN_CHANNEL", "local_size": 3}, (IMAGE,)),
    ("Eltwise", {}, (IMAGE, IMAGE)),
    ("Eltwise", {"coeff": [1, -0.5, 2]}, ((7,), (7,), (7,))),
    ("Eltwise", {"operation": "PROD"}, (IMAGE, IMAGE, IMAGE)),
    ("Eltwise", {"operation": "MAX"}, (IMAGE, IMAGE, IMAGE)),
    ("Concat", {}, (IMAGE, (1, 3, 4), IMAGE)),
    ("Concat", {}, ((7,), (2,))),
    ("Slice", {"top": ["a", "b"]}, ((4, 3, 2),)),
    ("Slice", {"top": ["a", "b", "c"], "slice_point": [1, 3]}, ((6, 3, 2),)),
    ("Slice", {}, ((7,),)),
    ("Split", {"top": ["a", "b", "c"]}, (IMAGE,)),
    ("Split", {}, ((7,),)),
    ("ChannelShuffle", {"group": 3}, ((6, 3, 2),)),
    ("Sigmoid", {}, (IMAGE,)),
    ("TanH", {}, (IMAGE,)),
    ("Dropout", {"dropout_ratio": 0.3}, (IMAGE,)),
    ("Flatten", {}, (IMAGE,)),
    ("Softmax", {}, (IMAGE,)),
    ("BatchNorm", {}, (IMAGE,)),
    ("BatchNorm", {"use_global_stats": True, "eps": 0.5}, ((7,),)),
    ("BatchNormScale", {**FILLED, "moving_average_fraction": 0.5}, (IMAGE,)),
    ("BatchNormScale", {"use_global_stats": True}, (IMAGE,)),
    ("BatchNormScale", {}, ((7,),)),
    ("Scale", {"bias_term": True, "bias_filler": FILLED["bias_filler"]}, (IMAGE,)),
    ("Scale", {"filler": FILLED["weight_filler"]}, ((7,),)),
    ("PReLU", {"filler": FILLED["weight_filler"]}, (IMAGE,)),
    ("PReLU", {"channel_shared": True}, ((7,),)),
    ("SoftmaxWithLoss", {}, ((4,), ())),
    ("SoftmaxWithLoss", {"ignore_label": 1, "normalization": "FULL"}, (IMAGE, (3, 4))),
    ("SoftmaxWithLoss", {"label_smoothing": 0.1}, ((4,), ())),
    ("SoftmaxWithLoss", {"label_smoothing": 0.3, "ignore_label": 1}, (IMAGE, (3, 4))),
    ("MultinomialLogisticLoss", {}, ((4,), ())),
    ("MultinomialLogisticLoss", {"ignore_label": 1}, (IMAGE, (3, 4))),
    ("EuclideanLoss", {}, (IMAGE, IMAGE)),
    ("EuclideanLoss", {}, (IMAGE, (24,))),
    ("EuclideanLoss", {}, ((1,), ())),
    ("SigmoidCrossEntropyLoss", {}, (IMAGE, IMAGE)),
    ("SigmoidCrossEntropyLoss", {"ignore_label": 0, "normalization": "VALID"}, ((8,), (2, 2, 2))),
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


def built(name, keys, bottoms):
    layer = LAYERS[name].model_validate({"name": "layer", "type": name, **keys})
    return layer, layer.build(bottoms, torch.Generator().manual_seed(5))


def batch(layer, bottoms):
    """Of each bottom distinct values, none near 0, in float64; of labels whole numbers."""
    generator = torch.Generator().manual_seed(6)
    judges = {"SoftmaxWithLoss", "MultinomialLogisticLoss", "Accuracy"}
    reads_labels = layer.type in judges or bottoms[-1] == ()
    shapes = [(2, *bottom) for bottom in (bottoms[:1] if reads_labels else bottoms)]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    values = torch.randperm(sum(sizes), generator=generator) - sum(sizes) / 2 + 0.25
    parts = (values / sum(sizes) * 4).double().split(sizes)
    tensors = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
    if reads_labels:
        tensors.append(torch.randint(0, bottoms[0][0], (2, *bottoms[1]), generator=generator))
    return tensors


def tops_of(module, tensors):
    """What a module makes of its bottoms, as a tuple."""
    tops = module(*tensors)
    return tops if isinstance(tops, tuple) else (tops,)


def is_judge(layer):
    return layer.is_loss or layer.is_accuracy


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
