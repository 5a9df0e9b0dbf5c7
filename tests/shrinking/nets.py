"""Nets with weights, some of whose filters are zero; and the smaller nets that equal them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sparsenet.config.load import Configuration, from_data
from sparsenet.config.readers import Readers, tested_phase
from sparsenet.net import Net
from sparsenet.shrinking.cut import cut_net, cut_tensors, silence_
from sparsenet.shrinking.plan import Plan, plan_removal
from sparsenet.workflows.build import build_net

Pruned = Mapping[str, set[int]]


def random_net(configuration: Configuration, seed: int = 0) -> Net:
    """The net with random parameters and statistics: no bias, shift or mean is 0."""
    net = build_net(configuration.solver.net, seed, torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.weights().items():
        drawn = torch.rand(tensor.shape, generator=generator) + 0.5
        if name.endswith(("variance", "factor")):
            tensor.copy_(drawn)
        elif tensor.dim() == 1:
            tensor.copy_(drawn - 1)
    return net


def without_filters(net: Net, pruned: Pruned) -> dict[str, Tensor]:
    """Copies of the net's tensors, in which these filters are zero."""
    weights = {name: tensor.clone() for name, tensor in net.weights().items()}
    for name, filters in pruned.items():
        weights[f"{name}.weight"][sorted(filters)] = 0.0
    return weights


def scores(net: Net, weights: Mapping[str, Tensor], seed: int = 5) -> Tensor:
    """What the net computes with these tensors from random images."""
    for name, tensor in net.weights().items():
        tensor.copy_(weights[name])
    phase = tested_phase(net.config)
    graph = net.graphs[phase]
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(4, *graph.data.image_shape, generator=generator)
    with torch.inference_mode():
        blobs = net(images, torch.zeros(4, dtype=torch.int64), phase).blobs
    return blobs[Readers(graph).scores]


def smaller(configuration: Configuration, plan: Plan) -> Configuration:
    """The configuration of the net that is left, as a checkpoint would hold it."""
    data = configuration.data | {"net": cut_net(configuration.data["net"], plan)}
    return from_data(data, "smaller")


def shrunk(
    configuration: Configuration, pruned: Pruned, *, needs_scores: bool = True
) -> tuple[Plan, Net, dict[str, Tensor]]:
    """The plan, the smaller net and its tensors, once its scores are known to be the larger's.

    `needs_scores` says that these must not all be alike, or nothing would have been compared.
    """
    net = random_net(configuration)
    weights = without_filters(net, pruned)
    plan = plan_removal(configuration.solver.net, pruned)
    silence_(weights, plan)
    small = build_net(smaller(configuration, plan).solver.net, 0, torch.device("cpu"))
    cut = cut_tensors(weights, plan)
    assert {name: tensor.shape for name, tensor in small.weights().items()} == {
        name: tensor.shape for name, tensor in cut.items()
    }
    before, after = scores(net, weights), scores(small, cut)
    assert not needs_scores or float(before.std()) > 0
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * float(before.abs().max()))
    return plan, small, cut


def layer(kind: str, name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **keys}
