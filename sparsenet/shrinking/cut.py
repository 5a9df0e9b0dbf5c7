"""The smaller net of a plan: its configuration and its tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from sparsenet.shrinking.channels import Weight, divided
from sparsenet.shrinking.plan import Plan


def silence_(weights: Mapping[str, Tensor], plan: Plan) -> None:
    """Zero the biases, shifts and means of the channels whose filters are zero, in place."""
    for name, places in plan.silent.items():
        weights[name][list(places)] = 0.0


def cut_tensors(weights: Mapping[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Parameters and statistics without the channels that go; what has none is the same tensor."""
    cut = dict(weights)
    for name, weight in plan.channels.weights.items():
        cut[f"{name}.weight"] = _cut_weight(weights[f"{name}.weight"], weight, plan)
    for name, row in plan.channels.rows.items():
        cut[name] = weights[name][plan.left(row)]
    return cut


def _cut_weight(tensor: Tensor, weight: Weight, plan: Plan) -> Tensor:
    """(outputs, inputs of a group, ...) without those that go, group by group."""
    if weight.is_depthwise:
        return tensor[plan.left(weight.outputs)]
    outputs, inputs = (divided(row, weight.group) for row in (weight.outputs, weight.inputs))
    parts = zip(tensor.chunk(weight.group), outputs, inputs, strict=True)
    return torch.cat(
        [part[plan.left(rows)][:, plan.left(columns)] for part, rows, columns in parts]
    )


def cut_net(net: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """The plain data of a net with the outputs, groups and slices that are left."""
    cut = copy.deepcopy(dict(net))
    layers = cut["layers"]
    for weight in plan.channels.weights.values():
        keys = layers[weight.index]
        keys["num_output"] = len(plan.left(weight.outputs))
        if weight.is_depthwise:
            keys["group"] = len(plan.left(weight.inputs))
    for index, parts in plan.channels.slices.items():
        sizes = [len(plan.left(part)) for part in parts]
        if sizes != list(map(len, parts)):
            layers[index]["slice_point"] = list(accumulate(sizes[:-1]))
    return cut
