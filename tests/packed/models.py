"""A small trained-looking net with everything that a packed model can hold, and its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load, save

from sparsenet.checkpoint import Checkpoint, Constraint
from sparsenet.config.load import from_data
from sparsenet.layers.kernel_pattern import KernelPattern
from sparsenet.packed import file, header
from sparsenet.regularization.projections import keep_largest_
from sparsenet.workflows.build import build_net
from tests.small import convolution, inner_product

LAYERS = [
    {
        "name": "digits",
        "type": "Data",
        "source": "digits",
        "split": 100,
        "batch_size": 8,
        "transform": {"mean": "train"},
    },
    convolution("conv", 6, bias_term=False),
    {"name": "bn", "type": "BatchNorm"},
    convolution("conv2", 4),
    inner_product("ip1", 30),
    inner_product("ip2", 10),
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    {
        "name": "accuracy",
        "type": "Accuracy",
        "bottom": ["ip2", "label"],
        "include": {"phase": "TEST"},
    },
]
CONFIG = {"net": {"name": "small", "layers": LAYERS}, "base_lr": 0.01, "max_iter": 10}
COUNTS = {"conv.weight": 54, "conv2.weight": 100, "ip1.weight": 300, "ip2.weight": 3}
"""From all to 1 % of the weights, so that each weight has another format."""


def checkpoint(**counts: int) -> Checkpoint:
    """A net with so many nonzeros in each weight, with a mean image, classes and an accuracy."""
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    net = build_net(from_data(config, "small").solver.net, 5, torch.device("cpu"))
    weights = {name: tensor.clone() for name, tensor in net.weights().items()}
    kept = COUNTS | counts
    for name, count in kept.items():
        keep_largest_([weights[name]], count)
    constraints = tuple(Constraint(name, (name,), count) for name, count in kept.items())
    mean = torch.rand(net.graphs["TRAIN"].data.mean_shape)
    classes = tuple("abcdefghij")
    return Checkpoint(config, 7, weights, constraints, {"TEST": 0.1 + 0.2}, mean, classes)


def patterned() -> Checkpoint:
    """The same with one of its convolutions in the pattern PS4_P4, and so in `periodic`."""
    made = checkpoint()
    weight = made.weights["conv2.weight"]
    mask = KernelPattern(kss=4, period=4).mask(tuple(weight.shape))
    values = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    return replace(made, weights=made.weights | {"conv2.weight": values * mask})


def resigned(
    data: bytes,
    metadata: Callable[[dict[str, str]], None] = lambda _: None,
    tensors: Callable[[dict[str, torch.Tensor]], None] = lambda _: None,
    model: Callable[[dict[str, Any]], None] | None = None,
) -> bytes:
    """A packed file with parts of it changed, and the digest of one that was written so."""
    length = int.from_bytes(data[:8], "little")
    texts = json.loads(data[8 : 8 + length])["__metadata__"]
    parts = load(data)
    if model is not None:
        content = json.loads(header._expanded(texts["model"]))
        model(content)
        texts["model"] = header._compressed(content)
    metadata(texts)
    tensors(parts)
    texts.pop("sha256", None)
    texts["sha256"] = file._digest(texts, parts)
    return save(parts, texts)
