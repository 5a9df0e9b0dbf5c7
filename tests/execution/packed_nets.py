"""Sparse nets as packed models, and what torch computes from the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsenet.config.load import Configuration, from_data, load_solver
from sparsenet.execution.load import Execution, runnable
from sparsenet.execution.runnable import Runnable
from sparsenet.net import Net
from sparsenet.packed.model import PackedModel
from sparsenet.storage.encoded import encode
from sparsenet.storage.values import values_of
from tests.program.sparse_nets import CONFIGS, difference, images_for, sparse_net, torch_scores
from tests.small import net_data

SOLVER = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}


def small_solver(*layers: dict[str, Any], **data: Any) -> Configuration:
    return from_data({"net": net_data(*layers, **data), **SOLVER}, "test")


def shipped_solver(path: str) -> Configuration:
    return load_solver(CONFIGS / path)


def packed_net(
    configuration: Configuration, density: float, values: str = "float32"
) -> tuple[PackedModel, Net]:
    """A random sparse net packed, and the net with the weights as they are held there."""
    net = sparse_net(configuration.solver.net, density)
    weights = {}
    for blob in net.blobs:
        if blob.is_weight:
            weights[blob.name] = encode(blob.tensor.detach(), values_of(values))
            blob.tensor.copy_(weights[blob.name].decoded())
    others = {name: one.clone() for name, one in net.weights().items() if name not in weights}
    return PackedModel(configuration.data, 3, values_of(values), weights, others), net


def loaded(model: PackedModel, execution: Execution = "auto", threads: int = 1) -> Runnable:
    return runnable(model, "test", execution, threads)


def images_of(net: Net, count: int) -> Tensor:
    return torch.from_numpy(images_for(net, count))


def away(runs: Runnable, net: Net, blob: str, count: int) -> float:
    """The largest difference from the dense net's scores, relative to the largest of these."""
    images = images_of(net, count)
    found = runs(images).numpy()
    assert isinstance(found, np.ndarray)
    return difference(found, torch_scores(net, images.numpy(), blob))
