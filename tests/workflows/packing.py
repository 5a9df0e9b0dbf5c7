"""Packed models with weights at random places, as a training might have left them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sparsenet.checkpoint import Checkpoint, Constraint
from sparsenet.config.load import Configuration
from sparsenet.packed.model import PackedModel, pack
from sparsenet.workflows.build import build_net


def packed_with(
    configuration: Configuration,
    counts: Mapping[str, int],
    constraints: tuple[Constraint, ...] | None = None,
    classes: tuple[str, ...] | None = None,
) -> PackedModel:
    """The net with so many nonzero weights by layer, each under its own constraint by default."""
    net = build_net(configuration.solver.net, 0, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    weights = net.weights()
    for blob in net.blobs:
        if blob.is_weight:
            drawn = torch.zeros(blob.tensor.numel())
            places = torch.randperm(len(drawn), generator=generator)[: counts[blob.layer.name]]
            drawn[places] = 1 + torch.rand(len(places), generator=generator)
            weights[blob.name] = drawn.reshape(blob.tensor.shape)
    own = tuple(Constraint(name, (f"{name}.weight",), t) for name, t in counts.items())
    accuracy = {"VAL": 0.9123456789, "TEST": 0.9234567891}
    held = own if constraints is None else constraints
    iterations = configuration.solver.max_iter
    checkpoint = Checkpoint(
        configuration.data, iterations, weights, held, accuracy, classes=classes
    )
    return pack(checkpoint, "small")
