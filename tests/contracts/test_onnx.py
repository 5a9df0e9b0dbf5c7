"""Every registered layer as ONNX operators: in ONNX Runtime it computes what its module does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from sparsenet.config.graph import Node
from sparsenet.exports.onnx.graph import GraphWriter
from sparsenet.exports.onnx.model import OPSET, described
from sparsenet.exports.onnx.operators import WRITERS
from sparsenet.layers import LAYERS
from sparsenet.layers.base import Layer, Shape
from tests.contracts.layer_examples import (
    EXAMPLES,
    FILLED,
    IMAGE,
    SOURCES,
    batch,
    built,
    is_judge,
    poolings,
)

Bottoms = tuple[Shape, ...]
MORE: list[tuple[str, dict[str, Any], Bottoms]] = [
    ("BatchNorm", {"use_global_stats": False, "eps": 0.1}, (IMAGE,)),
    ("BatchNorm", {}, ((7,),)),
    ("BatchNormScale", {**FILLED, "use_global_stats": False}, (IMAGE,)),
    ("Convolution", {"num_output": 3, "kernel_size": [1, 2], "stride": [2, 1]}, (IMAGE,)),
    ("Scale", {"filler": FILLED["weight_filler"]}, (IMAGE,)),
    ("PReLU", {"channel_shared": True}, (IMAGE,)),
    ("Softmax", {}, ((7,),)),
    ("Flatten", {}, ((7,),)),
    ("Power", {"power": 2}, (IMAGE,)),
    ("LRN", {"norm_region": "WITHIN_CHANNEL", "local_size": 5, "alpha": 0.5}, (IMAGE,)),
]
COMPUTED = [each for each in (*EXAMPLES, *MORE) if not is_judge(LAYERS[each[0]])]


def node_of(layer: Layer, bottoms: Bottoms) -> Node:
    names = tuple(f"bottom{place}" for place in range(len(bottoms)))
    return Node(0, layer, names, layer.top_names, bottoms, layer.output_shapes(bottoms))


def model_of(node: Node, tensors: dict[str, torch.Tensor]) -> onnx.ModelProto:
    """A layer alone as a model that onnx's checker passes."""
    writer = GraphWriter(tensors, WRITERS)
    inputs = {name: writer.value(name) for name in node.bottoms}
    values = writer.add([node], inputs)
    shapes = zip(inputs.values(), node.in_shapes, strict=True)
    tops = [(values[top], shape) for top, shape in zip(node.tops, node.out_shapes, strict=True)]
    graph = onnx.helper.make_graph(
        writer.nodes,
        "layer",
        [described(name, shape) for name, shape in shapes],
        [described(name, shape) for name, shape in tops],
        list(writer.initializers.values()),
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def difference(layer: Layer, module: nn.Module, bottoms: Bottoms, *, learnt: bool = True) -> float:
    """The largest difference of ONNX Runtime's tops from the module's, in a test.

    Statistics are random where they are `learnt`, else as they were at first.
    """
    module = module.eval()
    generator = torch.Generator().manual_seed(7)
    for buffer in module.buffers() if learnt else ():
        buffer.uniform_(0.5, 2, generator=generator)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    model = model_of(node_of(layer, bottoms), {f"layer.{k}": v for k, v in tensors.items()})
    images = [tensor.float() for tensor in batch(layer, bottoms)]
    with torch.inference_mode():
        expected = module(*images)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [item.name for item in session.get_inputs()]
    found = session.run(None, {k: v.numpy() for k, v in zip(names, images, strict=True)})
    wanted = expected if isinstance(expected, tuple) else (expected,)
    pairs = list(zip(found, wanted, strict=True))
    assert [one.shape for one, _ in pairs] == [tuple(other.shape) for _, other in pairs]
    return max(float(np.abs(one - other.numpy()).max()) for one, other in pairs)


def test_every_layer_that_computes_has_its_operators() -> None:
    computing = {kind for name, kind in LAYERS.items() if name not in SOURCES}
    assert set(WRITERS) == {kind for kind in computing if not is_judge(kind)}


@pytest.mark.parametrize(
    ("name", "keys", "bottoms"),
    [pytest.param(*each, id=f"{i}-{each[0]}") for i, each in enumerate(COMPUTED)],
)
def test_a_layer_is_what_its_module_computes(
    name: str, keys: dict[str, Any], bottoms: Bottoms
) -> None:
    layer, module = built(name, keys, bottoms)
    assert difference(layer, module, bottoms) < 1e-5


def test_a_batch_norm_that_saw_no_batch_is_its_module() -> None:
    layer, module = built("BatchNorm", {"eps": 0.25}, (IMAGE,))
    assert difference(layer, module, (IMAGE,), learnt=False) < 1e-5


@settings(max_examples=60, deadline=None)
@given(poolings())
def test_pooling_has_caffes_windows_and_borders(pooling: tuple[Layer, nn.Module, Bottoms]) -> None:
    layer, module, bottoms = pooling
    assert difference(layer, module, bottoms) < 1e-6
