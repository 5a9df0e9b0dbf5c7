"""The torch module of a layer with the numbers of a packed model, without a weight."""

from __future__ import annotations

import torch
from torch import nn

from sparsenet.config.graph import Node
from sparsenet.execution.weights import Weights
from sparsenet.layers.base import ParameterLayer
from sparsenet.layers.fillers import Constant
from sparsenet.layers.weights import FilledLayer
from sparsenet.packed.model import PackError

_UNFILLED = {"weight_filler": Constant(), "bias_filler": Constant()}


def built(node: Node, weights: Weights) -> nn.Module:
    """The module of a layer as a test computes it; a weight that is packed has a shape, no values.

    Raises PackError where the model lacks one of the layer's numbers, or has it in another shape.
    """
    layer = node.layer
    generator = torch.Generator()
    if isinstance(layer, FilledLayer):
        with torch.device("meta"):
            module = layer.model_copy(update=_UNFILLED).build(node.in_shapes, generator)
    else:
        module = layer.build(node.in_shapes, generator)
    if isinstance(layer, ParameterLayer):
        _give_numbers(module, layer.name, weights)
    return module.eval().requires_grad_(False)


def _give_numbers(module: nn.Module, name: str, weights: Weights) -> None:
    needed = {
        key: tensor
        for key, tensor in module.state_dict().items()
        if not (key == "weight" and name in weights.packed)
    }
    for key, tensor in needed.items():
        there = weights.numbers.get(f"{name}.{key}")
        if there is None or there.shape != tensor.shape:
            has = "none" if there is None else f"one of shape {tuple(there.shape)}"
            words = f"needs a {name}.{key} of shape {tuple(tensor.shape)}, and there is {has}"
            raise PackError(f"the net {words}")
    given = {key: weights.numbers[f"{name}.{key}"] for key in needed}
    module.load_state_dict(given, strict=False, assign=True)
