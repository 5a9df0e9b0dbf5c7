"""From a deployed net to an ONNX model, layer by layer.

Not by torch.onnx.export (torch 2.14): it multiplies a BatchNorm into the convolution before it, so
that no weight keeps its value, names layers by their place, and drops the divisor of a mean over
windows (`divisor_override`), which makes the scores wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper

from sparsenet.exports.inference import ExportError, Inference
from sparsenet.exports.onnx.graph import GraphWriter
from sparsenet.exports.onnx.operators import WRITERS
from sparsenet.exports.preprocessing import facts
from sparsenet.layers.base import Shape

OPSET = 17
"""Of 2022, which is enough: a newer one would only lock out older runtimes."""

_LIMIT = 2**31 - 1
"""Bytes that a file of protocol buffers can have."""


def model_of(inference: Inference) -> onnx.ModelProto:
    """The model: from `images` (N, C, H, W), transformed already, to `scores`, both float32.

    Its initializers are the net's tensors under their names, bit for bit. Raises ExportError.
    """
    size = sum(tensor.nbytes for tensor in inference.tensors.values())
    if size > _LIMIT:
        raise ExportError(f"its {size:,} bytes are more than the {_LIMIT:,} of an ONNX file")
    writer = GraphWriter(inference.tensors, WRITERS)
    images = writer.value(inference.images)
    scores = writer.add(inference.nodes, {inference.images: images})[inference.scores]
    graph = helper.make_graph(
        writer.nodes,
        inference.net.config.name or "net",
        [described(images, inference.data.image_shape)],
        [described(scores, inference.nodes[-1].out_shapes[0])],
        list(writer.initializers.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="sparsenet",
    )
    helper.set_model_props(model, facts(inference))
    return model


def described(name: str, shape: Shape) -> onnx.ValueInfoProto:
    """A value of any number N of examples."""
    dimensions: Sequence[str | int] = ["N", *shape]
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dimensions)
