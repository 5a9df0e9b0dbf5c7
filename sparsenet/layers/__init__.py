"""The layers by `type`, each family in its file; importing this fills `LAYERS`."""

from sparsenet.layers import (
    activations,
    convolution,
    data,
    dividing,
    dropout,
    inner_product,
    joining,
    loss,
    lrn,
    normalization,
    pooling,
    regression,
    scale,
)
from sparsenet.layers.base import LAYERS

__all__ = [
    "LAYERS",
    "activations",
    "convolution",
    "data",
    "dividing",
    "dropout",
    "inner_product",
    "joining",
    "loss",
    "lrn",
    "normalization",
    "pooling",
    "regression",
    "scale",
]
