"""Examples of every registered layer, and what their tests make of them."""

import torch
from hypothesis import assume
from hypothesis import strategies as st

from sparsenet.layers import LAYERS
from sparsenet.layers.base import ShapeError

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


def is_judge(layer):
    return layer.is_loss or layer.is_accuracy


@st.composite
def poolings(draw):
    """Any Pooling that an image of its bottoms can have, as `built` gives it, and these."""
    kernel, stride = (draw(st.tuples(st.integers(1, 4), st.integers(1, 4))) for _ in range(2))
    pad = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    assume(pad[0] < kernel[0] and pad[1] < kernel[1])
    modes = {
        "pool": draw(st.sampled_from(["MAX", "AVE"])),
        "round_mode": draw(st.sampled_from(["CEIL", "FLOOR"])),
    }
    window = {"kernel_size": list(kernel), "stride": list(stride), "pad": list(pad)}
    bottoms = ((2, *draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))),)
    try:
        return (*built("Pooling", window | modes, bottoms), bottoms)
    except ShapeError:
        return assume(False)
