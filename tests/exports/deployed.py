"""Nets with random weights, half of them zero, as they would be deployed."""

from __future__ import annotations

from typing import Any

import torch

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.net import NetConfig
from sparsenet.exports.inference import Inference, inference_of
from sparsenet.workflows.build import build_net
from tests.small import configured


def deployed(data: dict[str, Any], **checkpoint: Any) -> Inference:
    """A net of plain data; `checkpoint` are fields of what it is stored in."""
    return _deployed(configured(data).solver.net, **checkpoint)


def deployed_net(config: NetConfig) -> Inference:
    """A net with the mean image that its data want."""
    data = next(layer for layer in config.layers if layer.type == "Data")
    return _deployed(config, mean_image=torch.full(data.mean_shape, 100.0))  # type: ignore[attr-defined]


def _deployed(config: NetConfig, **checkpoint: Any) -> Inference:
    net = build_net(config, 5, torch.device("cpu"))
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for blob in net.blobs:
            drawn = torch.randn(blob.tensor.shape, generator=generator)
            drawn /= blob.tensor[0].numel() ** 0.5
            blob.tensor.copy_(drawn.relu() if blob.is_weight else drawn)
        for tensor in net.statistics().values():
            tensor.uniform_(0.5, 2, generator=generator)
    return inference_of(net, Checkpoint({}, 7, net.weights(), **checkpoint))
